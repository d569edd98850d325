"""A full disk: nothing new is risked, what is open stays guarded, and a person hears of it."""

import resource
from pathlib import Path

from adapters.storage.chain import verify
from tests.endtoend.bulwark import Bot, Pipe, at_exchange, market, wait_for
from tests.endtoend.observer import Observer, disagreement
from tests.endtoend.scripts import WIDE, script

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
