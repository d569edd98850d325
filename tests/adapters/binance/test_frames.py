"""From frames to columns, whatever comes along with them."""

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.binance.frames import Malformed, names_of, parse, rows_of
from tests.adapters.binance.tape import FIRST_ID, Tape

MINE = names_of(["BTCUSDT", "ETHUSDT"])
REAL = (
    b'{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1723161256322,"a":2345678901,'
    b'"s":"BTCUSDT","p":"61800.30","q":"0.006","f":5266583935,"l":5266583936,'
    b'"T":1723161256320,"m":false}}'
)
REAL_SPOT = (
    b'{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1723161256322,"s":"BTCUSDT",'
    b'"a":3164921001,"p":"61801.23000000","q":"0.00510000","f":3735000001,"l":3735000001,'
    b'"T":1723161256321,"m":true,"M":true}}'
)


def frames(symbol: str, count: int, seed: int = 1) -> list[bytes]:
    tape = Tape.make(symbol, count, 1_723_161_256_000, seed=seed)
    return [orjson.dumps(tape.frame(at)) for at in range(count)]


def test_a_frame_of_each_market() -> None:
    """As the venue writes them; the spot market's trailing zeros are no decimals."""
    (ticks,) = parse([REAL], MINE).ticks
    assert (ticks.price.tolist(), ticks.price_scale) == ([618003], 1)
    assert (ticks.quantity.tolist(), ticks.quantity_scale) == ([6], 3)
    assert (int(ticks.first_id[0]), int(ticks.last_id[0])) == (5266583935, 5266583936)
    (spot,) = parse([REAL_SPOT], names_of(["spot:BTCUSDT"])).ticks
    assert (spot.symbol, spot.price.tolist(), spot.price_scale) == ("spot:BTCUSDT", [6180123], 2)
    assert spot.is_buyer_maker.tolist() == [True]


def test_symbols_are_told_apart_in_bulk() -> None:
    """Frames of two symbols in any mixture."""
    both = [x for pair in zip(frames("BTCUSDT", 3_000), frames("ETHUSDT", 3_000)) for x in pair]  # noqa: B905
    found = parse(both, MINE)
    assert found.bad == 0
    for symbol in ("BTCUSDT", "ETHUSDT"):
        ids = [x for t in found.ticks if t.symbol == symbol for x in t.agg_id.tolist()]
        assert ids == list(range(FIRST_ID, FIRST_ID + 3_000))


BAD = (
    b"",
    b"{",
    b"[]",
    b"null",
    b'{"data":5}',
    b'{"result":null,"id":1}',
    b"\xff\xfe",
    REAL[:80],
    REAL.replace(b'"BTCUSDT"', b'"DOGEUSDT"'),
    REAL.replace(b"aggTrade", b"trade"),
    REAL.replace(b'"61800.30"', b'"-61800.30"'),
    REAL.replace(b'"61800.30"', b'"0.00"'),
    REAL.replace(b'"61800.30"', b'"NaN"'),
    REAL.replace(b'"61800.30"', b"61800.30"),
    REAL.replace(b"2345678901", b"-1"),
    REAL.replace(b"2345678901", b"2345678901.5"),
    REAL.replace(b"2345678901", b'"2345678901"'),
    REAL.replace(b"2345678901", b"99999999999999999999"),
    REAL.replace(b'"l":5266583936', b'"l":5266583934'),
    REAL.replace(b'"m":false', b'"m":0'),
    REAL.replace(b'"T":1723161256320', b'"T":0'),
    REAL.replace(b'"T":1723161256320', b'"T":1723161256320000000'),
)


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_frame_costs_only_itself(bad: bytes) -> None:
    """Those around it are read; it is counted."""
    good = frames("BTCUSDT", 40)
    found = parse([*good[:20], bad, *good[20:]], MINE)
    assert found.bad == 1
    assert found.error
    assert [x for t in found.ticks for x in t.agg_id.tolist()] == list(
        range(FIRST_ID, FIRST_ID + 40)
    )


@settings(max_examples=200)
@given(st.integers(0, len(REAL) - 1), st.binary(min_size=1, max_size=3))
def test_a_frame_with_bytes_changed_is_read_as_written_or_refused(at: int, other: bytes) -> None:
    """Never an exception, never a tick out of bounds."""
    found = parse([REAL[:at] + other + REAL[at + len(other) :]], MINE)
    for ticks in found.ticks:
        assert int(ticks.price.min()) > 0
        assert int(ticks.agg_id.min()) >= 0
    assert found.bad + sum(map(len, found.ticks)) == 1


def test_rest_rows_are_checked_as_well() -> None:
    """They lack the symbol and the event, and nothing else."""
    row = orjson.loads(REAL)["data"]
    del row["e"], row["s"], row["E"]
    assert rows_of("BTCUSDT", [row]).agg_id.tolist() == [2345678901]
    with pytest.raises(Malformed):
        rows_of("BTCUSDT", [row, {**row, "p": "x"}])
