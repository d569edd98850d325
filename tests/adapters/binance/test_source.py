"""Streams that bring what there is, and those that only seem to."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from adapters.archive.collector import Collector
from adapters.binance.bans import Bans
from adapters.binance.silence import Silence
from adapters.binance.source import BinanceSource, addresses, streams
from adapters.clock import SystemClock
from config.settings import load
from tests.adapters.archive.samples import NOON_MS, HandClock, opened
from tests.adapters.binance.double import Double
from tests.adapters.binance.tape import Tape
from tests.endtoend.bulwark import wait_for

BOTH = ["BTCUSDT", "spot:BTCUSDT"]
SPEED = 5.0


def venue_of_both() -> Double:
    return Double([Tape.make(symbol, 50_000, NOON_MS) for symbol in BOTH], speed=SPEED, begin=100)


@contextmanager
def sourcing(venue: Double, **more: str) -> Generator[BinanceSource]:
    clock, settings = SystemClock(), load(Path("none"), venue.settings | more)
    source = BinanceSource(BOTH, streams(settings), addresses(settings), clock, Bans(clock))
    source.start()
    try:
        yield source
    finally:
        source.stop()


def test_by_default_each_market_streams_where_the_venue_has_it() -> None:
    """USD-M's trades have had a path of their own since April 2026; the spot market's have not."""
    settings = load(Path("none"), {})
    assert settings.binance_ws_url == "wss://fstream.binance.com/market"
    assert settings.binance_spot_ws_url == "wss://stream.binance.com:9443"


def test_both_markets_come_live() -> None:
    """Each over its own path, under its own name."""
    heard: set[str] = set()
    with venue_of_both() as venue, sourcing(venue) as source:

        def is_all() -> bool:
            heard.update(x.symbol for x in source.take()[0])
            return heard == set(BOTH)

        wait_for(is_all, "ticks of both")
        assert source.state()["silent"] == []


def test_a_stream_that_is_up_and_brings_nothing_is_told_and_replaced_by_rest(
    tmp_path: Path,
) -> None:
    """As USD-M's at its former address: ticks come all the same, and the setting is named."""
    clock = HandClock(NOON_MS)
    with (
        venue_of_both() as venue,
        sourcing(venue, BINANCE_WS_URL=venue.retired) as source,
        opened(tmp_path, clock) as archive,
        capture_logs() as said,
    ):
        collector = Collector(archive, source, BOTH, clock, pid=7, say=lambda *_, **__: None)

        def is_told() -> bool:
            clock.pass_(5)
            collector.step()
            return source.state()["silent"] == ["BTCUSDT"]

        wait_for(is_told, "the silence told", 60)
        assert sum(map(len, archive.runs("BTCUSDT"))) > 0
        for _ in range(3):
            is_told()
    warned = [x for x in said if x["event"] == "stream_silent"]
    assert [(x["symbol"], x["setting"], x["log_level"]) for x in warned] == [
        ("BTCUSDT", "BINANCE_WS_URL", "warning")
    ]


def test_a_silence_that_ends_is_told_too() -> None:
    """Once each."""
    with venue_of_both() as venue, capture_logs() as said:
        venue.is_silent = True
        with sourcing(venue) as source:

            def is_silent() -> bool:
                source.want_latest("BTCUSDT")
                source.take()
                return bool(source.state()["silent"])

            wait_for(is_silent, "silence", 60)
            venue.is_silent = False
            wait_for(lambda: not is_silent(), "ticks", 60)
    names = [x["event"] for x in said if x["event"] in {"stream_silent", "stream_heard"}]
    assert names == ["stream_silent", "stream_heard"]


UP, DOWN = 1, 0
Look = tuple[int, list[int], bool]


@pytest.mark.parametrize(
    ("looks", "is_proven"),
    [
        ([(UP, [], False), (UP, [5], False), (UP, [9], False), (UP, [12], False)], True),
        ([(UP, [5, 9, 12], False)], False),
        ([(UP, [], False), (UP, [5, 9, 12], False)], True),
        ([(UP, [5], False), (UP, [9], False), (UP, [9], False)], False),
        ([(UP, [5], False), (UP, [9], False), (UP, [12], True)], False),
        ([(UP, [5], False), (UP, [9], False), (DOWN, [12], False)], False),
        ([(UP, [5], False), (UP, [9], False), (UP + 1, [12], False)], False),
        ([(DOWN, [5], False), (DOWN, [9], False), (DOWN, [12], False)], False),
    ],
)
def test_silence_is_what_the_venues_numbers_prove(looks: list[Look], is_proven: bool) -> None:
    """A quiet market, one tick on its way, a line that is down or new: none of these."""
    silence = Silence()
    for connection, ends, is_heard in looks:
        silence.look(connection, ends, is_heard=is_heard)
    assert silence.is_proven is is_proven
