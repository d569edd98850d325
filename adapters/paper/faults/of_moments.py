"""Faults that happen by themselves at a moment: broken lines, dead tokens, jumps, and people."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from adapters.paper.faults.common import ANY, Fault
from adapters.paper.faults.kinds import Distance, Percent, Texts, Usd

FAVOURITE = ("BTC-PERPETUAL",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnected(Fault):
    """Every websocket breaks."""

    kind: Literal["disconnect"] = "disconnect"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensRevoked(Fault):
    """Every access and refresh token dies: 13009 until the next log-in."""

    kind: Literal["tokens_revoked"] = "tokens_revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceGap(Fault):
    """Index prices jump by ``percent`` and go on from there."""

    kind: Literal["price_gap"] = "price_gap"
    percent: Percent
    indexes: Texts = ANY


@dataclass(frozen=True, slots=True, kw_only=True)
class OfHuman(Fault):
    """Somebody with the same account acts in the web interface, on ``instruments`` that match."""

    instruments: Texts = ANY


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanCloses(OfHuman):
    """Closes the position at market."""

    kind: Literal["human_closes"] = "human_closes"


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanMovesStop(OfHuman):
    """Moves resting stops away from the market by ``percent``; nearer when it is negative."""

    kind: Literal["human_moves_stop"] = "human_moves_stop"
    percent: Percent


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanCancelsStop(OfHuman):
    """Cancels resting stops."""

    kind: Literal["human_cancels_stop"] = "human_cancels_stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanCancelsTarget(OfHuman):
    """Cancels resting reduce-only limit orders."""

    kind: Literal["human_cancels_target"] = "human_cancels_target"


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanOpens(OfHuman):
    """Opens a position at market: ``usd`` worth of it."""

    kind: Literal["human_opens"] = "human_opens"
    instruments: Texts = FAVOURITE
    side: Literal["buy", "sell"] = "buy"
    usd: Usd


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanOrders(OfHuman):
    """Places a limit order of ``usd`` that rests ``percent`` away from the market."""

    kind: Literal["human_orders"] = "human_orders"
    instruments: Texts = FAVOURITE
    side: Literal["buy", "sell"] = "buy"
    usd: Usd
    percent: Distance = Decimal(1)
