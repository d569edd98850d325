"""What a trade says of itself: events told from the difference of two records.

Kept apart from the actor so that every announcement stands in one place and is made once,
whatever path led to the change.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from actors.messages import trading as say
from actors.messages.base import Event
from actors.ports import Rejected
from domain import targets
from domain.contract_sizes import own
from domain.exposure import lost_before
from domain.instruments import Instrument
from domain.labels import Role
from domain.orders import ZERO, Order, OrderRequest
from domain.overclosing import left_after_all, taken_from_others
from domain.pnl import to_usd
from domain.trade import EMERGENCIES, NETTED_BY, Line, LineStatus, Trade, TradeState
from domain.trade_result import exit_reason_of, result_of
from domain.trade_states import state_of

PRICE_DIGITS, COIN_DIGITS, USD_DIGITS = 8, 12, 4
"""What a person and a journal need; the record itself is exact."""


class Announcer:
    """Publishes a trade's events. Times in milliseconds are how long stops were missing.

    ``protection_deadline`` is how many seconds one may be missing at most. ``is_alone``: no other
    trade of ours shares the instrument, so that the venue's result is this trade's.
    """

    def __init__(
        self,
        emit: Callable[..., Any],
        instrument: Instrument,
        *,
        protection_deadline: float,
        is_alone: bool,
    ) -> None:
        self._emit = emit
        self._instrument = instrument
        self._deadline = protection_deadline
        self._is_alone = is_alone

    def entry_sent(self, trade: Trade, request: OrderRequest) -> None:
        self._emit(
            say.EntrySent,
            trade_id=trade.id,
            label=request.label,
            instrument=request.instrument.name,
            side=request.side.value,
            contracts=request.contracts,
            entry_type=request.order_type.value,
        )

    def changed(self, before: Trade, after: Trade) -> Trade:
        """Announces what the change means; returns the record with what was announced noted."""
        if after.entered > before.entered:
            self._entry_filled(after)
        self._children_placed(before, after)
        self._stop_replaced(before, after)
        self._netted(before, after)
        self._target_missing(before, after)
        self.gap_ended(before, after)
        if after.exit_reason in EMERGENCIES and before.exit_reason not in EMERGENCIES:
            self._emit(
                say.EmergencyBegan,
                trade_id=after.id,
                reason=str(after.exit_reason),
                contracts=after.position,
            )
        is_protected = state_of(after) is TradeState.PROTECTED
        if is_protected and not after.is_announced and not after.lacks_fills:
            return self._opened(after)
        return after

    def quarantined(self, trade: Trade) -> None:
        """A person has to look."""
        left = left_after_all(trade) * trade.plan.side.sign
        self._emit(
            say.TradeQuarantined,
            trade_id=trade.id,
            instrument=trade.plan.instrument_name,
            position=left or trade.signed_position,
        )

    def rescaled(self, before: Trade, after: Trade) -> None:
        """The same record in other contracts; the first size a record learns is no news."""
        size = after.plan.contract_size
        if size is not None and after.plan.contracts != before.plan.contracts:
            self._emit(
                say.TradeRescaled,
                trade_id=after.id,
                instrument=after.plan.instrument_name,
                contracts=after.plan.contracts,
                contracts_before=before.plan.contracts,
                contract_size=size,
            )

    def unfit(self, trade: Trade, instrument: Instrument) -> None:
        """The venue's contracts are larger than what the trade counts in: a person has to look."""
        self._emit(
            say.ContractSizeUnfit,
            trade_id=trade.id,
            instrument=instrument.name,
            position=trade.signed_position,
            counted_in=own(trade, instrument).contract_size,
            contract_size=instrument.contract_size,
        )

    def _netted(self, before: Trade, after: Trade) -> None:
        known = {x.trade_id for x in before.fills}
        for fill in after.fills:
            if fill.order_id == NETTED_BY and fill.trade_id not in known:
                self._emit(
                    say.TradeNetted,
                    trade_id=after.id,
                    instrument=after.plan.instrument_name,
                    contracts=fill.contracts,
                    price=fill.price,
                )

    def _target_missing(self, before: Trade, after: Trade) -> None:
        """Says once in a row of failures that the target stays away for longer."""
        is_left_away = targets.is_left_away(after) and not targets.is_left_away(before)
        is_slow = before.target_failures < targets.TOLD_AT <= after.target_failures
        if is_left_away or is_slow:
            self._emit(
                say.TargetMissing,
                trade_id=after.id,
                instrument=after.plan.instrument_name,
                price=after.plan.target_price,
                failures=after.target_failures,
                is_left_away=targets.is_left_away(after),
            )

    def gap_ended(self, before: Trade, after: Trade) -> None:
        """Says that the stop was missing for longer than allowed, if it was.

        Not over is what has only just been heard of, or was taken over from a dead process.
        """
        seconds = (after.unprotected_us - before.unprotected_us) / 1_000_000
        if seconds > self._deadline:
            self._emit(
                say.ProtectionDeadlineMissed,
                trade_id=after.id,
                instrument=after.plan.instrument_name,
                seconds=round(seconds, 3),
                allowed_seconds=self._deadline,
                is_over=after.exposed_since is None,
            )

    def _children_placed(self, before: Trade, after: Trade) -> None:
        """What stands at the venue by the fill of a linked entry, and was seen there."""
        for line in after.lines:
            was = before.line(*line.key)
            is_new = was is None or was.status is not LineStatus.LIVE
            if not line.part or line.status is not LineStatus.LIVE or not is_new:
                continue
            if not line.is_sound or line.is_astray:
                wrong = Rejected(0, "the venue made another order of it than asked")
                self.rejected(after, line.role, after.label(line), wrong)
            else:
                self._child_placed(after, line)

    def _stop_replaced(self, before: Trade, after: Trade) -> None:
        """Somebody took a stop away, and one of ours rests in its place."""
        for line in after.of(Role.STOP):
            was = before.line(*line.key)
            if was is None or was.status is not LineStatus.UNKNOWN:
                continue
            lost = lost_before(after, line)
            if lost is not None and line.status is LineStatus.LIVE:
                self._emit(
                    say.StopReplaced,
                    trade_id=after.id,
                    instrument=after.plan.instrument_name,
                    label=after.label(line),
                    lost_label=after.label(lost),
                )

    def _child_placed(self, trade: Trade, line: Line) -> None:
        is_stop = line.role is Role.STOP
        common: dict[str, Any] = {
            "trade_id": trade.id,
            "label": trade.label(line),
            "order_id": line.order_ids[-1],
            "contracts": line.contracts,
        }
        if is_stop:
            self._emit(
                say.StopPlaced,
                trigger_price=line.trigger_price,
                unprotected_ms=unprotected_ms(trade),
                **common,
            )
        else:
            self._emit(say.TargetPlaced, price=trade.plan.target_price, **common)

    def _entry_filled(self, trade: Trade) -> None:
        self._emit(
            say.EntryFilled,
            trade_id=trade.id,
            instrument=trade.plan.instrument_name,
            side=trade.plan.side.value,
            contracts=trade.entered,
            of_contracts=trade.plan.contracts,
            average_price=_price(result_of(trade, self._instrument).entry_price),
        )

    def _opened(self, trade: Trade) -> Trade:
        self._emit(
            say.TradeOpened,
            trade_id=trade.id,
            instrument=trade.plan.instrument_name,
            side=trade.plan.side.value,
            contracts=trade.position,
            entry_price=_price(result_of(trade, self._instrument).entry_price),
            stop_loss=trade.stop_price,
            take_profit=trade.plan.target_price,
            unprotected_ms=unprotected_ms(trade),
        )
        return replace(trade, is_announced=True)

    def placed(self, trade: Trade, order: Order, role: Role) -> None:
        """The venue acknowledged a stop or a target as asked."""
        if role is Role.STOP:
            self._emit(
                say.StopPlaced,
                trade_id=trade.id,
                label=order.label,
                order_id=order.order_id,
                contracts=order.contracts,
                trigger_price=order.trigger_price,
                unprotected_ms=unprotected_ms(trade),
            )
        elif role is Role.TARGET:
            self._emit(
                say.TargetPlaced,
                trade_id=trade.id,
                label=order.label,
                order_id=order.order_id,
                contracts=order.contracts,
                price=order.price,
            )

    def moved(self, trade: Trade, line: Line, place: Decimal) -> None:
        """The venue acknowledged a stop at its new place."""
        self._emit(
            say.StopMoved,
            trade_id=trade.id,
            label=trade.label(line),
            order_id=line.order_ids[0],
            trigger_price=place,
            moved_from=line.trigger_price,
        )

    def move_failed(self, trade: Trade, line: Line, error: Rejected) -> None:
        """The stop stays where it was; it is tried again."""
        self._emit(
            say.StopMoveFailed,
            trade_id=trade.id,
            label=trade.label(line),
            code=error.code,
            reason=f"{error.reason} {error.data}".strip(),
            wanted=trade.stop_price,
            failures=trade.move_failures,
        )

    def rejected(self, trade: Trade, role: Role, label: str, error: Rejected) -> None:
        """The venue refused an order of this role."""
        common: dict[str, Any] = {
            "trade_id": trade.id,
            "code": error.code,
            "reason": f"{error.reason} {error.data}".strip(),
        }
        if role is Role.ENTRY:
            self._emit(say.EntryRejected, **common)
        elif role is Role.STOP:
            self._emit(say.StopFailed, label=label, failures=trade.stop_failures, **common)
        elif role is Role.TARGET:
            # It is tried for ever: said at the first failure in a row, the second, the fourth, ...
            if trade.target_failures.bit_count() <= 1:
                self._emit(say.TargetFailed, label=label, **common)
        else:
            self._emit(say.CloseFailed, label=label, **common)

    def finished(self, trade: Trade, now: datetime) -> Event:
        """The last words: what the trade made, and why it ended. Returns the one that counts."""
        reason = exit_reason_of(trade)
        if trade.entered == 0:
            return self._emit(
                say.TradeAbandoned,
                trade_id=trade.id,
                instrument=trade.plan.instrument_name,
                reason=reason.value,
            )
        result = result_of(trade, self._instrument)
        taken = taken_from_others(trade)
        if taken:
            self._emit(
                say.TradeTookOthers,
                trade_id=trade.id,
                instrument=trade.plan.instrument_name,
                contracts=taken,
            )
        if any(x.role is Role.EMERGENCY and x.status is LineStatus.FILLED for x in trade.lines):
            self._emit(
                say.EmergencyClosed,
                trade_id=trade.id,
                reason=str(trade.exit_reason),
                unprotected_ms=unprotected_ms(trade),
            )
        closed: Event = self._emit(
            say.TradeClosed,
            trade_id=trade.id,
            instrument=trade.plan.instrument_name,
            side=trade.plan.side.value,
            contracts=result.contracts,
            entry_price=_price(result.entry_price),
            exit_price=_price(result.exit_price),
            exit_reason=reason.value,
            pnl_coin=round(result.pnl_coin, COIN_DIGITS),
            pnl_usd=round(
                to_usd(self._instrument, result.pnl_coin, result.exit_price or ZERO), USD_DIGITS
            ),
            fees_coin=round(result.fees_coin, COIN_DIGITS),
            net_coin=round(result.net_coin, COIN_DIGITS),
            currency=self._instrument.settlement_currency,
            unprotected_ms=unprotected_ms(trade),
            seconds=round((now - trade.plan.created_at).total_seconds(), 3),
            note=trade.plan.note,
        )
        # Beside others the venue books at the position's average entry: only the sums agree.
        if self._is_alone and result.is_disputed:
            ours, venue = result.pnl_coin, result.venue_pnl_coin
            self._emit(say.PnlDiffers, trade_id=trade.id, ours=ours, venue=venue)
        return closed


def _price(price: Decimal | None) -> Decimal | None:
    return None if price is None else round(price, PRICE_DIGITS)


def unprotected_ms(trade: Trade) -> float:
    """How long the position was without its stop, in milliseconds, all gaps added."""
    return trade.unprotected_us / 1000
