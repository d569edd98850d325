"""What a person meets who starts the bot for the first time, and for the second."""

import signal
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from adapters.paper.store import read
from tests.endtoend.bulwark import Bot, Entry, free_port, is_alive, wait_for
from tests.endtoend.explained import unexplained
from tests.endtoend.observer import Books, Observer
from tests.endtoend.scripts import WIDE, script

NANO = Decimal("1e-9")
CURRENCIES = {"BTC-PERPETUAL": "BTC", "ETH-PERPETUAL": "ETH"}
NOTE = "größer → 大きい 🚀"
AT_START = {"BTC": Decimal(10), "ETH": Decimal(100)}


def first_run(folder: Path, seconds: float, **settings: object) -> list[Entry]:
    """A run in a fresh folder until a trade has closed; the log, the process ended by Ctrl-C."""
    port = free_port()
    with Bot(folder, {"PAPER_PORT": port, **settings}) as bot:
        bot.ready()
        for event in ("trade_opened", "stop_placed", "trade_closed"):
            bot.wait_for(event, seconds)
        check_money(Observer(port), bot)
        exchange = bot.wait_for("paper_exchange_started")["pid"]
        assert bot.stop(signal.SIGINT) == 0
        assert "Traceback" not in bot.printed()
        wait_for(lambda: not is_alive(exchange), "the embedded exchange ends with the bot")
        return bot.logged()


def check_money(observer: Observer, bot: Bot) -> None:
    """Every closed trade's figures are the venue's, and the account's equity is their sum."""
    for closed in bot.all("trade_closed"):
        label = f"bw.{closed['trade_id']}."
        fills = [x for x in observer.fills() if x["label"].startswith(label)]
        booked = sum((x["profit_loss"] for x in fills), Decimal(0))
        assert abs(Decimal(closed["pnl_coin"]) - booked) <= NANO
        fees = sum((x["fee"] for x in fills), Decimal(0))
        assert abs(Decimal(closed["fees_coin"]) - fees) <= NANO
        net = Decimal(closed["net_coin"])
        assert abs(net - (booked - fees)) <= NANO
    for instrument in CURRENCIES:
        gain, explained = wait_for(partial(equity_gain, observer, instrument), "a quiet moment")
        assert abs(gain - explained) <= NANO


def equity_gain(observer: Observer, instrument: str) -> tuple[Decimal, Decimal] | None:
    """Equity won without what is unrealised, and what fills and funding explain of it.

    None when something was filled between the reads.
    """
    before = [x for x in observer.fills() if x["instrument_name"] == instrument]
    currency = CURRENCIES[instrument]
    account = observer.account(currency)
    position = observer.call("private/get_position", instrument_name=instrument)
    after = [x for x in observer.fills() if x["instrument_name"] == instrument]
    if before != after:
        return None
    gain = Decimal(account["equity"]) - AT_START[currency] - Decimal(account["session_upl"])
    booked = sum((x["profit_loss"] - x["fee"] for x in after), Decimal(0))
    return gain, booked + Decimal(position["realized_funding"])


def assert_in_order(log: list[Entry], *events: str) -> None:
    """The first of each event came in this order."""
    firsts = [next(i for i, entry in enumerate(log) if entry["event"] == x) for x in events]
    assert firsts == sorted(firsts), dict(zip(events, firsts, strict=True))


def test_a_first_run_trades_and_its_money_is_the_venues(tmp_path: Path) -> None:
    """Nothing but the start: ready, a trade with its stop, its end, and true figures."""
    log = first_run(tmp_path, 60.0, PAPER_SPEED=3)
    assert_in_order(log, "ready", "signal_raised", "intent_recorded", "entry_sent")
    assert_in_order(log, "entry_sent", "stop_placed", "trade_opened", "trade_closed")
    assert_in_order(log, "stopping", "stopped")
    assert unexplained(log) == []


@pytest.mark.slow
def test_a_first_run_in_real_time_trades_within_two_minutes(tmp_path: Path) -> None:
    """Exactly what the README promises, at the default speed."""
    log = first_run(tmp_path, 120.0)
    assert_in_order(log, "ready", "stop_placed", "trade_closed")


@dataclass(frozen=True, slots=True)
class LeftOpen:
    """A folder in which a bot was stopped while a trade of its was open; and what it said."""

    folder: Path
    port: int
    log: list[Entry]
    printed: str


@pytest.fixture(scope="module")
def left_open(tmp_path_factory: pytest.TempPathFactory) -> LeftOpen:
    """A trade with a note few terminals can show, on a terminal that cannot."""
    folder, port = tmp_path_factory.mktemp("left-open"), free_port()
    settings = {
        "PAPER_PORT": port,
        "STRATEGIES": script(folder, {**WIDE, "label": NOTE}),
        "PYTHONIOENCODING": "cp1252",
        "LC_ALL": "C",
    }
    with Bot(folder, settings) as bot:
        bot.wait_for("target_placed")
        assert bot.stop(signal.SIGINT) == 0
        return LeftOpen(folder, port, bot.logged(), bot.printed())


def test_a_terminal_that_cannot_show_a_note_does_not_matter(left_open: LeftOpen) -> None:
    """The trade ran its course; the log file has the note as it was written."""
    notes = [x["note"] for x in left_open.log if x["event"] == "intent_recorded"]
    assert notes == [NOTE]
    assert not [x for x in left_open.log if x["event"] == "child_failed"]
    assert "\\U0001f680" in left_open.printed
    assert "Traceback" not in left_open.printed


def test_an_ordered_stop_leaves_stop_and_target_on_the_venue(left_open: LeftOpen) -> None:
    """The embedded exchange keeps them in its account file, which the next start reads."""
    account = read(left_open.folder / "data/paper/exchange")
    assert account is not None
    held = account["stakes"]["BTC-PERPETUAL"]["holding"]["contracts"]
    resting = {x["order_type"]: (x["state"], x["reduce_only"]) for x in account["live"]}
    assert held > 0
    assert resting == {"stop_market": ("untriggered", True), "limit": ("open", True)}


def test_the_next_start_resumes_the_open_trade(left_open: LeftOpen) -> None:
    """The same position under the same stop: nothing is sent again."""
    with Bot(left_open.folder, {"PAPER_PORT": left_open.port, "STRATEGIES": "none"}) as bot:
        assert bot.ready()["trades"] == 1
        observer = Observer(left_open.port)
        books = Books.read(left_open.folder / "data/paper/registry.json")
        assert observer.positions() == books.ledger()
        labels = sorted(x["label"].split(".", 2)[2] for x in observer.open_orders())
        assert labels == ["sl.1", "tp.1"]
        assert not bot.all("entry_sent") + bot.all("stop_placed") + bot.all("target_placed")
        assert bot.stop(signal.SIGTERM) == 0
