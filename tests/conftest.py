"""What holds for every test."""

from collections.abc import Iterator

import pytest
import structlog

# Other folders import the scene as well, and assertions are rewritten at the first import only.
pytest.register_assert_rewrite("tests.scenarios.scene")


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """A simulated daemon or a benchmark silences the log of the process: for its own test only."""
    yield
    structlog.reset_defaults()
