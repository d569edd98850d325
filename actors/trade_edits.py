"""Changing an order of a trade that rests: its size when parts fill, and the place of its stop.

Always by `edit`: the old order holds until the new one does, so no change leaves a gap. An edit
whose outcome nobody knows is not repeated; the trade reads what rests, and decides anew.
"""

from collections.abc import Callable
from decimal import Decimal

from actors.ports import NotSent, OutcomeUnknown, Rejected
from actors.trade_around import Surroundings, line_of, needs_login
from actors.trade_orders import on_grid
from actors.trade_patience import Patience
from actors.trade_record import RecordKeeper
from domain import outcomes, targets, venue_codes
from domain.contract_sizes import own
from domain.instruments import Instrument
from domain.labels import Role
from domain.orders import Order, Placement
from domain.reports import apply_fills, apply_order
from domain.steps import Step
from domain.trade import ExitReason, Line, Trade


def _place_of(trade: Trade, line: Line) -> Decimal:
    """Where a stop is put when it is edited: one that does not follow stays where it rests."""
    rests = None if trade.plan.moves_stop else line.trigger_price
    return rests or trade.stop_price


class Edits:
    """Takes the steps that edit, on the record in ``keeper``; each says whether to go on at once.

    ``unknown`` tells of an outcome nobody knows, ``not_as_asked`` takes an order away that came
    back as another one, ``log_in`` renews a refused session.
    """

    def __init__(
        self,
        keeper: RecordKeeper,
        around: Surroundings,
        patience: Patience,
        *,
        unknown: Callable[[Line, str, Exception], None],
        not_as_asked: Callable[[Line, Order, str], None],
        log_in: Callable[[], None],
    ) -> None:
        self._keeper = keeper
        self._around = around
        self._policy = around.policy
        self._clock = around.clock
        self._log = around.log
        self._patience = patience
        self._unknown = unknown
        self._not_as_asked = not_as_asked
        self._log_in = log_in

    @property
    def _instrument(self) -> Instrument:
        return self._around.instrument

    def resize(self, step: Step) -> bool:
        """Makes an order as large as the position asks for, or as small."""
        line = line_of(step)
        shrinks = step.contracts < line.contracts
        if shrinks:
            self._keeper.change(outcomes.about_to_move(self._keeper.trade, self._clock.now()))
        try:
            placement = self._edit(step, line)
        except Rejected as error:
            self._resize_refused(line, error, shrinks=shrinks)
        except (NotSent, OutcomeUnknown) as error:
            self._is_in_doubt(line, error)
        else:
            self._was_resized(step, line, placement)
        return True

    def _edit(self, step: Step, line: Line) -> Placement:
        trade = on_grid(self._keeper.trade, self._instrument)
        line = trade.now_of(line)
        return self._patience.for_orders(trade).edit(
            line.order_ids[0],
            own(trade, self._instrument),
            label=trade.label(line),
            contracts=step.contracts,
            valid_until_ms=self._around.valid_until_ms(),
            price=trade.plan.target_price if line.role is Role.TARGET else None,
            trigger_price=_place_of(trade, line) if line.role is Role.STOP else None,
        )

    def _is_in_doubt(self, line: Line, error: Exception) -> None:
        self._unknown(line, "edit", error)
        self._keeper.change(outcomes.refused(self._keeper.trade, self._policy, self._clock.now()))

    def _heard(self, placement: Placement) -> None:
        now = self._clock.now()
        trade = apply_order(self._keeper.trade, placement.order, now)
        self._keeper.change(apply_fills(trade, placement.fills, now))

    def _was_resized(self, step: Step, line: Line, placement: Placement) -> None:
        self._heard(placement)
        if line.role is Role.TARGET and not placement.order.reduce_only:
            self._stays_without_flag(line, placement.order)
            return
        if placement.order.state.is_live and placement.order.contracts < step.contracts:
            # The venue holds less than we think: asking again at once would only repeat it.
            granted = Rejected(0, f"only {placement.order.contracts} granted")
            self._resize_refused(line, granted, shrinks=False)
            return
        if placement.order.contracts == step.contracts:
            self._keeper.change(outcomes.moved(self._keeper.trade, line))
            if line.role is Role.TARGET:
                self._keeper.change(targets.granted(self._keeper.trade))
        self._keeper.announce.placed(self._keeper.trade, placement.order, line.role)

    def _stays_without_flag(self, line: Line, order: Order) -> None:
        """A stop that loses it is found unsound, and replaced, by whoever hears of it."""
        wrong = "not reduce-only"
        if line.is_paired:  # its stop would go with it
            self._resize_refused(line, Rejected(0, wrong), shrinks=False)
        else:
            self._not_as_asked(line, order, wrong)

    def _resize_refused(self, line: Line, error: Rejected, *, shrinks: bool) -> None:
        trade, now = self._keeper.trade, self._clock.now()
        if needs_login(error):
            self._keeper.change(outcomes.refused(trade, self._policy, now))
            self._log_in()
            return
        if shrinks:
            # Larger than the position, as it was: no failure of protection.
            self._keeper.change(outcomes.refused(trade, self._policy, now))
            self._log.warning("stop_stays_too_large", label=trade.label(line), error=str(error))
            return
        self._around.refused(error.code)
        self._keeper.change(outcomes.resize_refused(trade, line, error.code, self._policy, now))
        self._keeper.announce.rejected(self._keeper.trade, line.role, trade.label(line), error)

    def move(self, step: Step) -> bool:
        """Puts a stop where it belongs by now. The one that rests stands until then."""
        line = line_of(step)
        wanted = on_grid(self._keeper.trade, self._instrument).stop_price
        self._keeper.change(outcomes.about_to_move(self._keeper.trade, self._clock.now()))
        try:
            placement = self._edit(step, line)
        except Rejected as error:
            self._move_refused(line, error)
        except (NotSent, OutcomeUnknown) as error:
            self._is_in_doubt(line, error)
        else:
            self._heard(placement)
            self._was_moved(line, placement, wanted)
        return True

    def _was_moved(self, line: Line, placement: Placement, wanted: Decimal) -> None:
        self._keeper.change(outcomes.moved(self._keeper.trade, line))
        trade, got = self._keeper.trade, placement.order.trigger_price
        if got == wanted:
            self._keeper.announce.moved(trade, line, wanted)
        elif placement.order.state.is_live:
            self._keeper.announce.move_failed(trade, line, Rejected(0, f"it rests at {got}"))

    def _move_refused(self, line: Line, error: Rejected) -> None:
        now = self._clock.now()
        if error.code in venue_codes.TRIGGER_ALREADY_PASSED:
            # A stop at the place where it belongs would have fired: what it would do is done now.
            self._keeper.change(outcomes.ending(self._keeper.trade, ExitReason.STOP_LOSS))
            return
        self._around.refused(error.code)
        self._keeper.change(outcomes.refused(self._keeper.trade, self._policy, now))
        if needs_login(error):
            self._log_in()
            return
        self._keeper.announce.move_failed(self._keeper.trade, line, error)
