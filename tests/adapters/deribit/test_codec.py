"""JSON text in and out: exact figures, and no text that can do harm."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ports import NotSent, OutcomeUnknown, Rejected
from adapters.deribit import codec


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.423e-4", Decimal("0.0001423")),
        ("2.2e3", Decimal(2200)),
        ("100.0", Decimal(100)),
        ("0.1", Decimal("0.1")),
        ("0.000366076123", Decimal("0.000366076123")),
        ("-0.00025056853702101664123", Decimal("-0.00025056853702101664123")),
        ("123456789012.123456789012", Decimal("123456789012.123456789012")),
    ],
)
def test_a_figure_is_read_from_its_text(text: str, expected: Decimal) -> None:
    """A number equals its text exactly, whatever form and however many digits it has."""
    assert codec.decode(f'{{"x":{text}}}'.encode())["x"] == expected


@given(st.decimals(allow_nan=False, allow_infinity=False, places=12, max_value=10**12))
def test_a_figure_is_written_as_it_is(value: Decimal) -> None:
    """What is sent is a JSON number whose text equals the decimal exactly."""
    sent = codec.encode(1, "m", {"x": value}).decode()
    assert json.loads(sent, parse_float=Decimal, parse_int=Decimal)["params"]["x"] == value


@pytest.mark.parametrize("value", [object(), Decimal("NaN"), Decimal("Infinity")])
def test_what_has_no_json_form_is_never_sent(value: object) -> None:
    """A parameter without an exact form stops the request before a byte leaves."""
    with pytest.raises(NotSent):
        codec.encode(1, "m", {"x": value})


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[1]", b"\xff\xfe", b'{"x":NaN}', b"[" * 100_000, b'{"x":' + b"9" * 5000]
)
def test_garbage_is_a_value_error(data: bytes) -> None:
    """Whatever arrives instead of a JSON object is refused in one way."""
    with pytest.raises(ValueError):  # noqa: PT011 - the kind is the contract, the text is not
        codec.decode(data)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"jsonrpc":"2.0","id":17,"result":1}', 17),
        (b'{"jsonrpc": "2.0", "id": 17, "result": 1}', 17),
        (b'{"id":17,"jsonrpc":"2.0","result":1}', None),
        (b'{"jsonrpc":"2.0","method":"subscription","params":{"id":3}}', None),
        (b'{"jsonrpc":"2.0","id":"17","result":1}', None),
    ],
)
def test_the_id_is_seen_without_decoding(data: bytes, expected: int | None) -> None:
    """The usual form of a reply shows its id at once; any other has to be decoded."""
    assert codec.reply_id(data) == expected


def test_a_reply_is_a_result_or_a_failure() -> None:
    """A result is returned (null too); an error, and neither of the two, raise."""
    assert codec.result(b'{"result":null}', "m") is None
    with pytest.raises(Rejected, match="10009"):
        codec.result(b'{"error":{"code":10009,"message":"not_enough_funds"}}', "m")
    with pytest.raises(OutcomeUnknown):
        codec.result(b'{"id":1}', "m")
    with pytest.raises(OutcomeUnknown):
        codec.result(b'{"id":1,"result":', "m")
