"""The check that everything is as the venue describes it, checked itself."""

import re
from pathlib import Path

import pytest

from adapters.paper.methods import METHODS
from tests.adapters.paper import schema
from tests.adapters.paper.harness import INVERSE, Bench


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        ("number", 1.5, True),
        ("integer", 2, 2.5),
        ("string?", None, 1),
        ("=a|b", "a", "c"),
        ("number/=market_price", "market_price", "price"),
        ("@placed", {"order": schema.OBJECTS, "trades": []}, None),
        ({"a*": "any", "b": "string"}, {"a": 1}, {"b": "x"}),
        ({"{}": "number"}, {"x": 1}, {"x": "1"}),
        (["integer"], (1, 2), 1),
    ],
)
def test_a_value_is_held_against_its_schema(kind: object, right: object, wrong: object) -> None:
    """Wrong types, words, missing and unknown fields are found."""
    assert list(schema.problems(kind, wrong, "x"))
    if kind != "@placed":
        assert list(schema.problems(kind, right, "x")) == []


def test_every_method_has_a_schema() -> None:
    """And the tables describe no method that does not exist."""
    assert set(schema.REPLIES) == set(METHODS) - {"private/logout"}


def test_the_documentation_lists_the_methods_there_are() -> None:
    """All of them, and no other."""
    text = (Path(__file__).parents[3] / "docs/paper-exchange.md").read_text("utf-8")
    table = text.partition("### Methods")[2].partition("###")[0]
    assert set(re.findall(r"`((?:public|private)/\w+)`", table)) == set(METHODS)


def test_every_channel_has_a_schema() -> None:
    """What is accepted and speaks is described."""
    bench = Bench()
    channels = [
        f"book.{INVERSE}.raw",
        f"book.{INVERSE}.none.20.agg2",
        f"ticker.{INVERSE}.agg2",
        f"incremental_ticker.{INVERSE}",
        f"quote.{INVERSE}",
        f"trades.{INVERSE}.raw",
        f"perpetual.{INVERSE}.raw",
        "deribit_price_index.btc_usd",
        "platform_state",
        "platform_state.public_methods_state",
        f"chart.trades.{INVERSE}.1D",
        "user.orders.any.any.raw",
        f"user.orders.{INVERSE}.agg2",
        "user.trades.future.BTC.100ms",
        "user.changes.any.any.raw",
        "user.portfolio.any",
    ]
    bench.call("subscribe", channels=channels)
    heard = {frame.channel for frame in bench.frames()}
    for step in range(12):
        bench.buy(10)
        bench.move(100_000 + step * 20, ms=1000)
        heard |= {frame.channel for frame in bench.frames()}
    assert heard == set(channels)
    assert list(schema.frame_problems("nonsense", {}))
    assert list(schema.reply_problems("public/nonsense", {}))
