"""What nobody outside the venue knows for sure, one switch for each doubt.

The defaults take the harsher reading, unless that would contradict a captured reply; reasons
and sources stand in ``docs/paper-exchange.md``.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, get_args, get_type_hints

_MOST = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """How the exchange behaves where the venue's behaviour is not published.

    Limits are counts, ``*_ms`` milliseconds, ``*_pct`` percent; each field is explained in
    ``docs/paper-exchange.md``.
    """

    passed_trigger: Literal["refuse", "fire"] = "refuse"
    flat_reduce_only_stop: Literal["accept", "refuse"] = "accept"
    fired_id: Literal["new", "same"] = "new"
    fired_label: Literal["carried", "dropped"] = "carried"
    most_triggers: int = 100
    trigger_limit_per: Literal["type", "type_and_instrument"] = "type"
    cancelled_trigger_reply: Literal["cancelled", "untriggered"] = "cancelled"

    incremental_children: Literal["several", "one"] = "several"
    child_delay_ms: int = 0
    most_waiting_children: int = 20
    oco_closes_on: Literal["trigger", "fill"] = "trigger"
    oco_cancel: Literal["closes_other", "leaves_other"] = "closes_other"
    fired_stop_of_a_pair: Literal["works", "vanishes"] = "works"

    post_only_default: bool = False
    edit_without_reduce_only: Literal["keeps", "drops"] = "keeps"
    market_orders_shown_as: Literal["market", "limit"] = "market"
    market_time_in_force: Literal["default", "refuse"] = "default"
    beyond_band: Literal["refuse", "clamp"] = "refuse"
    passive_beyond_band: Literal["rest", "refuse"] = "rest"
    halted_takes_cancels: bool = False
    most_open_orders: int = 1000
    cut_is_told: bool = True
    cut_reason: str | None = None

    flat_positions: Literal["listed", "hidden"] = "listed"
    short_size: Literal["negative", "unsigned"] = "negative"
    linear_size: Literal["coin", "quote"] = "coin"
    liquidation_price: Literal["shown", "null"] = "shown"
    trade_profit_loss: Literal["entry", "session"] = "entry"

    mark_window_seconds: int = 30
    mark_clip_pct: Decimal = Decimal("0.5")
    funding_price: Literal["index", "mark"] = "index"
    margin_factor: Decimal = Decimal(1)
    liquidation_slice_pct: int = 25
    liquidation_round_ms: int = 1000
    settlement_ms: int = 5000

    def __post_init__(self) -> None:
        """Raises `ValueError`: nothing can be worked out with such a figure."""
        for name in ("mark_window_seconds", "mark_clip_pct", "margin_factor"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be more than 0")


def switched(words: Iterable[str]) -> Switches:
    """The switches that ``name=value`` texts set; the others stay as they are.

    Raises:
        ValueError: a text names no switch, or no value of it; it says which there are.
    """
    hints = get_type_hints(Switches)
    given: dict[str, Any] = {}
    for word in words:
        name, _, text = word.partition("=")
        if name not in hints:
            raise ValueError(f"{word!r} is no switch; there are {', '.join(hints)}")
        try:
            given[name] = _value(hints[name], text)
        except (ValueError, InvalidOperation):
            raise ValueError(f"{name} is {_values(hints[name])}, not {text!r}") from None
    return Switches(**given)


def _value(hint: Any, text: str) -> Any:
    """Raises `ValueError` or `InvalidOperation`: there is no such value."""
    if hint is bool:
        return ("false", "true").index(text.lower()) == 1
    if hint is int or hint is Decimal:
        number = hint(text)
        if not 0 <= number < _MOST:
            raise ValueError
        return number
    if hint == str | None:
        return text or None
    if text not in get_args(hint):
        raise ValueError
    return text


def _values(hint: Any) -> str:
    """What a switch may be, for the one who got it wrong."""
    if hint is bool:
        return "true or false"
    if hint is int:
        return "a whole number"
    if hint is Decimal:
        return "a number"
    return " or ".join(get_args(hint))
