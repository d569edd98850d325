"""The states of a trade as a table: where a record stands, and every move it may make."""

from domain.labels import Role
from domain.overclosing import left_after_all, taken_from_others
from domain.trade import EMERGENCIES, LineStatus, Trade, TradeState

_HELD = frozenset(
    {
        TradeState.PROTECTING,
        TradeState.PROTECTED,
        TradeState.CLOSING,
        TradeState.EMERGENCY,
        TradeState.QUARANTINED,
    }
)
TRANSITIONS: dict[TradeState, frozenset[TradeState]] = {
    TradeState.INTENT: _HELD | {TradeState.ENTERING, TradeState.ENTRY_UNKNOWN, TradeState.CLOSED},
    TradeState.ENTERING: _HELD | {TradeState.ENTRY_UNKNOWN, TradeState.CLOSED},
    TradeState.ENTRY_UNKNOWN: _HELD | {TradeState.ENTERING, TradeState.CLOSED},
    TradeState.PROTECTING: _HELD - {TradeState.PROTECTING},
    TradeState.PROTECTED: _HELD - {TradeState.PROTECTED},
    # A late fill of the entry can find the position open again while it is being closed.
    TradeState.CLOSING: _HELD - {TradeState.CLOSING} | {TradeState.CLOSED},
    TradeState.EMERGENCY: frozenset({TradeState.CLOSING, TradeState.QUARANTINED}),
    TradeState.QUARANTINED: _HELD - {TradeState.QUARANTINED} | {TradeState.CLOSED},
    TradeState.CLOSED: frozenset(),
}
"""Every move a trade may make. Closed is final; a fill after it is EXTERNAL."""


def state_of(trade: Trade) -> TradeState:
    """The state a record is in. A pure function: nothing is stored twice."""
    if trade.is_finished:
        return TradeState.CLOSED
    position = trade.position
    if position < 0 and not taken_from_others(trade):
        return TradeState.QUARANTINED
    if trade.exit_reason is None and left_after_all(trade):
        return TradeState.QUARANTINED
    if position > 0:
        return _state_with_position(trade, position)
    if trade.exit_reason is not None or trade.entered > 0:
        return TradeState.CLOSING
    entries = trade.of(Role.ENTRY)
    if any(x.status is LineStatus.UNKNOWN for x in entries):
        return TradeState.ENTRY_UNKNOWN
    return TradeState.ENTERING if entries else TradeState.INTENT


def _state_with_position(trade: Trade, position: int) -> TradeState:
    if trade.exit_reason in EMERGENCIES:
        return TradeState.EMERGENCY
    if trade.exit_reason is not None:
        return TradeState.CLOSING
    return TradeState.PROTECTED if trade.cover >= position else TradeState.PROTECTING
