"""Warnings that a fast market brings about by itself; every other one is a finding."""

from collections.abc import Iterable

from tests.endtoend.bulwark import Entry

EXPLAINED = frozenset(
    {
        "entry_denied",  # the limits at work: another trade is open, or the price has moved on
        "order_not_sent",  # the rate budget kept for protective orders: entries come too fast
        "stop_failed",  # the price passed the stop before it was placed; closed at market
        "emergency_began",
        "emergency_closed",
        "alert",
        "target_failed",  # the stop was faster than the target
        "cancel_refused",
        "paper_exchange_joined",  # the tests' own has a folder beside the bot's
    }
)
"""Warnings and errors that need no fault of anybody, only prices that move on."""


def unexplained(log: Iterable[Entry]) -> list[str]:
    """Warnings nobody expects, and stops that were refused for another reason than the price."""
    return [
        f"{x['event']}: {x}"
        for x in log
        if x["level"] not in {"info", "debug"}
        and (x["event"] not in EXPLAINED or x.get("reason") == "stop_refused")
    ]
