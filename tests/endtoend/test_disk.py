"""A full disk: nothing new is risked, what is open stays guarded, and a person hears of it."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

from adapters.storage.chain import verify
from adapters.storage.lock import InstanceLock
from adapters.storage.pulse import last_beat
from tests.endtoend.bulwark import (
    NOWHERE,
    ROOT,
    Bot,
    LogFile,
    Pipe,
    at_exchange,
    free_port,
    market,
    wait_for,
)
from tests.endtoend.observer import Observer, disagreement
from tests.endtoend.scripts import WIDE, script

SILENT_DISK = """
import threading
from adapters.storage.journal import AppendFile
from commands import bot
AppendFile.append = lambda *_, **__: threading.Event().wait()
bot.END_SECONDS = 1.0
import run
run.main()
"""
"""The bot, on a disk that never answers the journal; a test does not wait as long for its end."""
FAILING_DISK = """
from adapters.storage.journal import AppendFile
def fails(*_):
    raise OSError(5, "Input/output error")
AppendFile.sync = fails
import run
run.main()
"""
"""The bot, on a disk that brings nothing of the journal to the platter."""
FULL, FREE = 1, resource.RLIM_INFINITY


def limit_files(pid: int, size: int) -> None:
    """No file of the process may grow beyond ``size`` bytes: a full disk for it alone."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def resting_stop(observer: Observer) -> str:
    """The id of the one resting stop; empty when there is none."""
    return next((x["order_id"] for x in observer.open_orders() if ".sl." in x["label"]), "")


def test_a_full_disk_stops_entries_and_not_protection(tmp_path: Path) -> None:
    """The stop is replaced when it vanishes, no entry is sent; later all is written down."""
    later = {**WIDE, "instrument_name": "ETH-PERPETUAL", "quantity": "0.1", "after": 4}
    with market(tmp_path) as exchange:
        observer, registry = Observer(exchange.port), tmp_path / "data/paper/registry.json"
        settings = at_exchange(
            exchange, STRATEGIES=script(tmp_path, WIDE, later), MAX_OPEN_TRADES=2
        )
        with Bot(tmp_path, settings, pipe=Pipe()) as bot:
            bot.wait_for("target_placed")
            limit_files(bot.pid, FULL)
            first = resting_stop(observer)
            observer.call("private/cancel", order_id=first)
            wait_for(lambda: resting_stop(observer) not in {"", first}, "a new stop rests")
            bot.wait_until(lambda: "entry_denied" in bot.printed(), "the entry is denied")
            printed = bot.printed()
            assert "reasons=['intent_not_recorded']" in printed
            assert "DISK: the registry cannot be written" in printed
            assert [x for x in observer.fills() if x["instrument_name"] == "ETH-PERPETUAL"] == []
            limit_files(bot.pid, FREE)
            bot.wait_for("disk_recovered", what="registry")
            bot.wait_for("disk_recovered", what="journal")
            bot.wait_until(lambda: disagreement(observer, registry) == "", "book and venue agree")
            assert bot.all("log_lines_lost")
            assert not bot.all("child_failed")
            assert bot.stop() == 0
    result = verify(tmp_path / "data/paper/journal")
    assert result.ok, result


def ended(folder: Path, code: str) -> int:
    """How a bot of ``code`` ends that is told to stop as soon as it lives; it has no venue."""
    settings = {"DERIBIT_HTTP_URL": f"{NOWHERE}/api/v2", "API_PORT": str(free_port())}
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **settings}
    with (folder / "out").open("wb") as sink:
        bot = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=folder,
            env=environment,
            stdout=sink,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(lambda: last_beat(folder / "data/paper/pulse"), "the bot lives", 20.0)
        bot.send_signal(signal.SIGTERM)
        return bot.wait(30.0)
    finally:
        bot.kill()
        bot.wait()


def test_a_disk_that_does_not_answer_keeps_no_process(tmp_path: Path) -> None:
    """The Historian waits for it for ever, and so would whoever closes the journal at the end."""
    assert ended(tmp_path, SILENT_DISK) == 0
    log = LogFile(tmp_path / "logs" / "bot.log")
    assert log.all("stop_budget_exceeded", child="historian")
    assert log.all("stopped")
    with InstanceLock(tmp_path / "data/paper/bot.lock"):
        pass  # free for the next


def test_a_disk_that_fails_at_the_end_changes_no_exit_code(tmp_path: Path) -> None:
    """Whoever ordered the stop has it; that the last entries are not on the platter is said."""
    assert ended(tmp_path, FAILING_DISK) == 0
    log = LogFile(tmp_path / "logs" / "bot.log")
    assert log.all("disk_failed", what="journal")
    assert log.all("journal_not_synced", error="Input/output error")
