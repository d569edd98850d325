"""Fetches what is missing, by id, in a thread of its own.

The collector says what is missing (`want`) and takes what came (`take`); what was fetched but
not stored yet is not fetched again. Ids the venue does not have, asked several times, are given
up: only then is a hole recorded as one. The venue may lag behind its own stream: one that shows
nothing at all after an id is asked for minutes, while others are fetched. What fails rests as well,
ever longer: the market when it does not answer, a symbol it refuses, or the one piece.
"""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import structlog

from actors.ports import Clock
from adapters.binance.bans import Bans
from adapters.binance.frames import Malformed
from adapters.binance.rest import PAGE, BinanceRest, Market, Refused, Unavailable, market_of
from domain.runs import Run, joined, lacking
from domain.ticks import Ticks

TRIES = 3
"""How often the venue must show later ids without one before that counts as lost."""
TRIES_OF_NOTHING = 8
"""And how often it must show nothing after it: four minutes, as the waits become longer."""
MOST_WAITING = 200_000
"""Ticks that may wait to be taken before fetching pauses."""
BACK_OFF_FIRST, BACK_OFF_CAP = 1.0, 60.0
_IDLE_SECONDS = 1.0
_NO_END = 1 << 62
_LATEST = -1
"""In the place of a first id: only the last tick there is."""
_ALL = -2
"""In the place of a first id: whichever."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Ids of a symbol that somebody wants; ``reason`` once it is known that nobody has them."""

    symbol: str
    first: int
    last: int
    reason: str = ""


_Place = tuple[str, int]


def _places(job: Missing) -> tuple[_Place, _Place, _Place]:
    """What a failure may be about: the market, the symbol, the piece."""
    market = market_of(job.symbol).path
    return (market, _ALL), (job.symbol, _ALL), (job.symbol, job.first)


class Refiller:
    """`start` it once; `stop` ends it within a request's time."""

    def __init__(
        self,
        addresses: Mapping[Market, str],
        clock: Clock,
        bans: Bans,
        *,
        back_off: float = BACK_OFF_FIRST,
    ) -> None:
        self._clock = clock
        self._over = threading.Event()
        self._rest = {
            market: BinanceRest(url, market, clock, self._over.wait, bans)
            for market, url in addresses.items()
        }
        self._back_off = back_off
        self._changing = threading.Condition()
        self._wanted: list[Missing] = []
        self._ready: list[Ticks] = []
        self._lost: list[Missing] = []
        self._tails: list[Missing] = []
        self._ends: list[tuple[str, int]] = []
        self._doubts: dict[_Place, tuple[int, float]] = {}
        self._failures: dict[_Place, tuple[int, float]] = {}
        self._is_failing = False
        self._log = structlog.get_logger(actor="collector")
        self._thread = threading.Thread(target=self._run, name="binance-refill", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        with self._changing:
            self._changing.notify_all()
        if self._thread.is_alive():
            self._thread.join(20.0)
        for rest in self._rest.values():
            rest.close()

    def want(self, missing: Iterable[Missing]) -> None:
        """From now on these, and no others, are missing."""
        with self._changing:
            waiting = _runs(self._ready)
            self._wanted = [
                Missing(each.symbol, first, last)
                for each in missing
                for first, last in lacking(waiting.get(each.symbol, ()), each.first, each.last)
            ]
            self._changing.notify_all()

    def want_after(self, symbol: str, last: int) -> None:
        """Whatever the venue has after that id: a line that is silent may only seem quiet."""
        self._follow(Missing(symbol, last + 1, _NO_END))

    def want_latest(self, symbol: str) -> None:
        """The last tick the venue has, where there is none to go on from."""
        self._follow(Missing(symbol, _LATEST, _NO_END))

    def _follow(self, tail: Missing) -> None:
        with self._changing:
            if not any(each.symbol == tail.symbol for each in self._tails):
                self._tails.append(tail)
                self._changing.notify_all()

    def take(self) -> tuple[list[Ticks], list[Missing]]:
        """What was fetched since the last time, and what the venue does not have."""
        with self._changing:
            ready, self._ready = self._ready, []
            lost, self._lost = self._lost, []
            self._changing.notify_all()
        return ready, lost

    def ends(self) -> list[tuple[str, int]]:
        """Symbols whose last tick the venue has shown since the last time, and its id."""
        with self._changing:
            ends, self._ends = self._ends, []
        return ends

    @property
    def is_failing(self) -> bool:
        """Whether the last request brought nothing: network, ban, or nonsense."""
        return self._is_failing

    def _run(self) -> None:
        while not self._over.is_set():
            job = self._next()
            if job is not None and job.last == _NO_END:
                self._look_after(job)
            elif job is not None:
                self._do(job)

    def _next(self) -> Missing | None:
        """The oldest piece that may be asked for; waits when none may, or too much is ready."""
        with self._changing:
            jobs = [x for x in (*self._tails, *self._wanted) if not self._rests(x)]
            if not jobs or sum(map(len, self._ready)) >= MOST_WAITING:
                self._changing.wait(min(_IDLE_SECONDS, self._back_off))
                return None
            return jobs[0]

    def _look_after(self, job: Missing) -> None:
        """Fetches what follows an id; page after page, until one is not full."""
        is_answered, page = self._page(job)
        found = _between(page, job.first, job.last)
        last = job.first - 1 if found is None else int(found.agg_id[-1])
        with self._changing:
            self._tails.remove(job)
            if found is not None:
                self._ready.append(found)
            if found is not None and len(found) >= PAGE:
                self._tails.append(Missing(job.symbol, last + 1, _NO_END))
            elif is_answered:
                self._ends.append((job.symbol, last))

    def _do(self, job: Missing) -> None:
        is_answered, page = self._page(job)
        if not is_answered:
            return
        found = _between(page, job.first, job.last)
        if found is None or int(found.agg_id[0]) > job.first:
            is_past = page is not None and int(page.agg_id[-1]) > job.first
            if not self._is_sure(job, TRIES if is_past else TRIES_OF_NOTHING):
                return
        self._settle(job, _unbroken(found), page)

    def _page(self, job: Missing) -> tuple[bool, Ticks | None]:
        """Whether the venue answered, and the ticks from the first id on."""
        try:
            rest = self._rest[market_of(job.symbol)]
            is_any = job.first == _LATEST
            page = rest.latest(job.symbol) if is_any else rest.from_id(job.symbol, job.first)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not end the thread
            self._failed(job, error)
            return False, None
        self._is_failing = False
        for place in _places(job):
            self._failures.pop(place, None)
        return True, page

    def _failed(self, job: Missing, error: Exception) -> None:
        """Lets that rest which the error is about, so that the others go on."""
        market, symbol, place = _places(job)
        key, least = place, 0.0
        if isinstance(error, Unavailable):
            key, least = market, error.wait
        elif isinstance(error, Refused):
            key = symbol
        times = self._failures.get(key, (0, 0.0))[0] + 1
        wait = max(least, min(BACK_OFF_CAP, self._back_off * 2 ** min(times - 1, 10)))
        self._failures[key] = times, self._clock.monotonic() + wait
        self._is_failing = True
        if times in {1, 10}:
            self._log.warning(
                "refill_failed",
                symbol=job.symbol,
                first_id=job.first,
                error=f"{type(error).__name__}: {error}"[:200],
                failures=times,
                retry_in_seconds=round(wait, 1),
            )

    def _is_sure(self, job: Missing, tries: int) -> bool:
        """Whether the venue said often enough that it does not have the job's first id."""
        key = job.symbol, job.first
        times = self._doubts.get(key, (0, 0.0))[0] + 1
        if times >= tries:
            self._doubts.pop(key, None)
            return True
        wait = min(BACK_OFF_CAP, self._back_off * 4 ** (times - 1))
        self._doubts[key] = times, self._clock.monotonic() + wait
        return False

    def _rests(self, job: Missing) -> bool:
        """Whether the venue is not to be asked about it yet."""
        waits = [self._failures.get(place) for place in _places(job)]
        waits.append(self._doubts.get((job.symbol, job.first)))
        now = self._clock.monotonic()
        return any(wait is not None and now < wait[1] for wait in waits)

    def _settle(self, job: Missing, found: Ticks | None, page: Ticks | None) -> None:
        """What a page settles is not wanted any more: found, or known to be nowhere.

        That is so up to the first gap in it, which is a piece of its own from now on: the venue has
        not said often enough that it does not have these. A page costs the same for one tick as for
        a thousand, so whatever else of it is wanted is taken as well.
        """
        done = job.last if found is None else int(found.agg_id[-1])
        gone = lacking(() if found is None else found.runs(), job.first, done)
        with self._changing:
            if found is not None:
                self._ready.append(found)
            self._lost += [
                Missing(job.symbol, first, last, "the venue does not have it")
                for first, last in gone
            ]
            # Meanwhile others may be wanted: only what is settled is cut off.
            self._wanted = [part for each in self._wanted for part in _after(each, job, done)]
            self._take_along(job.symbol, page)
            self._changing.notify_all()

    def _take_along(self, symbol: str, page: Ticks | None) -> None:
        left: list[Missing] = []
        for each in self._wanted:
            more = _between(page, each.first, each.last) if each.symbol == symbol else None
            if more is None:
                left.append(each)
                continue
            self._ready.append(more)
            left += [
                Missing(symbol, first, last)
                for first, last in lacking(more.runs(), each.first, each.last)
            ]
        self._wanted = left


def _after(each: Missing, job: Missing, done: int) -> list[Missing]:
    if each.symbol != job.symbol or each.last < job.first or each.first > done:
        return [each]
    return [Missing(each.symbol, done + 1, each.last)] if each.last > done else []


def _between(page: Ticks | None, first: int, last: int) -> Ticks | None:
    """The rows with these ids; None when there are none."""
    if page is None:
        return None
    found = page.take((page.agg_id >= first) & (page.agg_id <= last))
    return found if len(found) else None


def _unbroken(found: Ticks | None) -> Ticks | None:
    """The rows up to the first gap."""
    return None if found is None else found.take(found.agg_id <= found.runs()[0].last)


def _runs(ready: Iterable[Ticks]) -> dict[str, tuple[Run, ...]]:
    found: dict[str, tuple[Run, ...]] = {}
    for ticks in ready:
        found[ticks.symbol] = joined((*found.get(ticks.symbol, ()), *ticks.runs()))
    return found


def _at_once(_: float) -> bool:
    """A start does not wait for its turn."""
    return True


def checked(
    symbols: Iterable[str], addresses: Mapping[Market, str], clock: Clock, bans: Bans
) -> dict[str, str]:
    """Asks the venue for each symbol once; returns those it could not be asked about, and why.

    Raises:
        Refused: the venue does not know one of them; the text names it.
    """
    unasked: dict[str, str] = {}
    for symbol in symbols:
        market = market_of(symbol)
        rest = BinanceRest(addresses[market], market, clock, _at_once, bans)
        try:
            rest.latest(symbol)
        except Refused as error:
            raise Refused(error.code, f"{symbol}: the venue refuses this symbol, {error}") from None
        except (Unavailable, Malformed) as error:
            unasked[symbol] = str(error)
        finally:
            rest.close()
    return unasked
