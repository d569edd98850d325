"""Commands that act: what reduces risk at once, what adds risk after a confirmation."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest

from actors.messages.book import ClearKill, ClearPause, EntriesPaused, RecordPause
from actors.messages.desk import CommandHandled, CommandReported, Status
from actors.messages.risk import Denied
from actors.messages.trading import EntryDenied, FlatVerified, Ready
from simulation.daemon import DEFAULT_LIMITS, default_plan
from tests.actors.desk.support import Counter, rows, words
from tests.scenarios.conftest import SMALL
from tests.scenarios.scene import BTC, ETH, Poison, Scene, poisonable


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene().ready(derive=poisonable)
    yield made
    made.end()


def test_a_kill_is_answered_at_once_and_its_end_is_reported(scene: Scene) -> None:
    """Accepted within a second, saying what goes; later the same door hears: verified flat."""
    scene.bracket(BTC)
    scene.run(3.0)
    began = scene.world.monotonic()
    reply = Counter(scene).say("kill", request_id="k1")
    assert scene.world.monotonic() - began <= 1.0
    assert reply.status is Status.ACCEPTED
    assert "BTC-PERPETUAL +500 contracts" in words(reply)
    scene.wait(FlatVerified)
    report = scene.wait(CommandReported)
    assert (report.request_id, report.who, report.is_final) == ("k1", "operator", True)
    assert "Verified flat" in report.text
    assert scene.positions() == {}
    scene.judge()


def test_a_pause_stops_entries_and_lasts_over_a_restart(scene: Scene) -> None:
    """Open trades stay as they are; new ones are refused before and after."""
    scene.bracket(BTC)
    reply = Counter(scene).say("pause")
    assert reply.status is Status.DONE
    assert scene.wait(EntriesPaused).by == "api:operator"
    answer = scene.open(ETH, stop="3150", target="3300", quantity="1")
    assert isinstance(answer, Denied)
    assert "paused" in answer.reasons
    assert scene.wait(EntryDenied).log_level == "info", "the pause was told of by itself"
    assert scene.position(BTC) == 500
    scene.crash()
    scene.boot()
    assert scene.wait(Ready).mode == "paused"
    scene.run(1.0)
    again = scene.open(ETH, stop="3150", target="3300", quantity="1")
    assert isinstance(again, Denied)
    assert "paused" in again.reasons
    assert scene.position(BTC) == 500
    scene.judge()


@pytest.mark.parametrize("word", [RecordPause, ClearPause])
def test_ready_says_what_became_of_the_pause_while_it_started(
    scene: Scene, word: type[RecordPause | ClearPause]
) -> None:
    """Not what it was when the process began: with the venue away that may be long ago."""
    if word is ClearPause:
        Counter(scene).say("pause")
    scene.crash()
    scene.market.is_partitioned = True
    scene.boot()
    scene.run(3.0)
    scene.daemon.ask("registry", word(at=scene.world.now(), by="somebody"))
    scene.market.is_partitioned = False
    assert scene.wait(Ready).mode == ("paused" if word is RecordPause else "trading")


def test_a_kill_that_the_book_does_not_know_of_is_shown_and_can_be_ended(scene: Scene) -> None:
    """Execution keeps the gate shut: it is no good to say that nothing is in force."""
    desk = Counter(scene)
    desk.say("kill")
    scene.wait(FlatVerified)
    scene.daemon.ask("registry", ClearKill(at=scene.world.now(), reason="behind its back"))
    scene.run(3.0)
    status = {x["key"]: x["value"] for x in rows(desk.say("status"), "status")}
    assert status["mode"] == "killed"
    assert desk.sure("resume").status is Status.DONE
    scene.run(1.0)
    scene.bracket(BTC)


def test_resume_names_what_it_ends_and_does_so_once_confirmed(scene: Scene) -> None:
    """Without the confirmation nothing changes; with it, entries are possible again."""
    desk = Counter(scene)
    desk.say("pause")
    reply = desk.say("resume")
    assert reply.status is Status.NEEDS_CONFIRMATION
    assert reply.confirmation is not None
    assert "the pause made by api:operator" in reply.confirmation.effect
    assert isinstance(scene.open(BTC), Denied)
    assert desk.confirm(reply).status is Status.DONE
    scene.bracket(BTC)


def test_a_resume_does_not_promise_entries_that_the_days_loss_denies() -> None:
    """Neither before it is confirmed nor after, nor in the status."""
    limits = replace(DEFAULT_LIMITS, max_daily_loss_pct=Decimal("0.002"))
    scene = Scene(plan=default_plan(limits=limits), balances=SMALL).ready()
    desk = Counter(scene)
    scene.bracket(quantity="0.5", stop="99000")
    scene.market.move(btc_usd=99_300)
    scene.wait(FlatVerified)
    scene.run(3.0)
    reply = desk.say("resume")
    assert reply.confirmation is not None
    assert "entries stay refused while the day's loss stands" in reply.confirmation.effect
    assert "entries stay refused" in words(desk.confirm(reply))
    scene.run(3.0)
    status = {x["key"]: x["value"] for x in rows(desk.say("status"), "status")}
    assert status["mode"] == "no entries: the day's loss limit is reached"
    assert "No entries: the day's loss limit is reached." in words(desk.say("risk"))
    assert isinstance(scene.open(stop="98000", target=None), Denied)
    scene.end()


def test_close_takes_an_instrument_or_a_trade(scene: Scene) -> None:
    """Every trade in it is closed, and how it ended is told."""
    trade_id = scene.bracket(BTC)
    reply = Counter(scene).say(f"close {BTC}", request_id="c1")
    assert reply.status is Status.ACCEPTED
    assert trade_id in words(reply)
    report = scene.wait(CommandReported)
    assert report.request_id == "c1"
    assert f"Trade {trade_id} is closed" in report.text
    assert scene.position(BTC) == 0


def test_a_pause_that_the_disk_does_not_take_is_in_force_and_says_so(scene: Scene) -> None:
    """It is written as soon as there is room, and lasts over a restart from then on."""
    scene.disk.is_full = True
    reply = Counter(scene).say("pause")
    assert reply.status is Status.DONE
    assert "NOT ON DISK yet" in words(reply)
    assert isinstance(scene.open(), Denied)
    scene.disk.is_full = False
    scene.run(3.0)
    answer = scene.open()
    assert isinstance(answer, Denied)
    assert answer.reasons == ("paused",)
    scene.crash()
    scene.boot()
    assert scene.wait(Ready).mode == "paused"


def test_everything_that_acts_is_audited(scene: Scene) -> None:
    """Who, by which door, what, with which effect and result."""
    Counter(scene).say("pause", request_id="p1")
    (audit,) = scene.events(CommandHandled)
    assert (audit.door, audit.who, audit.command) == ("api", "operator", "pause")
    assert (audit.status, audit.request_id) == (Status.DONE, "p1")
    assert "entries paused" in audit.effect
    scene.run(1.0)
    (line,) = [x for x in scene.disk.lines if x["event"] == "command_handled"]
    assert line["who"] == "operator"


def test_a_kill_works_while_execution_has_just_died(scene: Scene) -> None:
    """It is told, so the successor carries it out."""
    scene.bracket(BTC)
    scene.daemon.system.address("execution").tell(Poison(at=scene.world.now()))
    reply = Counter(scene).say("kill")
    assert reply.status is Status.ACCEPTED
    scene.wait(FlatVerified)
    assert scene.positions() == {}
