"""Reading commands: figures equal the venue's, and what is not known is said to be so."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest

from actors.desk import WORK, without_work
from actors.desk_reads import LEAST_OF_ID, daily
from actors.desk_sources import DeskFacts
from actors.messages.desk import CommandHandled, CommandRead, Refusal, Status
from actors.messages.trading import TradeClosed
from domain.commands import COMMANDS
from domain.content import as_text
from tests.actors.desk.support import Counter, rows, words
from tests.scenarios.scene import BTC, LINEAR, Scene, Spell, poisonable


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene().ready(derive=poisonable)
    yield made
    made.end()


def test_every_command_of_the_table_is_carried_out_by_somebody() -> None:
    """And nobody carries out what the table does not have."""
    assert without_work(COMMANDS) == []
    assert set(WORK) == {spec.name for spec in COMMANDS}


def test_every_example_is_understood_and_answered(scene: Scene) -> None:
    """The examples of the help work as they are written."""
    desk = Counter(scene)
    scene.bracket(BTC)
    scene.run(3.0)
    for spec in COMMANDS:
        reply = desk.say(spec.example)
        assert reply.reason not in {Refusal.BAD_ARGUMENTS, Refusal.FAILED}, (spec.name, reply)
        assert reply.content.lines or reply.content.tables
        assert (reply.status is Status.NEEDS_CONFIRMATION) == (spec.name in {"open", "restart"})
    assert not scene.world.failures


def test_positions_show_the_stop_that_rests_at_the_venue(scene: Scene) -> None:
    """Moved by hand at the venue, the moved one is shown, not the one we intended."""
    trade_id = scene.bracket(BTC)
    scene.run(3.0)
    (row,) = rows(Counter(scene).say("positions"), "positions")
    (stop,) = scene.stops(trade_id)
    assert row["stop"] == stop.trigger_price == Decimal(99000)
    assert (row["contracts"], row["stop_contracts"], row["side"]) == (500, 500, "long")
    assert row["trades"] == trade_id
    assert row["target"] == Decimal(101000)
    assert row["unprotected_ms"] > 0
    stake = scene.engine.account.stakes[BTC]
    assert row["entry"] == pytest.approx(500 * 10 / stake.holding.cost)
    mark = row["mark"]
    assert row["to_stop_pct"] == (mark - Decimal(99000)) / mark * 100


def test_pnl_in_usd_is_the_venues_coin_figure_at_the_index(scene: Scene) -> None:
    """Inverse times index; linear is USDC already."""
    scene.bracket(BTC)
    scene.bracket(LINEAR, quantity="0.05", stop="98000", target="103000")
    scene.run(3.0)
    found = {x["instrument"]: x for x in rows(Counter(scene).say("positions"), "positions")}
    linear, inverse = found[LINEAR], found[BTC]
    assert linear["pnl_usd"] == linear["pnl_coin"]
    assert linear["currency"] == "USDC"
    assert abs(inverse["pnl_usd"] / inverse["mark"] - inverse["pnl_coin"]) < Decimal("1e-5")


def test_pnl_counts_from_the_entry_beside_it_and_not_from_the_settlement() -> None:
    """At 08:00 the venue settles: what floats begins anew, the position's result does not."""
    scene = Scene(start=datetime(2026, 1, 5, 7, 57, tzinfo=UTC)).ready()
    scene.bracket(BTC, target=None)
    scene.market.move(btc_usd=100_800)
    scene.rest(240)
    (row,) = rows(Counter(scene).say("positions"), "positions")
    gained = 5000 / row["entry"] - 5000 / row["mark"]
    assert gained > Decimal("0.0003")
    assert row["pnl_coin"] == pytest.approx(gained, abs=Decimal("1e-7"))
    scene.end()


def test_history_comes_from_the_journal(scene: Scene) -> None:
    """After a restart as before it."""
    trade_id = scene.bracket(BTC)
    Counter(scene).say(f"close {trade_id}")
    closed = scene.wait(TradeClosed)
    scene.run(1.0)
    scene.crash()
    scene.boot()
    scene.run(5.0)
    desk = Counter(scene)
    (row,) = rows(desk.say("trades 5"), "trades")
    assert (row["id"], row["net_coin"], row["reason"]) == (trade_id, closed.net_coin, "requested")
    (summed,) = rows(desk.say("pnl day"), "pnl")
    assert (summed["trades"], summed["net_coin"]) == (1, closed.net_coin)
    story = rows(desk.say(f"trade {trade_id}"), "story")
    assert story[0]["event"] == "intent_recorded"
    assert "trade_closed" in [x["event"] for x in story]


def test_the_beginning_of_a_trades_id_will_do(scene: Scene) -> None:
    """Where it is one trade's only; of several all are named, and too short is nothing."""
    first = scene.bracket(BTC)
    scene.run(3.0)
    desk, begins = Counter(scene), first[:LEAST_OF_ID]
    assert rows(desk.say(f"trade {begins}"), "story") == rows(desk.say(f"trade {first}"), "story")
    second = scene.bracket(LINEAR, quantity="0.05", stop="98000", target="103000")
    scene.run(3.0)
    told = desk.say(f"trade {begins}")
    assert told.reason == Refusal.UNKNOWN_TRADE
    assert words(told) == f"{begins} begins several ids: {first}, {second}."
    assert desk.say(f"trade {first}").status is Status.DONE
    assert desk.say(f"trade {begins[:-1]}").reason == Refusal.UNKNOWN_TRADE


def test_what_does_not_answer_is_said_not_to(scene: Scene) -> None:
    """Execution hangs: status is answered all the same, within seconds."""
    scene.bracket(BTC)
    scene.run(3.0)
    scene.daemon.system.address("execution").tell(Spell(at=scene.world.now(), seconds=15))
    scene.run(0.1)
    began = scene.world.monotonic()
    status = rows(Counter(scene).say("status"), "status")
    assert scene.world.monotonic() - began < 1.5
    facts = {x["key"]: x["value"] for x in status}
    assert facts["mode"] == "execution does not answer"
    assert "Execution does not answer" in facts["health"]
    (row,) = rows(Counter(scene).say("positions"), "positions")
    assert row["stop"] == Decimal(99000)


def test_reading_is_audited_once_a_minute(scene: Scene) -> None:
    """A dashboard that asks every second does not fill the journal."""
    desk = Counter(scene)
    for _ in range(20):
        desk.say("ping")
    assert [x.times for x in scene.events(CommandRead)] == [1]
    scene.run(61.0)
    assert [x.times for x in scene.events(CommandRead)] == [1, 19]
    assert scene.events(CommandHandled) == []


def test_health_is_well_and_says_what_a_person_chose(scene: Scene) -> None:
    """A pause is a note, no fault."""
    desk = Counter(scene)
    scene.run(3.0)
    reply = desk.say("health")
    assert (words(reply), reply.content.tables) == (
        "All is well.",
        (),
    )  # short when there is nothing
    desk.say("pause")
    reply = desk.say("health")
    assert words(reply) == "All is well."
    assert [x["code"] for x in rows(reply, "findings")] == ["paused"]
    assert "paused by api:operator" in as_text(reply.content)


def test_a_naked_position_shows_no_stop_and_is_not_well(scene: Scene) -> None:
    """Judged on what rests at the venue, whatever our record says."""
    trade_id = scene.bracket(BTC)
    (stop,) = scene.stops(trade_id)
    for name in ("execution", f"trade-{trade_id}"):
        scene.daemon.system.address(name).tell(Spell(at=scene.world.now(), seconds=20))
    scene.run(0.1)
    scene.market.ask("private/cancel", order_id=stop.order_id)
    scene.run(6.0)
    desk = Counter(scene)
    (row,) = rows(desk.say("positions"), "positions")
    assert (row["stop"], row["stop_contracts"], row["to_stop_pct"]) == (None, 0, None)
    reply = desk.say("health")
    assert words(reply) == "NOT WELL."
    assert "execution" in [x["name"] for x in rows(reply, "actors")]
    assert "unprotected" in [x["code"] for x in rows(reply, "findings")]


class Moments:
    """A clock as they are: each reading is later than the one before."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        self.at += timedelta(microseconds=1)
        return self.at


class DailySources:
    """What the report of the day is made of: Risk answers, the journal is empty."""

    def __init__(self) -> None:
        self.clock = Moments()
        self.facts = DeskFacts()
        self.journal = self

    def find(self, **_: Any) -> tuple[()]:
        return ()

    def book(self) -> None: ...

    def risk(self) -> Any:
        self.clock.now()
        return SimpleNamespace(
            equity_usd=Decimal("1000.5"), result_usd=Decimal(-3), loss_limit_usd=Decimal(20)
        )


def test_the_report_so_far_has_the_figures_of_this_moment() -> None:
    """Not those of the last measurement, ten minutes ago: time passes while it is gathered."""
    call: Any = None
    outcome = daily(cast("Any", DailySources()), call, call)
    told = {row[0]: row[-1] for table in outcome.content.tables for row in table.rows}
    assert (told["equity_usd"], told["result_usd"]) == (Decimal("1000.50"), Decimal("-3.00"))
