"""Whatever a client sends: a result or a refusal that can be written down, never a crash."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.paper import jsontext, rpc
from adapters.paper.errors import VenueError
from adapters.paper.methods import METHODS
from tests.adapters.paper.harness import Bench

NAMES = """
instrument_name currency kind type amount contracts price trigger trigger_price order_id
trigger_offset label time_in_force post_only reduce_only valid_until count offset depth
sorting start_timestamp end_timestamp start_id channels scope grant_type refresh_token
client_id interval continuation resolution index_name historical detailed currency_pair
timestamp signature nonce access_token start_seq display_amount expected_result
""".split()  # noqa: SIM905 - read as prose
WORDS = """
BTC-PERPETUAL BTC_USDC-PERPETUAL BTC any future limit market stop_market mark_price
trailing_stop 1 1D asc true SLMS-1 80000000001 btc_usd ticker client_signature refresh_token
account book.BTC-PERPETUAL.raw -1 1e-30
""".split()  # noqa: SIM905 - read as prose
# A call that is right in itself, so that one wrong value gets past the other checks.
RIGHT = {
    "instrument_name": "BTC-PERPETUAL",
    "currency": "BTC",
    "amount": 100,
    "type": "limit",
    "price": 99_000,
    "trigger": "mark_price",
    "trigger_price": 99_000,
    "order_id": "SLMS-1",
    "label": "a",
    "start_timestamp": 0,
    "end_timestamp": 1,
}

_values = st.one_of(
    st.sampled_from(WORDS),
    st.sampled_from([10, 100, 99_000, 0, -1, 10**30, True, None, 0.1, 1e300]),
    st.text(max_size=8),
    st.integers(),
    st.lists(st.text(max_size=4), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
_params = st.one_of(
    st.dictionaries(st.sampled_from(NAMES), _values, max_size=7),
    st.dictionaries(st.sampled_from(NAMES), _values, max_size=2).map(lambda few: RIGHT | few),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(sorted(METHODS)), _params), max_size=6))
def test_every_call_ends_in_a_result_or_a_refusal(calls: list[tuple[str, Any]]) -> None:
    """And either can be written as JSON."""
    bench = Bench()
    for method, params in calls:
        text = json.dumps({"id": 1, "method": method, "params": params})
        request = rpc.from_body(text)
        try:
            value = bench.exchange.request(
                bench.session, request.method, request.params, bench.now_ms
            )
        except VenueError as error:
            value = [error.code, error.message, error.data]
        jsontext.encode(value)
        bench.move(ms=300)
        jsontext.encode([frame.data for frame in bench.frames()])
        jsontext.encode(bench.exchange.snapshot())


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=60), st.text(max_size=60)))
def test_every_text_is_a_request_or_a_refusal(text: bytes | str) -> None:
    """Bytes of any kind are refused in the venue's form."""
    assert _code(text) in {None, 11050, -32600}


def _code(text: bytes | str) -> int | None:
    try:
        rpc.from_body(text)
    except VenueError as error:
        return error.code
    return None


_json = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(),
    ),
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=3,
)


@given(_json)
def test_any_id_can_be_answered(request_id: Any) -> None:
    """Numbers of any size and texts come back; what is neither is dropped."""
    text = json.dumps({"id": request_id, "method": "public/test"})
    reply = json.loads(rpc.result(rpc.from_body(text).request_id, None, 0, 0))
    if isinstance(request_id, int) or (isinstance(request_id, str) and request_id.isprintable()):
        assert reply["id"] == request_id


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_constants_that_are_no_json_are_refused(word: str) -> None:
    """NaN and Infinity are Python's idea, not JSON's."""
    assert _code(f'{{"method": "public/test", "params": {{"amount": {word}}}}}') == 11050
