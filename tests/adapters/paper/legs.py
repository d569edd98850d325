"""Orders for linked-order tests: the legs of a bracket, and a book that fills in parts."""

from typing import Any

from adapters.paper.market import BookShape

OTO, OCO = "one_triggers_other", "one_cancels_other"
OTOCO = "one_triggers_one_cancels_other"
# About 500 contracts of 10 USD at the touch, and nothing behind it.
SHALLOW = BookShape(levels=1, size_pct=5, widest_spread_ticks=1, premium_bps=0)


def stop(amount: int = 100, price: int = 99_000, **params: Any) -> dict[str, Any]:
    """A reduce-only stop_market sell on the index."""
    return {
        "amount": amount,
        "direction": "sell",
        "type": "stop_market",
        "trigger": "index_price",
        "trigger_price": price,
        "reduce_only": True,
        "label": "bw.x.sl.1",
    } | params


def target(amount: int = 100, price: int = 101_000, **params: Any) -> dict[str, Any]:
    """A reduce-only limit sell."""
    return {
        "amount": amount,
        "direction": "sell",
        "type": "limit",
        "price": price,
        "reduce_only": True,
        "label": "bw.x.tp.1",
    } | params
