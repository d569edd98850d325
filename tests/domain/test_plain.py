"""The last resort before JSON: every value has some form."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.orders import Side
from domain.plain import plain


class Broken:
    """A value that cannot say what it is."""

    def __str__(self) -> str:
        raise ValueError("no")


class Size(Enum):
    """An enum over a value JSON does not know."""

    ONE = Decimal("1.10")


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (Decimal("61234.50"), "61234.50"),
        (datetime(2026, 11, 20, tzinfo=UTC), "2026-11-20T00:00:00+00:00"),
        (Side.BUY, "buy"),
        (Size.ONE, "1.10"),
        (2**63, "9223372036854775808"),
        (-(2**63), -(2**63)),
        ("caf\ud800e", "caf?e"),
        (("a", {1: {"b"}}), ["a", {"1": ["b"]}]),
        (Broken(), "<Broken>"),
        (True, True),
        (None, None),
        (1.5, 1.5),
    ],
)
def test_values_have_a_form(value: object, form: object) -> None:
    """Money and times become text, enums their value, collections lists."""
    assert plain(value) == form


def test_a_value_that_holds_itself_ends() -> None:
    """Depth is bounded, so a loop is cut and shown as text."""
    loop: list[Any] = []
    loop.append(loop)
    assert "..." in json.dumps(plain(loop))


@given(
    st.recursive(
        st.integers() | st.text(st.characters()) | st.decimals() | st.none() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.integers() | st.text(), inner),
        max_leaves=10,
    )
)
def test_the_form_is_json(value: object) -> None:
    """Whatever goes in, JSON and UTF-8 can write what comes out."""
    json.dumps(plain(value), ensure_ascii=False).encode()
