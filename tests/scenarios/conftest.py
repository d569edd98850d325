"""Scenes that are judged and taken down when their test is over."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from tests.scenarios.scene import Scene

Stage = Callable[..., Scene]


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
