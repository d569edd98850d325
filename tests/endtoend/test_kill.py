"""``kill -9`` at arbitrary moments while trading: nothing is lost, doubled or left bare."""

import statistics
from pathlib import Path

import pytest

from tests.endtoend.bulwark import market
from tests.endtoend.killing import DEADLINE_MS, SPEED, Drill
from tests.endtoend.weather import Faults, Weather

BAD: Faults = (
    {"kind": "reply_lost", "methods": "private/*", "probability": 0.33},
    {"kind": "latency", "delay": {"lognormal": "10ms", "sigma": 0.8, "cap": "300ms"}},
    {"kind": "disconnect", "every": "7s"},
    {"kind": "human_cancels_stop", "every": "5s"},
    {"kind": "flash_crash", "percent": -2, "every": "11s", "lasts": "5s"},
    {"kind": "notification_lost", "channels": "user.*", "probability": 0.1},
    {"kind": "notification_duplicated", "channels": "user.*", "probability": 0.1},
    {"kind": "error", "code": 10040, "applied": "random", "nth": 23},
    {"kind": "http_error", "applied": "random", "nth": 19},
)
"""A third of all replies lost, lines that break, people who take stops away, crashes."""
CLOSING_MS = 2_000
"""What the close that is sent on the deadline may take in bad weather: it is waited for, too."""


def drill(folder: Path, kills: int, seed: int, faults: Faults = ()) -> Drill:
    """A bot killed so many times, and all that must hold afterwards."""
    with market(folder, "--speed", str(SPEED)) as exchange:
        done = Drill(folder, exchange, seed, Weather(exchange.port, faults))
        done.run(kills)
        observer = done.observer
        assert sum(done.tally.kills.values()) == kills
        assert observer.entered_twice() == {}
        assert observer.may_add_risk() == []
        assert observer.flips() == []
        assert done.unintended() == set()
        assert done.unended() == {}
        allowed = DEADLINE_MS + (CLOSING_MS if faults else 0)
        late = {x: ms for x, ms in done.exposures().items() if ms > allowed}
        assert late == {}
        report(done)
        assert exchange.stop() == 0
    return done


def report(done: Drill) -> None:
    """The numbers, shown with ``-s`` or on failure."""
    times, exposed = done.tally.to_ready, sorted(done.exposures().values())
    print(f"\nkills survived: {dict(done.tally.kills)}")
    print(f"kill to ready: median {statistics.median(times):.2f} s, longest {max(times):.2f} s")
    print(f"{len(exposed)} trades between kills, without stop (ms, venue's clock): {exposed}")


def test_five_kills_lose_double_or_bare_nothing(tmp_path: Path) -> None:
    """The short form: five kills, one of them during the start."""
    drill(tmp_path, kills=5, seed=695)


@pytest.mark.slow
def test_fifty_kills_lose_double_or_bare_nothing(tmp_path: Path) -> None:
    """The long form: fifty kills at every kind of moment."""
    drill(tmp_path, kills=50, seed=2)


def test_kills_in_bad_weather_lose_double_or_bare_nothing(tmp_path: Path) -> None:
    """The short form: kills while the exchange loses replies, breaks lines and crashes."""
    writes = {**BAD[0], "methods": ["private/buy", "private/sell", "private/cancel"]}
    drill(tmp_path, kills=3, seed=5, faults=(writes, *BAD[1:]))


@pytest.mark.slow
def test_two_hundred_kills_in_bad_weather_lose_double_or_bare_nothing(tmp_path: Path) -> None:
    """The long form: every kind of moment, again and again."""
    drill(tmp_path, kills=200, seed=6, faults=BAD)
