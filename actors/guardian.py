"""Guardian: puts a stop under positions that are not ours, if the operator wants that.

Only ever reduce-only stops, labelled as nobody's trade, and never a closing order. What hangs at
the venue is the only memory: every look at the account is compared with what should hang, so a
restart needs no recovery. A finding counts when the next quiet look finds the same, or more.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import ClassVar

from actors.kernel import Actor, Context, HandlerTable
from actors.messages.watch import GuardFailed, GuardPlaced, GuardRemoved, PortfolioObserved
from actors.ports import NotSent, OutcomeUnknown, Rejected, Venue
from domain import labels, trailing, venue_codes, watch
from domain.contract_sizes import sized
from domain.instruments import Instrument
from domain.labels import Label, Role
from domain.orders import ZERO, Order, OrderRequest, OrderType, Position, Side, TriggerBy
from domain.watch import Finding, GuardStep

VALID_MS = 1_500


class Guardian(Actor):
    """The only sender of guards.

    ``stop_pct`` is a fraction of the mark price; None when foreign positions are only told.
    """

    handlers: ClassVar[HandlerTable] = {}

    def __init__(
        self, context: Context, *, venue: Venue, stop_pct: Decimal | None, stop_trigger: TriggerBy
    ) -> None:
        super().__init__(context)
        self._venue = venue
        self._stop_pct = stop_pct
        self._stop_trigger = stop_trigger
        self._catalogue: Mapping[str, Instrument] = {}
        self._found: dict[str, Finding] = {}
        self._acted_at = float("-inf")

    def on_portfolio_observed(self, message: PortfolioObserved) -> None:
        is_news = message.began_monotonic > self._acted_at
        if self._stop_pct is None or message.drifts is None or not is_news:
            return
        positions = {x.instrument_name: x for x in message.positions}
        residuals = {x.instrument_name: x.residual for x in message.drifts}
        guarded = {x.instrument_name for x in message.orders if labels.is_guard(x.label)}
        before, self._found = self._found, {}
        for name in sorted(residuals.keys() | guarded):
            position = positions.get(name)
            held = position.contracts if position else 0
            finding = (held, residuals.get(name, 0))
            self._found[name] = finding
            seen = watch.seen_twice(before.get(name), finding)
            if seen is not None:
                self._guard(name, position, watch.guard_steps(name, *seen, message.orders))

    def _guard(self, name: str, position: Position | None, steps: tuple[GuardStep, ...]) -> None:
        for step in steps:
            try:
                self._take(name, position, step)
            except Rejected as error:
                if error.code in venue_codes.STALE_CONTRACT_DATA:
                    self._catalogue = {}
                if error.code not in venue_codes.GONE_ALREADY:
                    self._failed(name, step, error)
            except (NotSent, OutcomeUnknown) as error:
                # What became of it, the next look shows.
                self._failed(name, step, error)
            self._acted_at = self.clock.monotonic()

    def _take(self, name: str, position: Position | None, step: GuardStep) -> None:
        if step.contracts == 0 and step.order is not None:
            self._venue.cancel(step.order.order_id)
            self.emit(GuardRemoved, instrument=name, label=step.order.label)
            return
        instrument = self._instrument(name)
        if instrument is None or position is None:
            return
        instrument = sized(instrument, position.contract_size)
        if step.order is None:
            order = self._venue.place(self._request(instrument, position, step.contracts)).order
        else:
            order = self._venue.edit(
                step.order.order_id,
                instrument,
                label=step.order.label,
                contracts=step.contracts + step.order.filled_contracts,
                valid_until_ms=self._venue.server_now_ms() + VALID_MS,
                trigger_price=_on_tick(instrument, step.order),
            ).order
        self._placed(order)

    def _placed(self, order: Order) -> None:
        self.emit(
            GuardPlaced,
            instrument=order.instrument_name,
            label=order.label,
            contracts=order.contracts,
            trigger_price=order.trigger_price,
        )

    def _failed(self, name: str, step: GuardStep, error: Exception) -> None:
        self.emit(GuardFailed, instrument=name, contracts=step.contracts, error=str(error))

    def _request(self, instrument: Instrument, position: Position, contracts: int) -> OrderRequest:
        is_long = position.contracts > 0
        distance = position.mark_price * (self._stop_pct or ZERO)
        price = (
            instrument.floor_price(position.mark_price - distance)
            if is_long
            else instrument.ceil_price(position.mark_price + distance)
        )
        return OrderRequest(
            instrument=instrument,
            side=Side.SELL if is_long else Side.BUY,
            contracts=contracts,
            order_type=OrderType.STOP_MARKET,
            label=str(Label(f"{labels.GUARDING}{self.entropy.new_id()}", Role.STOP, 1)),
            trigger_price=price,
            trigger=self._stop_trigger,
            reduce_only=True,
            valid_until_ms=self._venue.server_now_ms() + VALID_MS,
        )

    def _instrument(self, name: str) -> Instrument | None:
        """Contract data; the catalogue is read when it lacks the name, or was refused."""
        if name not in self._catalogue:
            self._catalogue = self._venue.instruments()
        return self._catalogue.get(name)


def _on_tick(instrument: Instrument, guard: Order) -> Decimal | None:
    """Where it rests; on the tick as it is now, nearer to the market, if the venue changed it."""
    price = guard.trigger_price
    return None if price is None else trailing.on_tick(instrument, guard.side.opposite, price)


Guardian.handlers = {
    PortfolioObserved: Guardian.on_portfolio_observed,
}
