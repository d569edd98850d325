"""Driving the account flat, whatever else is broken.

The trades close themselves first. Each round then looks at the venue afresh and does what is
still missing, in an order that never adds risk: entries and targets go, every position is closed
at market, and only when the account is seen flat are the stops cancelled. Cancels that are not
answered hold no close up, and each round has its time: what had none is first in the next.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from actors.ports import Clock, NotSent, OutcomeUnknown, Rejected, Venue
from domain import labels, venue_codes
from domain.contract_sizes import sized
from domain.instruments import Instrument
from domain.labels import MAX_ATTEMPT, Label, Role
from domain.orders import Order, OrderRequest, OrderType, Position, Side
from domain.watch import are_paired, protects

PAUSE = 1.0
VALID_MS = 2_000
NEWS_SECONDS, NEWS_CAP = 10.0, 600.0
"""When a person first hears that it is not flat yet; then ever more rarely, up to the cap."""
LOOK_SECONDS = 10.0
"""What both reads of a look may take: the next round tries again, whatever gets lost."""
ORDER_SECONDS = 1.5
"""What one order's reply may take, and what is cancelled before positions are closed."""
ROUND_SECONDS = 5.0
"""When a round begins no further order: Execution has nobody's fills sent home meanwhile, and
would in the end count as hanging."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundOutcome:
    """What a round found. ``is_news`` says whether a person should hear of it now."""

    is_flat: bool
    is_news: bool
    positions: tuple[str, ...]
    reason: str
    seconds: float


class Flattening:
    """One kill being carried out. Rounds are ``pause`` seconds apart."""

    pause = PAUSE

    def __init__(self, venue: Venue, flat_id: str, clock: Clock, log: Any) -> None:
        self._venue = venue
        self._flat_id = f"{labels.FLATTENING}{flat_id}"
        self._clock = clock
        self._log = log
        self._began = clock.monotonic()
        self._next_news = self._began + NEWS_SECONDS
        self._attempts = 0
        self._refused: set[str] = set()
        self._tries: Counter[str] = Counter()

    def round(
        self, catalogue: Mapping[str, Instrument], coming: Sequence[str] = ()
    ) -> RoundOutcome:
        """Looks, does what is missing, and says how it stands.

        While entries of the trades in ``coming`` may still arrive, flat is not believed.
        """
        try:
            venue = self._venue.within(LOOK_SECONDS)
            positions, orders = venue.positions(), venue.open_orders()
        except (Rejected, NotSent, OutcomeUnknown) as error:
            return self._outcome((), f"the account cannot be read: {error}")
        began = self._clock.monotonic()
        ours = [order for order in orders if labels.is_ours(order.label)]
        kept = [x for x in ours if self._is_kept(x, ours, positions)]
        going = self._in_turn(x for x in ours if x not in kept)
        problems = self._cancel(going, until=began + ORDER_SECONDS)
        for position in sorted(positions, key=lambda x: self._tries[x.instrument_name]):
            if self._clock.monotonic() < began + ROUND_SECONDS:
                problems += self._close(position, catalogue)
        if not positions:
            going = self._in_turn([*going, *kept])
        problems += self._cancel(going, until=began + ROUND_SECONDS)
        names = tuple(f"{x.instrument_name} {x.contracts:+d}" for x in positions)
        if names or ours or problems:
            reason = problems[0] if problems else "closing orders are on their way"
            return self._outcome(names, reason)
        if coming:
            return self._outcome((), f"the entry of {coming[0]} may still arrive")
        return RoundOutcome(
            is_flat=True, is_news=True, positions=(), reason="", seconds=self._seconds()
        )

    def _is_kept(self, order: Order, ours: list[Order], positions: tuple[Position, ...]) -> bool:
        """Whether an order stays until we are flat: a stop, and what a stop would go with.

        A target that the venue takes for the close itself, and so refuses any other, must go.
        """
        if _is_stop(order, positions):
            return True
        pair = [x for x in ours if are_paired(x, order)]
        is_in_the_way = order.instrument_name in self._refused
        return not is_in_the_way and any(_is_stop(x, positions) for x in pair)

    def _outcome(self, positions: tuple[str, ...], reason: str) -> RoundOutcome:
        now = self._clock.monotonic()
        is_news = now >= self._next_news
        if is_news:
            self._next_news = now + min(NEWS_CAP, now - self._began)
        return RoundOutcome(
            is_flat=False,
            is_news=is_news,
            positions=positions,
            reason=reason,
            seconds=self._seconds(),
        )

    def _seconds(self) -> float:
        return round(self._clock.monotonic() - self._began, 3)

    def _in_turn(self, orders: Iterable[Order]) -> list[Order]:
        """First what was tried least; of these, what could add risk."""
        return sorted(orders, key=lambda x: (self._tries[x.order_id], x.reduce_only))

    def _cancel(self, orders: list[Order], until: float) -> list[str]:
        """Cancels while there is time; what had its turn is taken from the list."""
        problems: list[str] = []
        while orders and self._clock.monotonic() < until:
            order = orders.pop(0)
            self._tries[order.order_id] += 1
            try:
                self._venue.within(ORDER_SECONDS).cancel(order.order_id)
            except (Rejected, NotSent, OutcomeUnknown) as error:
                if isinstance(error, Rejected) and error.code in venue_codes.GONE_ALREADY:
                    continue  # a fill or a cancel with a lost reply; the next look will show
                problems.append(f"cancel of {order.order_id}: {error}")
        return problems

    def _close(self, position: Position, catalogue: Mapping[str, Instrument]) -> list[str]:
        """One closing order for the whole position; what hung from before was cancelled."""
        instrument = catalogue.get(position.instrument_name)
        if instrument is None:
            return [f"{position.instrument_name} is not a perpetual we know"]
        self._tries[position.instrument_name] += 1
        closing = Side.SELL if position.contracts > 0 else Side.BUY
        self._attempts = min(self._attempts + 1, MAX_ATTEMPT)  # the grammar ends there
        request = OrderRequest(
            instrument=sized(instrument, position.contract_size),
            side=closing,
            contracts=abs(position.contracts),
            order_type=OrderType.MARKET,
            label=str(Label(self._flat_id, Role.CLOSE, self._attempts)),
            reduce_only=True,
            valid_until_ms=self._venue.server_now_ms() + VALID_MS,
        )
        try:
            self._venue.within(ORDER_SECONDS).place(request)
        except (Rejected, NotSent, OutcomeUnknown) as error:
            if isinstance(error, Rejected) and error.code in venue_codes.NOTHING_TO_REDUCE:
                self._refused.add(position.instrument_name)
            self._log.warning("flatten_close_failed", label=request.label, error=str(error))
            return [f"closing {position.instrument_name}: {error}"]
        return []


def _is_stop(order: Order, positions: tuple[Position, ...]) -> bool:
    """Whether an order of ours protects something, or may do so again before we are flat."""
    label = labels.parse(order.label)
    is_ours = label is not None and label.role is Role.STOP
    return is_ours or any(protects(order, position.contracts) for position in positions)
