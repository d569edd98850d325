"""Funding: every line the venue books reaches the journal once, over crashes and a settlement."""

from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal

import pytest

from actors.messages.funding import FundingBooked
from adapters.deribit import reads
from adapters.paper.market import BookShape
from domain.month import report
from tests.scenarios.conftest import Stage
from tests.scenarios.scene import BTC, Scene

BEFORE_SETTLEMENT = datetime(2026, 1, 5, 7, 50, tzinfo=UTC)


def booked(scene: Scene) -> Decimal:
    """What the venue's own log says, in the digits it shows."""
    logs = scene.engine.ledger.logs
    lines = (x.interest_pl or Decimal(0) for x in logs)
    # Said, because a library that was imported before may have changed this thread's rounding.
    return sum((x.quantize(Decimal("1e-12"), ROUND_HALF_EVEN) for x in lines), Decimal(0))


def told(scene: Scene) -> Decimal:
    """What the month's report says."""
    money = report(scene.disk.lines, "2026-01", UTC).by_currency.get("BTC")
    return money.funding if money else Decimal(0)


def test_a_log_that_is_too_long_is_read_in_shorter_spans(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More lines than the client reads at once: it failed on the same day for ever."""
    monkeypatch.setattr(reads, "LOG_PAGE", 4)
    monkeypatch.setattr(reads, "LOG_PAGES", 3)
    scene = stage(tick=10.0, start=BEFORE_SETTLEMENT, shape=BookShape(premium_bps=20)).ready()
    scene.rest(240)
    scene.market.is_partitioned = True
    for _ in range(12):
        for side in ("buy", "sell"):
            scene.market.ask(f"private/{side}", instrument_name=BTC, amount=100_000, type="market")
            scene.rest(60)
    assert told(scene) != booked(scene)
    scene.kind()
    scene.rest(2400)
    assert told(scene) == booked(scene) != 0


def test_funding_in_the_reports_is_what_the_venue_booked(stage: Stage) -> None:
    """At the settlement, at a fill, and what was booked while the process was dead."""
    scene = stage(tick=10.0, start=BEFORE_SETTLEMENT, shape=BookShape(premium_bps=20)).ready()
    first = scene.bracket(BTC, stop="80000", target="120000")
    scene.rest(900)  # over 08:00
    settled = told(scene)
    assert settled == booked(scene) != 0
    scene.crash()
    scene.rest(300)
    scene.boot()
    scene.run(30)
    assert scene.close_trade(first)
    scene.rest(400)
    assert told(scene) == booked(scene) != settled
    ids = [x["log_id"] for x in scene.disk.lines if x["event"] == "funding_booked"]
    assert len(ids) == len(set(ids)) >= 2
    assert scene.events(FundingBooked)
