"""The venue as the actors see it: typed methods over two transports."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from decimal import Decimal
from typing import Any

from actors.ports import Clock, NotSent, OutcomeUnknown, Rejected
from adapters.deribit import params, parse, wire
from adapters.deribit.catalogue import Catalogue
from adapters.deribit.errors import TimedOut, Unreadable
from adapters.deribit.gate import Announced, EntryGate, Gate
from adapters.deribit.limits import Limiter
from adapters.deribit.reads import VenueReads
from adapters.deribit.round_trips import RoundTrips
from adapters.deribit.router import Router
from adapters.deribit.rpc import Rpc
from adapters.deribit.server_clock import ServerClock
from domain.instruments import Instrument
from domain.orders import Order, OrderRequest, OrderState, Placement, Side

METHODS = {Side.BUY: "private/buy", Side.SELL: "private/sell"}
SELF_MATCH, OVERLAP = 10003, "order_overlap"
"""An order that would meet one of the account's own on the other side: its code where it is
refused, and what the reason begins with where it is cancelled (release notes of 19.05.2026)."""


class DeribitVenue(VenueReads):
    """Implements `actors.ports.Venue`. Safe to call from any thread.

    Writes go out over the stream, or over HTTP while it is down; orders and edits are sent at
    most once. ``timeout`` is in seconds and per attempt.
    """

    def __init__(
        self,
        stream: Rpc,
        fallback: Rpc,
        catalogue: Catalogue,
        clock: Clock,
        limiter: Limiter,
        *,
        server_clock: ServerClock | None = None,
        timeout: float = 2.0,
        round_trips: RoundTrips | None = None,
    ) -> None:
        server_clock = server_clock or ServerClock(clock)
        router = Router(stream, fallback, clock, limiter, timeout=timeout, round_trips=round_trips)
        super().__init__(router, catalogue, clock, server_clock, limiter)
        self._gate = EntryGate()

    def place(self, request: OrderRequest, on_sent: Callable[[], None] | None = None) -> Placement:
        """Sends one order, once; see `actors.ports.Venue.place`.

        Raises:
            ValueError: an order that is no entry by its label, and not reduce-only.
        """
        params.check(request)
        gate = self._admit(adds_risk=not request.reduce_only)
        passed = gate if on_sent is None else Announced(gate, on_sent)
        reply = self._order(METHODS[request.side], params.of_order(request), passed)
        placed = parse.placement(reply, request.instrument)
        if _met_our_own(placed):
            raise Rejected(SELF_MATCH, f"cancelled: {placed.order.cancel_reason}")
        return placed

    def edit(
        self,
        order_id: str,
        instrument: Instrument,
        *,
        label: str,
        contracts: int,
        valid_until_ms: int,
        price: Decimal | None = None,
        trigger_price: Decimal | None = None,
    ) -> Placement:
        """Sets absolute values; see `actors.ports.Venue.edit`.

        Raises:
            ValueError: an order that is not ours by its label.
        """
        is_entry = params.is_entry(label)
        gate = self._admit(adds_risk=is_entry)
        wanted = params.of_edit(
            order_id,
            instrument.amount(contracts),
            reduce_only=not is_entry,
            valid_until_ms=valid_until_ms,
            price=price,
            trigger_price=trigger_price,
        )
        return parse.placement(self._order("private/edit", wanted, gate), instrument)

    def _order(self, method: str, arguments: Mapping[str, Any], gate: Gate | None) -> Any:
        """Sends it once. Too late for the venue may mean that we have its clock wrong.

        Were it not measured again, no order with a bound would be taken until the next log-in:
        neither stop nor closing order.
        """
        try:
            return self._router.once(method, arguments, gate)
        except TimedOut:
            with suppress(NotSent, Rejected, OutcomeUnknown):
                self._measure_clock()
            raise

    def _measure_clock(self) -> None:
        sent_ms = 0

        def admit() -> None:  # before each try: the reply is of the last one
            nonlocal sent_ms
            self._limiter.read()
            sent_ms = self._server_clock.local_ms()

        reply = self._router.repeat("public/get_time", {}, admit)
        try:
            server_ms = wire.integer(reply)
        except ValueError as exc:
            raise Unreadable(f"public/get_time: {exc}") from exc
        self._server_clock.measured(server_ms, sent_ms, self._server_clock.local_ms())

    def _admit(self, *, adds_risk: bool) -> EntryGate | None:
        """Takes rate budget; what could add risk passes the gate, and again as its bytes leave."""
        if not adds_risk:
            self._limiter.protective()
            return None
        self._gate.check()
        self._limiter.entry()
        return self._gate

    def cancel(self, order_id: str) -> Order:
        reply = self._router.repeat(
            "private/cancel", {"order_id": order_id}, self._limiter.protective
        )
        return self._one_order(reply)

    def cancel_all(self) -> int:
        return self._mass_cancel("private/cancel_all", {})

    def cancel_all_by_instrument(self, instrument_name: str) -> int:
        return self._mass_cancel(
            "private/cancel_all_by_instrument", {"instrument_name": instrument_name, "type": "all"}
        )

    def cancel_by_label(self, label: str, currency: str) -> int:
        return self._mass_cancel("private/cancel_by_label", {"label": label, "currency": currency})

    def close_position(self, instrument_name: str) -> Placement:
        """Closes the whole position at market, reduce-only; carries no label of ours."""
        instrument = self._instrument(instrument_name)
        self._limiter.protective()
        reply = self._router.once(
            "private/close_position", {"instrument_name": instrument_name, "type": "market"}
        )
        return parse.placement(reply, instrument)

    def lock_entries(self, reason: str) -> None:
        """From now on every order that is not reduce-only is `NotSent`; see `EntryGate`."""
        self._gate.lock(reason)

    def unlock_entries(self) -> None:
        self._gate.unlock()

    def server_now_ms(self) -> int:
        """The venue's clock in milliseconds, as the session last measured it."""
        return self._server_clock.now_ms()

    def budget_left(self) -> int:
        return self._limiter.left()

    def _mass_cancel(self, method: str, arguments: dict[str, Any]) -> int:
        reply = self._router.repeat(method, arguments, self._limiter.mass_cancel)
        try:
            return wire.integer(reply)
        except ValueError as exc:
            raise Unreadable(f"{method}: {exc}") from exc


def _met_our_own(placed: Placement) -> bool:
    """Whether it traded nothing and is gone, because of an order of the account's own."""
    order = placed.order
    is_gone = order.state is OrderState.CANCELLED and not order.filled_contracts
    return is_gone and str(order.cancel_reason).startswith(OVERLAP)
