"""Channel names, and the reports their notifications become.

Runs in the thread that reads the websocket: no call to the venue can be made from here, because
its reply would have to be read by this very thread.
"""

from collections.abc import Callable, Collection, Iterable
from typing import Any, TypeVar

from actors.messages.base import Report
from actors.messages.venue import (
    AccountReport,
    ChangesReport,
    ConnectionLost,
    MarketTradesReport,
    PlatformReport,
    TickerReport,
)
from actors.ports import Clock
from adapters.deribit import parse, parse_market, wire
from adapters.deribit.catalogue import Catalogue
from adapters.deribit.errors import Unreadable
from adapters.deribit.tally import Tally
from domain.instruments import Instrument

_T = TypeVar("_T")

CHANGES = "user.changes.any.any.raw"
PORTFOLIO = "user.portfolio.any"
PLATFORM = "platform_state"
TICKER = "ticker."
"""What the channels of prices begin with."""
REPEAT_SECONDS = 1.0
MAINTENANCE_SECONDS = 900.0
"""How long an announced maintenance keeps entries out that nobody calls off."""


def account_channels() -> tuple[str, ...]:
    """Everything that happens to the account, on every instrument and in every currency."""
    return (CHANGES, PORTFOLIO, PLATFORM)


def ticker_channel(instrument_name: str) -> str:
    """Prices of one instrument, every 100 ms."""
    return f"{TICKER}{instrument_name}.100ms"


def market_channels(instrument_name: str) -> tuple[str, ...]:
    """Prices and public trades of one instrument, every 100 ms."""
    return (ticker_channel(instrument_name), f"trades.{instrument_name}.100ms")


class Channels:
    """Turns notifications into reports for ``publish``, which must be quick.

    A notification that cannot be read is counted and logged, never raised: the poll of the
    position watcher sees within seconds what a push failed to say. Platform locks count only for
    the indexes of ``instrument_names`` (of all perpetuals when empty).
    """

    def __init__(
        self,
        catalogue: Catalogue,
        clock: Clock,
        publish: Callable[[Report], None],
        instrument_names: Collection[str] = (),
    ) -> None:
        self._catalogue = catalogue
        self._clock = clock
        self._publish = publish
        self._instrument_names = instrument_names
        self._locked: set[str] = set()
        self._platform_is: tuple[bool, bool] = (False, False)
        self._closes_until = self._told_at = 0.0
        self.unreadable = Tally("venue_notification_unreadable", clock)
        self._handlers: tuple[tuple[str, Callable[[Any], Report | None]], ...] = (
            ("user.changes.", self._changes),
            ("user.portfolio.", self._account),
            ("ticker.", self._ticker),
            ("trades.", self._market_trades),
            (PLATFORM, self._platform),
        )

    def on_notification(self, channel: str, data: Any) -> None:
        """Takes one notification of the websocket."""
        for prefix, handler in self._handlers:
            if channel.startswith(prefix):
                self._handle(prefix, handler, data)
                return
        self.unreadable.note("unknown_channel", channel[:100])

    def on_lost(self, reason: str) -> None:
        """Takes the end of a connection."""
        # The next line repeats what holds; that it ended meanwhile nobody would tell.
        self._closes_until = 0.0
        self._locked.clear()
        self._publish(ConnectionLost(at=self._clock.now(), reason=reason))

    def _handle(self, kind: str, handler: Callable[[Any], Report | None], data: Any) -> None:
        try:
            report = handler(data)
        except Unreadable as exc:
            self.unreadable.note(kind, str(exc))
            return
        if report is not None:
            self._publish(report)

    def _changes(self, data: Any) -> Report | None:
        name = _field(data, "instrument_name")
        known = self._known(name)
        if known is None:
            return None
        positions = self._each(data, "positions", parse.position, known)
        return ChangesReport(
            at=self._clock.now(),
            instrument_name=known.name,
            orders=self._each(data, "orders", parse.order, known),
            fills=self._each(data, "trades", parse.fill, known),
            positions=tuple(one for one in positions if one is not None),
            is_flat=any(one is None for one in positions),
        )

    def _each(
        self,
        data: Any,
        member: str,
        parser: Callable[[Any, Instrument], _T],
        known: Instrument,
    ) -> tuple[_T, ...]:
        """The readable ones: an odd order must not take the fill beside it along."""
        values: list[_T] = []
        for row in _rows(wire.as_object(data).get(member) or []):
            try:
                values.append(parser(row, known))
            except Unreadable as exc:
                self.unreadable.note(member, str(exc))
        return tuple(values)

    def _account(self, data: Any) -> Report:
        return AccountReport(at=self._clock.now(), account=parse_market.account(data))

    def _ticker(self, data: Any) -> Report:
        return TickerReport(at=self._clock.now(), ticker=parse_market.ticker(data))

    def _market_trades(self, data: Any) -> Report | None:
        trades = tuple(
            parse_market.market_trade(row, known)
            for row in _rows(data)
            if (known := self._known(_field(row, "instrument_name"))) is not None
        )
        return MarketTradesReport(at=self._clock.now(), trades=trades) if trades else None

    def _platform(self, data: Any) -> Report | None:
        """Changes, for the venue repeats the state of every index several times a second; and,
        once a second, that it is not open: whoever has just begun to listen does not know.

        A lock without an index is a lock of everything. Maintenance is announced in one frame, and
        the ordinary ones go on beside it: it holds until the venue says that it is over, the line
        breaks (the next one speaks for itself), or too long has passed.
        """
        state = wire.as_object(data)
        index = state.get("price_index") or ""
        if not isinstance(index, str):
            raise Unreadable("platform state: the index is no text")
        locked = state.get("locked")
        if locked in (False, "false"):
            self._locked.discard(index)
        elif locked is not None and self._is_ours(index):
            self._locked.add(index)
        maintenance = state.get("maintenance")
        if maintenance is not None:
            is_on = maintenance is True
            self._closes_until = self._clock.monotonic() + MAINTENANCE_SECONDS if is_on else 0.0
        now = (bool(self._locked), self._clock.monotonic() < self._closes_until)
        at = self._clock.monotonic()
        is_repeated = any(now) and at - self._told_at >= REPEAT_SECONDS
        if now == self._platform_is and not is_repeated:
            return None
        self._platform_is, self._told_at = now, at
        return PlatformReport(at=self._clock.now(), locked=now[0], maintenance=now[1])

    def _is_ours(self, index: str) -> bool:
        if not index or not self._instrument_names:
            return True
        ours = (self._catalogue.get(name) for name in self._instrument_names)
        return any(one is not None and one.price_index == index for one in ours)

    def _known(self, name: str) -> Instrument | None:
        known = self._catalogue.get(name)
        # Before contract data is first read nothing can be known; the trades read for themselves.
        if known is None and not self._catalogue.is_empty:
            self.unreadable.note("not_in_catalogue", name[:100])
        return known


def _field(data: Any, key: str) -> str:
    value = wire.as_object(data).get(key)
    if not isinstance(value, str):
        raise Unreadable(f"a notification without {key}")
    return value


def _rows(data: Any) -> Iterable[Any]:
    rows = wire.as_list(data)
    if rows is None:
        raise Unreadable("a notification that is no list")
    return rows
