"""A real supervisord, the project's own file: deaths, hangs and mistakes while trading."""

import os
import signal
import statistics
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from adapters.clock import SystemClock
from commands.supervised import START_SECONDS
from tests.adapters.binance.double import Double
from tests.adapters.binance.tape import Tape
from tests.commands.bot_api import BotApi, bot_api
from tests.endtoend.bulwark import LogFile, free_port, is_alive, wait_for
from tests.endtoend.observer import Observer, disagreement
from tests.endtoend.scripts import WIDE, script
from tests.endtoend.supervised import Supervised, supervised

TOKEN = "12345678:AAcanary-canary-canary-canary"
BACK_SECONDS = 40.0
"""Far more than it takes; the machine may be busy."""
LIMIT = 8.0
"""More than a start takes on a busy machine."""
clock = SystemClock()


class Night:
    """A supervised bot that trades, the venue's view of it, and the phone."""

    def __init__(self, folder: Path, run: Supervised, api: BotApi, port: int) -> None:
        self.run, self.api = run, api
        self.observer = Observer(port)
        self.registry = folder / "data" / "paper" / "registry.json"
        self.collector = LogFile(folder / "logs" / "collector.log")
        self.back: list[float] = []

    def is_guarded(self) -> None:
        """Book and venue agree, one trade is open, and its stop rests."""

        def look() -> bool:
            return not disagreement(self.observer, self.registry) and bool(
                self.observer.positions()
            )

        wait_for(look, "an open trade under its stop", BACK_SECONDS)

    def kill(self, program: str, sign: str) -> None:
        """``kill -9``; until a log shows that all is well again: the collector's its own, the
        bot's all else.
        """
        log = self.collector if program == "collector" else self.run.log
        victim = self.run.pid(program)
        since, died_at = len(log.look()), clock.now()
        os.kill(victim, signal.SIGKILL)
        back = log.wait(sign, since, BACK_SECONDS)
        self.back.append((datetime.fromisoformat(back["ts"]) - died_at).total_seconds())
        wait_for(lambda: not is_alive(victim), "the end of the killed")
        self.is_guarded()

    def told(self, words: str, since: int = 0) -> str:
        """The first message with these words, waited for."""

        def look() -> str:
            return next((x for x in self.api.texts()[since:] if words in x), "")

        return wait_for(look, f"{words!r} in {self.api.texts()}", BACK_SECONDS)


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    """One supervisord for all tests of the file; each leaves it trading."""
    folder, port = tmp_path_factory.mktemp("sv"), free_port()
    now_ms = int(clock.now().timestamp() * 1000)
    tape = Tape.make("BTCUSDT", 100_000, now_ms - 60_000, seed=3)
    with bot_api() as api, Double([tape], begin=1_000) as binance:
        settings = {
            "PAPER_PORT": port,
            "API_PORT": free_port(),
            "STRATEGIES": script(folder / "scripts", WIDE),
            "TELEGRAM_BOT_TOKEN": TOKEN,
            "TELEGRAM_CHAT_ID": 42,
            "TELEGRAM_API_URL": api.url,
            "WATCHDOG_LIMIT_SECONDS": LIMIT,
            "WATCHDOG_ACTION": "restart",
            "COLLECT_SYMBOLS": "BTCUSDT",
            **binance.settings,
        }
        with supervised(folder, settings) as run:
            run.log.wait("target_placed", 0, BACK_SECONDS)
            found = Night(folder, run, api, port)
            found.is_guarded()
            yield found
            assert run.stop() == 0
            assert run.log.all("stopped")[-1]["exit_code"] == 0
            for path in (folder / "logs").iterdir():
                assert b"canary" not in path.read_bytes(), path


def test_the_bot_comes_back_after_kill_9(night: Night) -> None:
    """Ready by itself, the trade resumed under its stop, and the person told both."""
    since = len(night.api.texts())
    night.kill("bot", "ready")
    assert "supervisord starts it again" in night.told("bot DIED", since)
    night.told("bot runs again", since)


def test_a_restart_by_order_is_told_as_one(night: Night) -> None:
    """supervisord has started the next one long before its table could be asked for the code."""
    since, lines = len(night.api.texts()), len(night.run.log.look())
    night.run.bulwark("restart", "--yes", "--wait", "0")
    told = night.told("bot restarts by order", since)
    assert "[!]" not in told
    night.told("bot runs again", since)
    night.run.log.wait("ready", lines, BACK_SECONDS)
    assert not [x for x in night.api.texts()[since:] if "DIED" in x]
    night.is_guarded()


def test_the_exchange_comes_back_after_kill_9(night: Night) -> None:
    """The bot finds its positions there and logs in anew; it was never restarted."""
    before = night.run.spawned("bot")
    night.kill("exchange", "session_opened")
    assert night.run.spawned("bot") == before


def test_the_collector_comes_back_after_kill_9(night: Night) -> None:
    """It goes on collecting, the person is told, and what trades does not notice."""
    since, before = len(night.api.texts()), night.run.spawned("bot")
    night.run.ctl("start", "collector")
    night.collector.wait("stream_connected", 0, BACK_SECONDS)
    night.kill("collector", "stream_connected")
    night.told("collector DIED", since)
    night.told("collector runs again", since)
    assert night.run.spawned("bot") == before


def test_a_bot_that_does_not_respond_is_told_and_replaced(night: Night) -> None:
    """SIGSTOP: no exit, no log line, nothing but silence. The watchdog says it, and acts."""
    since, lines = len(night.api.texts()), len(night.run.log.look())
    os.kill(night.run.pid("bot"), signal.SIGSTOP)
    told = night.told("bot is UNRESPONSIVE", since)
    assert "The watchdog kills it, and supervisord starts it again." in told
    night.run.log.wait("ready", lines, BACK_SECONDS)
    night.is_guarded()


def test_a_mistake_in_the_settings_does_not_loop(night: Night) -> None:
    """One start, exit 78, a message that says what to do; corrected, it goes on."""
    since, before = len(night.api.texts()), night.run.spawned("bot")
    night.run.write_settings(MAX_OPEN_TRADES=0)
    night.run.ctl("restart", "bot")
    told = night.told("exit code 78", since)
    assert "supervisord does not start it again: correct .env" in told
    clock.sleep(START_SECONDS)  # long enough for supervisord to have tried once more
    assert night.run.states()["bot"] == "EXITED"
    assert night.run.spawned("bot") == before + 1
    lines = len(night.run.log.look())
    night.run.write_settings()
    night.run.ctl("start", "bot")
    night.run.log.wait("ready", lines, BACK_SECONDS)
    night.is_guarded()


def test_a_terminal_that_is_closed_takes_nobody_along(tmp_path: Path) -> None:
    """The line to it breaks: all restart in order, under the supervisord that was there."""
    terminal, device = os.openpty()
    settings = {"PAPER_PORT": free_port(), "API_PORT": free_port(), "STRATEGIES": "none"}
    with supervised(tmp_path, settings, os.ttyname(device)) as run:
        run.log.wait("ready", 0, BACK_SECONDS)
        pids = [run.pid(program) for program in ("exchange", "bot")]
        lines = len(run.log.look())
        os.close(device)
        os.close(terminal)
        try:
            assert run.log.wait("stopped", lines, BACK_SECONDS)["exit_code"] == 0
            run.log.wait("ready", lines, BACK_SECONDS)
            wait_for(lambda: run.states()["watchdog"] == "RUNNING", "the watchdog", BACK_SECONDS)
            assert run.stop() == 0
        finally:
            for pid in filter(is_alive, pids):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
def test_many_kills_in_turn_and_the_median_recovery(night: Night) -> None:
    """Bot, exchange and collector, ten times each; shown with ``-s``."""
    night.run.ctl("start", "collector")
    for program, sign in (
        ("bot", "ready"),
        ("exchange", "session_opened"),
        ("collector", "stream_connected"),
    ):
        night.back.clear()
        for _ in range(10):
            night.kill(program, sign)
        times = sorted(night.back)
        median = statistics.median(times)
        print(f"\nkill -9 of {program} to {sign}: median {median:.2f} s, longest {times[-1]:.2f} s")
