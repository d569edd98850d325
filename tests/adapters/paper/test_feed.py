"""Prices: the random walk, and recordings with everything that can be wrong in them."""

import gzip
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from statistics import median

import pytest

from adapters.paper.engine import START_PRICES
from adapters.paper.feed import Feed, Recorded, ReplayFeed, SyntheticFeed, open_feed

SECOND_NS = 1_000_000_000


def _trade(at_s: float, price: object, symbol: str = "btcusdt") -> bytes:
    stamp = 1_723_161_255 * SECOND_NS + int(at_s * SECOND_NS)
    return (
        f'{stamp} {{"stream":"{symbol}@trade","data":{{"e":"trade","p":"{price}","q":"1"}}}}\n'
    ).encode()


def _quote(at_s: float, bid: str, ask: str) -> bytes:
    stamp = 1_723_161_255 * SECOND_NS + int(at_s * SECOND_NS)
    data = f'{{"b":"{bid}","B":"1","a":"{ask}","A":"1"}}'
    return f'{stamp} {{"stream":"btcusdt@bookTicker","data":{data}}}\n'.encode()


def _open(path: Path, window_ms: int = 100) -> ReplayFeed:
    return ReplayFeed(path, SyntheticFeed(1, START_PRICES), window_ms)


def _play(feed: Feed) -> list[tuple[int, Decimal]]:
    """Waits and BTC prices until the recording is over."""
    heard: list[tuple[int, Decimal]] = []
    while not feed.is_over:
        tick = feed.next_tick()
        heard.append((tick.wait_ms, tick.prices["btc_usd"]))
    return heard


def test_the_walk_is_the_same_for_the_same_seed() -> None:
    """Two feeds of one seed agree tick by tick; another seed does not."""
    feeds = [SyntheticFeed(seed, START_PRICES) for seed in (3, 3, 4)]
    first, second, third = ([feed.next_tick() for _ in range(50)] for feed in feeds)
    assert first == second
    assert first != third
    assert all(100 <= tick.wait_ms <= 250 for tick in first)


def test_the_walk_goes_on_from_given_prices() -> None:
    """After a restart it starts where the market stood, not where it once began."""
    prices = {"btc_usd": Decimal(91_000), "eth_usd": Decimal(2_900), "btc_usdc": Decimal(91_000)}
    tick = SyntheticFeed(1, prices, count=500).next_tick()
    assert abs(tick.prices["btc_usd"] - 91_000) < 300
    assert set(tick.prices) == {"btc_usd", "eth_usd"}


def test_the_walk_reaches_a_near_stop_within_a_minute_or_so() -> None:
    """It moves 0.3 % one way or the other in a median time between ten seconds and two minutes."""
    times: list[int] = []
    for seed in range(25):
        feed, waited = SyntheticFeed(seed, START_PRICES), 0
        price = START_PRICES["btc_usd"]
        while abs(price / START_PRICES["btc_usd"] - 1) < Decimal("0.003") and waited < 600_000:
            tick = feed.next_tick()
            waited, price = waited + tick.wait_ms, tick.prices["btc_usd"]
        times.append(waited)
    assert 10_000 < median(times) < 120_000


def test_the_walk_stays_within_reason() -> None:
    """Hours later the price is still within a third of where it began."""
    feed = SyntheticFeed(9, START_PRICES)
    for _ in range(20_000):
        tick = feed.next_tick()
    assert abs(tick.prices["btc_usd"] / START_PRICES["btc_usd"] - 1) < Decimal("0.34")


@pytest.mark.parametrize("is_gzip", [True, False])
def test_a_recording_gives_trades_and_mids(tmp_path: Path, *, is_gzip: bool) -> None:
    """Gzip or plain; waits are the recorder's, ETH and the rest follow the walk."""
    text = _trade(0, "61800.30") + _quote(1, "61800.20", "61800.40") + _trade(3, "61700")
    path = tmp_path / "ticks"
    path.write_bytes(gzip.compress(text) if is_gzip else text)
    feed = _open(path)
    first = feed.next_tick()
    assert abs(first.prices["eth_usd"] / START_PRICES["eth_usd"] - 1) < Decimal("0.01")
    heard = [(first.wait_ms, first.prices["btc_usd"]), *_play(feed)]
    assert heard == [
        (0, Decimal("61800.30")),
        (1000, Decimal("61800.30")),
        (2000, Decimal("61700.00")),
    ]


def test_after_the_end_the_prices_stay(tmp_path: Path) -> None:
    """Time goes on with the last price."""
    path = tmp_path / "ticks"
    path.write_bytes(_trade(0, 61_000))
    feed = _open(path)
    feed.next_tick()
    assert feed.is_over
    assert [feed.next_tick().prices["btc_usd"] for _ in range(3)] == [61_000] * 3


def test_bad_lines_are_counted_and_skipped(tmp_path: Path) -> None:
    """Torn, empty, foreign and impossible lines cost nothing but a count."""
    good = _trade(0, 61_000) + _trade(5, 61_010)
    bad = [
        b"\n",
        b"garbage\n",
        b"\xff\xfe\x00 binary\n",
        _trade(1, 61_001)[:-20] + b"\n",
        _trade(1, "-5"),
        _trade(1, "NaN"),
        _trade(1, "abc"),
        b'12 {"stream":"btcusdt@kline","data":{}}\n',
        b'12 {"data":{}}\n',
        b"12 [1]\n",
        b'x {"stream":"btcusdt@trade","data":{"p":"1"}}\n',
    ]
    unused = [
        b'12 {"stream":"btcusdt@depth@0ms","data":{}}\n',
        _trade(1, 1, "dogeusdt"),
    ]
    path = tmp_path / "ticks"
    path.write_bytes(b"".join([*bad, good, *unused, *bad]))
    feed = _open(path)
    assert [price for _, price in _play(feed)] == [61_000, 61_010]
    report = feed.report()
    assert (report["used"], report["unused"], report["bad"]) == (2, 2, 2 * len(bad))
    assert report["lines"] == 2 + 2 + 2 * len(bad)


def test_a_recording_cut_off_in_the_middle_is_played_to_the_cut(tmp_path: Path) -> None:
    """A gzip without its end gives what it holds and counts one bad line."""
    text = b"".join(_trade(step, 61_000 + step * 7) for step in range(2000))
    path = tmp_path / "ticks.gz"
    whole = gzip.compress(text)
    path.write_bytes(whole[: len(whole) // 2])
    feed = _open(path)
    assert len(_play(feed)) > 100
    assert feed.report()["bad"] >= 1


def test_an_extreme_within_a_window_is_not_left_out(tmp_path: Path) -> None:
    """Prices are drawn together, but the high and the low come through, in their order."""
    path = tmp_path / "ticks"
    prices = [100, 104, 101, 97, 99, 98, 100, 101]
    path.write_bytes(b"".join(_trade(n / 100, price) for n, price in enumerate(prices)))
    heard = [price for _, price in _play(_open(path, window_ms=1000))]
    assert heard == [100, 104, 97, 101]


def test_long_gaps_are_shortened_and_time_never_runs_back(tmp_path: Path) -> None:
    """A night without ticks costs ten seconds, a clock set back costs none."""
    path = tmp_path / "ticks"
    path.write_bytes(_trade(0, 100) + _trade(40_000, 101) + _trade(5, 102))
    waits = [wait for wait, _ in _play(_open(path))]
    assert waits[:2] == [0, 10_000]
    assert all(wait >= 0 for wait in waits)


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "cannot read"), (b"", "no usable line"), (b"nothing\n", "no usable line")],
)
def test_a_useless_recording_is_one_clear_error(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    """It names the file."""
    path = tmp_path / "ticks.gz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=words) as caught:
        _open(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (ValueError("there is no archive"), "there is no archive"),
        (OSError(5, "Input/output error"), "cannot read the recording mine: Input/output error"),
        (RuntimeError("of a database"), "cannot read the recording mine: of a database"),
    ],
)
def test_where_a_recording_cannot_be_read_on_it_is_over(error: Exception, why: str) -> None:
    """Moved, pruned or damaged: what came before counts, the prices stay, and it says why."""

    def prices(last: int) -> Iterator[tuple[int, Decimal]]:
        for step in range(last):
            yield step * 1_000, Decimal(61_000 + step)
        raise error

    feed = ReplayFeed(Recorded("mine", "BTCUSDT", prices(3)), SyntheticFeed(1, START_PRICES))
    assert [price for _, price in _play(feed)] == [61_000, 61_001, 61_002]
    assert (feed.next_tick().prices["btc_usd"], feed.failure) == (61_002, why)
    with pytest.raises(ValueError, match=why):
        ReplayFeed(Recorded("mine", "BTCUSDT", prices(0)), SyntheticFeed(1, START_PRICES))


@pytest.mark.parametrize("name", ["", "replay", "replay:", "live"])
def test_an_unknown_feed_is_an_error(name: str) -> None:
    """Only synthetic and replay with a path exist."""
    with pytest.raises(ValueError, match="neither"):
        open_feed(name, seed=1, prices=START_PRICES, count=0)


def test_feeds_are_opened_by_name(tmp_path: Path) -> None:
    """synthetic is the walk, replay:<path> the recording."""
    path = tmp_path / "ticks"
    path.write_bytes(_trade(0, 61_000))
    walk = open_feed("synthetic", seed=1, prices=START_PRICES, count=3)
    recording = open_feed(f"replay:{path}", seed=1, prices=START_PRICES, count=3)
    assert (walk.is_over, walk.report()) == (False, {"ticks": 3})
    assert recording.next_tick().prices["btc_usd"] == 61_000
