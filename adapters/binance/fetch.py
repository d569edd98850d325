"""Backfill: a stretch of a symbol's past, fetched by id; what is there already is left out."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from actors.ports import Clock
from adapters.binance.refill import TRIES as PROOFS
from adapters.binance.rest import BinanceRest, Unavailable
from domain.moments import Stretch
from domain.runs import Run
from domain.ticks import Ticks

BATCH = 20_000
"""Ticks stored at once: so much is fetched again, at most, when the command is stopped."""
TRIES = 8
LONGEST_WAIT = 60.0
LONGEST_BAN = 300.0
"""A longer one is told rather than waited for."""


class Store(Protocol):
    """Where the ticks go."""

    def runs(self, symbol: str) -> Sequence[Run]: ...
    def add(self, batches: Iterable[Ticks]) -> Mapping[str, int]: ...
    def publish(self) -> None: ...
    def give_up(self, symbol: str, first: int, last: int, reason: str) -> None: ...


def fetch_stretch(
    store: Store,
    rest: BinanceRest,
    stretch: Stretch,
    clock: Clock,
    *,
    progress: Callable[[int, int], None],
    waiting: Callable[[str, float], None],
) -> int:
    """Stores every tick of a stretch the venue has; returns how many are new.

    ``waiting(reason, seconds)`` is told before each wait for a venue that did not answer.

    Raises:
        Unavailable, Refused, Malformed: what was stored stays; the next call goes on from there.
        OSError, duckdb.Error: the disk.
    """
    symbol = stretch.symbol
    asking = _Asking(rest, symbol, clock, waiting)
    first = asking.at_time(stretch.start_ms)
    at = int(first.agg_id[0]) if first is not None else None
    stored, pages = 0, list[Ticks]()
    try:
        while at is not None:
            at, page = _page(store, asking, stretch, at)
            if page is not None:
                pages.append(page)
                done = int(page.timestamp_ms[-1]) - stretch.start_ms
                progress(done, stretch.end_ms - stretch.start_ms)
            if sum(map(len, pages)) >= BATCH:
                stored, pages = stored + _keep(store, symbol, pages), []
    finally:
        stored += _keep(store, symbol, pages)
    return stored


def _keep(store: Store, symbol: str, pages: Sequence[Ticks]) -> int:
    stored = store.add(pages).get(symbol, 0) if pages else 0
    store.publish()
    return stored


def _page(
    store: Store, asking: "_Asking", stretch: Stretch, at: int
) -> tuple[int | None, Ticks | None]:
    """The next ticks from an id on, and the id to go on with; None at the end."""
    held = next((x for x in store.runs(stretch.symbol) if x.first <= at <= x.last), None)
    if held is not None:
        return (None if held.last_ms >= stretch.end_ms else held.last + 1), None
    page = asking.from_id(at)
    if page is None:
        return None, None
    begins = int(page.agg_id[0])
    if begins > at:
        store.give_up(stretch.symbol, at, begins - 1, "the venue does not have it")
    unbroken = page.take(page.agg_id <= page.runs()[0].last)  # the next begins with the gap
    mine = unbroken.take(unbroken.timestamp_ms < stretch.end_ms)
    is_over = len(mine) < len(unbroken)
    return (None if is_over else int(unbroken.agg_id[-1]) + 1), (mine if len(mine) else None)


class _Asking:
    """The venue's pages of one symbol, asked for with patience. Raises what `BinanceRest` does."""

    def __init__(
        self, rest: BinanceRest, symbol: str, clock: Clock, waiting: Callable[[str, float], None]
    ) -> None:
        self._rest = rest
        self._symbol = symbol
        self._clock = clock
        self._waiting = waiting

    def at_time(self, start_ms: int) -> Ticks | None:
        return self._patient(lambda: self._rest.at_time(self._symbol, start_ms))

    def from_id(self, first: int) -> Ticks | None:
        """One that begins later than asked for was seen several times: what it lacks is lost."""
        page = None
        for tried in range(PROOFS):
            if tried:
                self._wait(f"it shows no tick {first}", 4.0 ** (tried - 1))
            page = self._patient(lambda: self._rest.from_id(self._symbol, first))
            if page is None or int(page.agg_id[0]) == first:
                break
        return page

    def _patient(self, ask: Callable[[], Ticks | None]) -> Ticks | None:
        """Asks again for a while when there is no answer."""
        for tried in range(TRIES):
            try:
                return ask()
            except Unavailable as error:
                if tried == TRIES - 1 or error.wait > LONGEST_BAN:
                    raise
                self._wait(str(error), max(error.wait, min(LONGEST_WAIT, 2.0**tried)))
        return None

    def _wait(self, reason: str, seconds: float) -> None:
        self._waiting(reason, seconds)
        self._clock.sleep(seconds)
