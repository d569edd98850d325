"""What holds for every test."""

import logging
import signal
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

# How long an example takes says something of the machine, and a busy one must not fail a test.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

# Other folders import the scene as well, and assertions are rewritten at the first import only.
pytest.register_assert_rewrite("tests.scenarios.scene")


AGAIN = ("seed", "steps")
"""Parameters whose other values walk the same lines once more, in another order."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Lines are measured at the first seed alone: measuring doubles the time of a test."""
    seen: set[tuple[object, ...]] = set()
    for item in items:
        values: dict[str, object] = getattr(getattr(item, "callspec", None), "params", {})
        if not any(name in values for name in AGAIN):
            continue
        others = tuple(str(value) for name, value in values.items() if name not in AGAIN)
        test = (item.path, getattr(item, "originalname", item.name), *others)
        if test in seen:
            item.add_marker(pytest.mark.no_cover)
        seen.add(test)


SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE, signal.SIGTERM, signal.SIGUSR1)


def pytest_configure() -> None:
    """As in a terminal: what ``nohup`` or ``&`` has ignored, every process of a test would too."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    """A daemon or a command in this process takes the signals over: for its own test only.

    One that stayed ignored would be lost on the processes of every later test.
    """
    before = {each: signal.getsignal(each) for each in SIGNALS}
    yield
    for each, handler in before.items():
        signal.signal(each, handler)


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """A simulated daemon or a benchmark silences the log of the process, and a Telegram bot the
    libraries it is made of: for its own test only."""
    before = {logger.name: logger.level for logger in _library_logs()}
    yield
    structlog.reset_defaults()
    for logger in _library_logs():
        logger.setLevel(before.get(logger.name, logging.NOTSET))


def _library_logs() -> list[logging.Logger]:
    known = list(logging.root.manager.loggerDict.values())  # threads may add to it
    return [x for x in known if isinstance(x, logging.Logger)]
