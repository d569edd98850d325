"""Scenes that are judged and taken down when their test is over."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Any

import pytest
import structlog

from simulation.daemon import DEFAULT_LIMITS, default_plan
from simulation.runtime import EPOCH
from tests.scenarios.scene import Scene

Stage = Callable[..., Scene]
SMALL = {"BTC": Decimal(1), "ETH": Decimal(10), "USDC": Decimal(10_000)}


def _drop(*_: Any) -> Any:
    raise structlog.DropEvent


@pytest.fixture(autouse=True)
def quiet() -> None:
    """Scenarios look at events, not at their log lines."""
    nothing_below_critical = structlog.make_filtering_bound_logger(50)
    structlog.configure(wrapper_class=nothing_below_critical, processors=[_drop])


@pytest.fixture
def stage() -> Iterator[Stage]:
    """Makes scenes; every one is judged at the end of the test."""
    made: list[Scene] = []

    def build(*arguments: Any, **more: Any) -> Scene:
        made.append(Scene(*arguments, **more))
        return made[-1]

    yield build
    try:
        for scene in made:
            scene.judge()
    finally:
        for scene in made:
            scene.end()


def losing(
    stage: Stage,
    *,
    start: datetime = EPOCH,
    timezone: tzinfo = UTC,
    balances: Mapping[str, Decimal] = SMALL,
    **more: Any,
) -> Scene:
    """A small account that may lose a fifth of a percent in a day."""
    limits = replace(DEFAULT_LIMITS, max_daily_loss_pct=Decimal("0.002"))
    plan = default_plan(limits=limits, timezone=timezone)
    return stage(plan=plan, balances=balances, start=start).ready(**more)


def is_flat(scene: Scene) -> None:
    assert scene.positions() == {}
    assert scene.live() == []
    assert scene.booked == []
