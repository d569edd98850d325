"""The reading half of the venue: every answer is whole, or an exception."""

import copy
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Self, TypeVar

from actors.ports import Clock, Rejected
from adapters.deribit import parse, parse_market, wire
from adapters.deribit.catalogue import Catalogue
from adapters.deribit.errors import Unreadable
from adapters.deribit.limits import Limiter, Rates
from adapters.deribit.router import Router
from adapters.deribit.server_clock import ServerClock
from adapters.deribit.tally import Tally
from domain import labels
from domain.instruments import Instrument, NoMultiple
from domain.orders import (
    Account,
    Fill,
    Funding,
    Order,
    OrderBook,
    OrderState,
    Position,
    Ticker,
    TriggerRecord,
)
from domain.venue_codes import NOT_FOUND

_T = TypeVar("_T")

PAGE = 1000
LOG_PAGE, LOG_PAGES = 250, 8
CLOCK_SKEW_MS = 60_000
REFRESH_SECONDS = 60.0
TRIGGER_ENTRIES = 200


class VenueReads:
    """Reads are retried over both transports; see `Router.repeat`."""

    def __init__(
        self,
        router: Router,
        catalogue: Catalogue,
        clock: Clock,
        server_clock: ServerClock,
        limiter: Limiter,
    ) -> None:
        self._router = router
        self._catalogue = catalogue
        self._clock = clock
        self._server_clock = server_clock
        self._limiter = limiter
        self.skipped = Tally("venue_object_skipped", clock)
        self.odd_words = Tally("venue_word_unknown", clock)

    def within(self, seconds: float) -> Self:
        """See `actors.ports.Venue.within`."""
        hurried = copy.copy(self)
        hurried._router = self._router.within(seconds)  # noqa: SLF001 - a copy of ourselves
        return hurried

    def instruments(self) -> Mapping[str, Instrument]:
        """All active perpetuals by name, read afresh; refreshes the parser's catalogue too."""
        rows = self._list(
            "public/get_instruments",
            {"currency": "any", "kind": "future"},
            by_http=not self._limiter.catalogue_by_stream(),
        )
        found: list[Instrument] = []
        for row in rows:
            try:
                if parse_market.is_perpetual(row):
                    found.append(parse_market.instrument(row))
            except Unreadable as exc:
                # One exotic row must not hide the instruments we trade.
                self.skipped.note("instrument", str(exc))
        if not found:
            raise Unreadable("public/get_instruments: no perpetual in the catalogue")
        self._catalogue.merge(found)
        # Not sooner: to another thread a name would be unknown to a catalogue that counts as new.
        self._catalogue.read_at = self._clock.monotonic()
        return self._catalogue.active()

    def ticker(self, instrument_name: str) -> Ticker:
        return parse_market.ticker(
            self._read("public/ticker", {"instrument_name": instrument_name})
        )

    def order_book(self, instrument_name: str, depth: int = 10) -> OrderBook:
        params = {"instrument_name": instrument_name, "depth": depth}
        book = self._read("public/get_order_book", params)
        return parse_market.order_book(book, self._instrument(instrument_name))

    def order(self, order_id: str) -> Order:
        return self._one_order(self._read("private/get_order_state", {"order_id": order_id}))

    def orders_by_label(self, label: str, currency: str) -> tuple[Order, ...]:
        """Orders with exactly this label; ``currency`` is the settlement currency."""
        params = {"currency": currency, "label": label}
        try:
            rows = self._list("private/get_order_state_by_label", params)
        except Rejected as exc:
            if exc.code in NOT_FOUND:
                return ()
            raise
        return tuple(one for one in self._orders(rows) if one.label == label)

    def open_orders(self) -> tuple[Order, ...]:
        """Everything resting in every currency, triggers and waiting children included.

        What calls its state by a word we do not know may trade, and protects nothing: ``open``.
        A foreign order that cannot be read at all is counted and left out: it is none of ours to
        cancel, and what it may protect is not believed.
        """
        rows = self._list("private/get_open_orders", {"kind": "future", "type": "all"})
        orders = self._known(rows, self._open_order)
        return tuple(one for one in orders if one is not None)

    def _open_order(self, row: Any, instrument: Instrument) -> Order | None:
        self._note_odd(row)
        try:
            return parse.order(row, instrument, otherwise=OrderState.OPEN)
        except Unreadable as exc:
            label = wire.as_object(row).get("label")
            if not isinstance(label, str) or labels.is_ours(label):
                raise
            self.skipped.note("foreign_order", str(exc))
            return None

    def _orders(self, rows: list[Any]) -> tuple[Order, ...]:
        """Orders that were looked up, whatever words the venue has for their states.

        One with a word we do not know has ended, unless it is among the open ones, which are
        read after it: what is not there can trade no more, and what it traded it says.
        """
        if not any(parse.has_odd_state(row) for row in rows):
            return self._known(rows, parse.order)
        for row in rows:
            self._note_odd(row)
        ended = self._known(rows, partial(parse.order, otherwise=OrderState.CANCELLED))
        resting = {one.order_id: one for one in self.open_orders()}
        return tuple(resting.get(one.order_id, one) for one in ended)

    def _note_odd(self, row: Any) -> None:
        if parse.has_odd_state(row):
            word = f"{row.get('order_id')}: {row['order_state']}"
            self.odd_words.note("order_state", word[:100])

    def trigger_history(self, currency: str, instrument_name: str) -> tuple[TriggerRecord, ...]:
        """The latest entries, newest first as the venue lists them."""
        params = {
            "currency": currency,
            "instrument_name": instrument_name,
            "count": TRIGGER_ENTRIES,
        }
        result = self._read("private/get_trigger_order_history", params)
        return self._known(_member(result, "entries"), parse.trigger_record)

    def order_history(self, instrument_name: str) -> tuple[Order, ...]:
        """Recent and historical orders merged by id (the later update wins), oldest first."""
        params = {
            "instrument_name": instrument_name,
            "count": PAGE,
            "include_old": True,
            "include_unfilled": True,
        }
        merged: dict[str, Order] = {}
        for historical in (True, False):
            rows = self._list(
                "private/get_order_history_by_instrument", {**params, "historical": historical}
            )
            for one in self._orders(rows):
                before = merged.get(one.order_id)
                if before is None or one.updated_ms >= before.updated_ms:
                    merged[one.order_id] = one
        return tuple(sorted(merged.values(), key=lambda one: (one.created_ms, one.order_id)))

    def fills(self, instrument_name: str, since_ms: int) -> tuple[Fill, ...]:
        """Our trades since then, oldest first: all pages, recent and historical merged."""
        merged: dict[str, Fill] = {}
        for historical in (True, False):
            self._collect_fills(merged, instrument_name, since_ms, historical=historical)
        return tuple(sorted(merged.values(), key=lambda one: (one.timestamp_ms, one.trade_seq)))

    def _collect_fills(
        self, merged: dict[str, Fill], instrument_name: str, since_ms: int, *, historical: bool
    ) -> None:
        """Reads page after page; the next one starts at the last one's final millisecond."""
        start_ms, end_ms = since_ms, self._server_clock.now_ms() + CLOCK_SKEW_MS
        while True:
            result = self._read(
                "private/get_user_trades_by_instrument_and_time",
                {
                    "instrument_name": instrument_name,
                    "start_timestamp": start_ms,
                    "end_timestamp": end_ms,
                    "count": PAGE,
                    "sorting": "asc",
                    "historical": historical,
                },
            )
            page = self._known(_member(result, "trades"), parse.fill)
            merged.update((one.trade_id, one) for one in page)
            if wire.as_object(result).get("has_more") is not True:
                return
            last_ms = max((one.timestamp_ms for one in page), default=start_ms)
            if last_ms <= start_ms:
                raise Unreadable(f"{instrument_name}: more fills announced, but none follow")
            start_ms = last_ms

    def positions(self) -> tuple[Position, ...]:
        """All non-zero positions. An error raises: it is never an empty result."""
        rows = self._list("private/get_positions", {"currency": "any", "kind": "future"})
        return tuple(one for one in self._known(rows, parse.position) if one is not None)

    def accounts(self) -> tuple[Account, ...]:
        """Currencies with equity; also adopts the account's own rate limits."""
        rows = _member(self._read("private/get_account_summaries", {}), "summaries")
        self._adopt_limits(rows)
        accounts = (parse_market.account(row) for row in rows)
        return tuple(one for one in accounts if one.equity != 0)

    def _adopt_limits(self, rows: list[Any]) -> None:
        """Takes the account's own limits; unreadable ones are the lowest of the venue's tiers."""
        stated = next((row["limits"] for row in rows if wire.as_object(row).get("limits")), None)
        if stated is None:
            return
        try:
            rates = parse_market.rates(stated)
        except Unreadable as exc:
            self.skipped.note("limits", str(exc))
            rates = None
        self._limiter.update(rates or Rates())

    def funding(self, currency: str, start_ms: int, end_ms: int) -> tuple[Funding, ...]:
        """What was booked as funding in that time, oldest first; whole, or an exception."""
        found: dict[int, Funding] = {}
        params = {
            "currency": currency,
            "start_timestamp": start_ms,
            "end_timestamp": end_ms,
            "count": LOG_PAGE,
        }
        for _ in range(LOG_PAGES):
            result = self._router.repeat(
                "private/get_transaction_log", params, self._limiter.read_log
            )
            for row in _member(result, "logs"):
                if (one := parse_market.funding(row)) is not None:
                    found[one.log_id] = one
            following = wire.as_object(result).get("continuation")
            if following is None:
                return tuple(sorted(found.values(), key=lambda one: (one.timestamp_ms, one.log_id)))
            params["continuation"] = following
        raise Unreadable(f"{currency}: the log goes on after {LOG_PAGES} pages")

    def _read(self, method: str, params: Mapping[str, Any], *, by_http: bool = False) -> Any:
        return self._router.repeat(method, params, self._limiter.read, by_http=by_http)

    def _list(self, method: str, params: Mapping[str, Any], *, by_http: bool = False) -> list[Any]:
        result = wire.as_list(self._read(method, params, by_http=by_http))
        if result is None:
            raise Unreadable(f"{method}: the result is no list")
        return result

    def _instrument(self, name: str) -> Instrument:
        """Contract data, reading the catalogue when it is empty or does not have the name.

        Raises:
            Unreadable: the venue lists no such perpetual.
        """
        known = self._catalogue.get(name) or self._refreshed().get(name)
        if known is None:
            raise Unreadable(f"{name!r} is no perpetual of the catalogue")
        return known

    def _refreshed(self) -> Catalogue:
        """The catalogue, read again when that was not done within the last minute."""
        read_at = self._catalogue.read_at
        if read_at is None or self._clock.monotonic() - read_at >= REFRESH_SECONDS:
            self.instruments()
        return self._catalogue

    def _one_order(self, row: Any) -> Order:
        return self._fitting(lambda: parse.order(row, self._instrument(_name(row))))

    def _fitting(self, parsed: Callable[[], _T]) -> _T:
        """What was parsed; once more, from its beginning, if the contract size may be old."""
        try:
            return parsed()
        except Unreadable as exc:
            if not isinstance(exc.__cause__, NoMultiple):
                raise
        self._refreshed()
        return parsed()

    def _known(
        self, rows: Iterable[Any], parser: Callable[[Any, Instrument], _T]
    ) -> tuple[_T, ...]:
        """Parses the rows of perpetuals; every one of them has to be readable.

        Dated futures and combos a person trades on the same account are counted and left out:
        they are none of ours, and must not make the whole account unreadable.
        """
        kept = tuple(rows)
        return self._fitting(lambda: self._each(kept, parser))

    def _each(self, rows: Iterable[Any], parser: Callable[[Any, Instrument], _T]) -> tuple[_T, ...]:
        values: list[_T] = []
        for row in rows:
            name = _name(row)
            known = self._catalogue.get(name)
            if known is None:
                known = self._refreshed().get(name)
            if known is None:
                self.skipped.note("not_a_perpetual", name)
                continue
            values.append(parser(row, known))
        return tuple(values)


def _name(row: Any) -> str:
    name = wire.as_object(row).get("instrument_name")
    if not isinstance(name, str):
        raise Unreadable("an object without an instrument name")
    return name


def _member(result: Any, key: str) -> list[Any]:
    rows = wire.as_list(wire.as_object(result).get(key))
    if rows is None:
        raise Unreadable(f"the result has no list of {key}")
    return rows
