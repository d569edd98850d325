"""What nobody outside the venue knows for sure, one switch for each doubt.

The defaults take the harsher reading, unless that would contradict a captured reply; reasons
and sources stand in ``docs/paper-exchange.md``.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal


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
    funding_price: Literal["index", "mark"] = "index"
    margin_factor: Decimal = Decimal(1)
    liquidation_slice_pct: int = 25
    liquidation_round_ms: int = 1000
    settlement_ms: int = 5000
