"""The engine's state and the few steps every rule is built from. No I/O, no clock, no threads.

The rules themselves stand beside it: `placing`, `matching`, `triggers`, `editing`, `ticking`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from adapters.paper import oco
from adapters.paper.account import Account
from adapters.paper.catalogue import CURRENCIES, INDEX_OF, INSTRUMENTS
from adapters.paper.fees import STANDARD, Fees
from adapters.paper.ids import Ids
from adapters.paper.ledger import Ledger
from adapters.paper.market import INDEX_EVERY_MS, BookShape, Market, PublicTrade
from adapters.paper.records import OrderRecord, TradeRecord, TriggerEntry
from adapters.paper.switches import Switches
from domain.orders import ZERO, OrderState

_HARSH = Switches()
SETTLEMENT_AT_MS = 8 * 3_600_000
DAY_MS = 24 * 3_600_000
START_PRICES = {"btc_usd": Decimal(100_000), "eth_usd": Decimal(3_200)}


@dataclass(slots=True)
class Changes:
    """What happened since the channels last looked; each order once, in its latest state.

    ``cash`` are the currencies of which the balance changed by no trade.
    """

    orders: dict[str, OrderRecord] = field(default_factory=dict[str, OrderRecord])
    trades: list[TradeRecord] = field(default_factory=list[TradeRecord])
    tape: list[tuple[str, PublicTrade]] = field(default_factory=list[tuple[str, PublicTrade]])
    moved: set[str] = field(default_factory=set[str])
    cash: set[str] = field(default_factory=set[str])


class Engine:
    """Markets, account and orders at one moment. ``revision`` rises with every order or fill.

    ``resting`` is what `risk` has added up, by instrument, each with the revision it is of.
    """

    def __init__(
        self,
        *,
        seed: int,
        shape: BookShape,
        balances: Mapping[str, Decimal],
        now_ms: int,
        switches: Switches = _HARSH,
        fees: Fees = STANDARD,
        index_every_ms: int = INDEX_EVERY_MS,
    ) -> None:
        self.seed = seed
        self.shape = shape
        self.fees = fees
        self.index_every_ms = index_every_ms
        self.switches = switches
        self.now_ms = now_ms
        self.revision = 0
        self.is_in_maintenance = False
        self.ids = Ids(seed)
        self.ledger = Ledger()
        self.account = Account({each: balances.get(each, ZERO) for each in CURRENCIES})
        self.changes = Changes()
        self.resting: dict[str, tuple[int, int, int]] = {}
        self.markets = {name: self._new_market(name) for name in INSTRUMENTS}
        for market in self.markets.values():
            market.open()

    def _new_market(self, name: str) -> Market:
        instrument = INSTRUMENTS[name]
        return Market(
            instrument=instrument,
            seed=self.seed,
            shape=self.shape,
            index=START_PRICES[INDEX_OF[instrument.price_index]],
            now_ms=self.now_ms,
            change_id=self.ids.change(),
            mark_window_seconds=self.switches.mark_window_seconds,
            mark_clip_pct=self.switches.mark_clip_pct,
            index_every_ms=self.index_every_ms,
        )

    def state_of(self, instrument_name: str) -> str:
        """The state of a book: ``settlement`` for the moments after 08:00 UTC, else its own."""
        if (self.now_ms - SETTLEMENT_AT_MS) % DAY_MS < self.switches.settlement_ms:
            return "settlement"
        return self.markets[instrument_name].state

    def note(self, order: OrderRecord) -> None:
        """Marks an order as changed now."""
        order.updated_ms = self.now_ms
        self.changes.orders[order.order_id] = order
        self.revision += 1

    def note_silently(self, order: OrderRecord) -> None:
        """Marks an order as changed now without a word on the channels."""
        order.updated_ms = self.now_ms
        self.revision += 1

    def finish(
        self,
        order: OrderRecord,
        state: OrderState,
        reason: str | None = None,
        *,
        is_told: bool = True,
    ) -> None:
        """Ends an order in a terminal state; ``reason`` is its cancel reason."""
        order.state = state
        order.cancel_reason = reason
        if is_told:
            self.note(order)
        else:
            self.note_silently(order)
        self.ledger.close(order)
        if order.oco_ref is not None:
            oco.on_end(self, order)

    def cancel(self, order: OrderRecord, reason: str | None = "user_request") -> None:
        """Cancels an order unless it is gone already; a trigger leaves a line in its history."""
        if not order.state.is_live:
            return
        if order.is_off_book:
            self.log_trigger(order, "cancelled", request="cancel")
        self.finish(order, OrderState.CANCELLED, reason)

    def log_trigger(
        self,
        order: OrderRecord,
        state: str,
        *,
        request: str = "trigger:order",
        child_id: str | None = None,
    ) -> None:
        """Adds a line to the trigger history."""
        self.ledger.add_entry(
            TriggerEntry(
                trigger_order_id=order.order_id,
                order_id=child_id,
                instrument_name=order.instrument_name,
                side=order.side,
                contracts=order.contracts,
                order_type=order.order_type,
                price=order.price,
                trigger=order.trigger,
                trigger_price=order.trigger_price,
                trigger_offset=order.trigger_offset,
                state=state,
                request=request,
                label=order.label,
                reduce_only=order.reduce_only,
                post_only=order.post_only,
                timestamp_ms=self.now_ms,
                is_secondary_oto=order.is_secondary_oto,
                oco_ref=order.oco_ref,
            )
        )

    def take_changes(self) -> Changes:
        """Hands over what happened since the last call."""
        changes, self.changes = self.changes, Changes()
        return changes
