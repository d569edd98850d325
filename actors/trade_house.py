"""The open trades as Execution knows them: their newest records, and the way to their actors."""

from collections.abc import Callable, Mapping, Sequence

from actors.kernel import Address
from actors.messages.base import Message
from actors.messages.lifecycle import StartChild
from actors.messages.trading import (
    BeginTrade,
    CloseTrade,
    InstrumentRead,
    PriceReport,
    VerifyTrade,
)
from actors.ports import Clock
from domain.instruments import Instrument
from domain.orders import Order, Ticker
from domain.trade import ExitReason, Trade, TradeState
from domain.trade_states import state_of
from domain.trailing import followed, watched
from domain.watch import gone_unheard

ENDED_KEPT = 1_000
"""Beside one that stays open for months many may end."""


class TradeHouse:
    """One actor per trade, under the supervisor. ``address`` finds one by name."""

    def __init__(self, *, address: Callable[[str], Address], supervisor: str, clock: Clock) -> None:
        self.records: dict[str, Trade] = {}
        self._address = address
        self._supervisor = supervisor
        self._clock = clock
        self._gone: dict[str, frozenset[str]] = {}
        self._ended: dict[str, Trade] = {}

    def on(self, instrument_name: str) -> list[Trade]:
        """The open trades of one instrument, oldest first."""
        return [x for x in self.records.values() if x.plan.instrument_name == instrument_name]

    def ended_on(self, instrument_name: str) -> list[Trade]:
        """Those that have ended here while others on the instrument were open, and still are."""
        return [x for x in self._ended.values() if x.plan.instrument_name == instrument_name]

    @property
    def instruments(self) -> frozenset[str]:
        """Where trades are open."""
        return frozenset(trade.plan.instrument_name for trade in self.records.values())

    @property
    def quarantined(self) -> list[str]:
        """The ids of trades that a person has to look at."""
        return [x.id for x in self.records.values() if state_of(x) is TradeState.QUARANTINED]

    def start(self, trade: Trade, instrument: Instrument, *, is_new: bool) -> None:
        """Has the supervisor start the trade's actor."""
        now = self._clock.now()
        begin = BeginTrade(at=now, trade=trade, instrument=instrument, is_new=is_new)
        name = _actor_of(trade.id)
        start = StartChild(at=now, family="trade", name=name, argument=begin)
        self.records[trade.id] = trade
        # Opened here, so that what is told before the supervisor gets to it waits in the box.
        self._address(name).is_open = True
        self._address(self._supervisor).tell(start)

    def is_running(self, trade: Trade) -> bool:
        """Whether somebody lives, or is about to live, at the trade's address."""
        return self._address(_actor_of(trade.id)).is_open

    def of_actor(self, name: str) -> Trade | None:
        """The open trade whose actor that is."""
        return next((x for x in self.records.values() if _actor_of(x.id) == name), None)

    def tell(self, trade_id: str, message: Message) -> None:
        self._address(_actor_of(trade_id)).tell(message)

    def verify(self, trade: Trade, reason: str) -> None:
        """Has the trade compare itself with the venue."""
        self.tell(trade.id, VerifyTrade(at=self._clock.now(), reason=reason))

    def miss(self, orders: Sequence[Order]) -> None:
        """Has trades verified whose orders two looks in a row did not see: they ended unheard.

        An entry may have filled and its stop fired between two looks; no position tells of it.
        """
        before, self._gone = self._gone, {}
        for trade in self.records.values():
            gone = gone_unheard(trade, orders)
            if gone and before.get(trade.id) == gone and self.is_running(trade):
                self.verify(trade, "orders gone")
            elif gone:
                self._gone[trade.id] = gone

    def close(self, trade: Trade) -> None:
        """Tells a running trade to close because of the kill."""
        if self.is_running(trade):
            reason = ExitReason.KILL.value
            self.tell(trade.id, CloseTrade(at=self._clock.now(), trade_id=trade.id, reason=reason))

    def follow(self, ticker: Ticker, instrument: Instrument) -> None:
        """Tells those trades whose stop has to follow this price."""
        for trade in self.on(instrument.name):
            price = watched(ticker, trade.plan.stop_trigger)
            if followed(trade, price, instrument) is not trade:
                self.tell(trade.id, PriceReport(at=self._clock.now(), price=price))

    def tell_instruments(
        self, catalogue: Mapping[str, Instrument], only: Trade | None = None
    ) -> None:
        """Tells every trade the tick its prices have to lie on, and what a contract is.

        Each time the contract data were read, changed or not, and when one was restarted: it has
        what its trade was born with.
        """
        for trade in self.records.values() if only is None else (only,):
            instrument = catalogue.get(trade.plan.instrument_name)
            if instrument is not None and self.is_running(trade):
                read = InstrumentRead(at=self._clock.now(), instrument=instrument)
                self.tell(trade.id, read)

    def update(self, trade: Trade) -> None:
        """Adopts a newer record; a finished trade moves out."""
        if trade.is_finished:
            self.records.pop(trade.id, None)
            ended, open_on = {**self._ended, trade.id: trade}.values(), self.instruments
            beside = [x for x in ended if x.plan.instrument_name in open_on]
            self._ended = {x.id: x for x in beside[-ENDED_KEPT:]}
        elif trade.id in self.records:
            self.records[trade.id] = trade


def _actor_of(trade_id: str) -> str:
    """The name of the actor that owns a trade."""
    return f"trade-{trade_id}"
