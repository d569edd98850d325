"""From the kill to the last request that closes one of 20 positions, in venue round trips.

The whole daemon in virtual time: twenty bracketed trades, five on each instrument of the paper
exchange, are killed. Counted is the time from the kill's acceptance to the moment the last
closing order leaves. The peer is a bot that closes one position after the other, waiting for
each reply: as many round trips as positions, by definition.

On the venue's lowest tier (five requests a second) nobody can send that much at once: forty
requests (every target is cancelled before its position is closed) cannot leave sooner than the
budget comes in, and that is the floor of the second row.
"""

from contextlib import nullcontext
from dataclasses import dataclass

from actors.messages.trading import Flatten, FlatVerified, TargetPlaced
from adapters.deribit.limits import Rates, kept_below
from benchmarks.exchange import generous_limits
from benchmarks.measuring import Effort
from benchmarks.rows import Row
from benchmarks.virtual import INSTRUMENTS, ROUND_TRIP, Sent, stage
from domain import labels
from domain.labels import Role

POSITIONS_EACH = 5
TARGET_ROUND_TRIPS = 2.0
_REFILL_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Killed:
    """Seconds from the kill to the last closing order sent, and to verified flat."""

    count: int
    sent: float
    flat: float


def run(effort: Effort) -> list[Row]:
    """A kill of twenty trades on an account of a high tier, and on the lowest."""
    each = POSITIONS_EACH if effort.is_full else 1
    return [_unhindered(killed(each, is_generous=True)), _limited(killed(each, is_generous=False))]


def _unhindered(kill: Killed) -> Row:
    trips = kill.sent / ROUND_TRIP
    return Row(
        what=f"kill of {kill.count} positions until all closing orders are sent",
        ours=trips,
        unit="round trips",
        against="one by one",
        theirs=kill.count,
        ratio=trips / kill.count,
        target=f"<= {TARGET_ROUND_TRIPS:g} round trips",
        met=trips <= TARGET_ROUND_TRIPS,
        note=f"verified flat {kill.flat:.2f} s after the kill",
    )


def _limited(kill: Killed) -> Row:
    budget = kept_below(Rates().matching)
    floor = max(ROUND_TRIP, (2 * kill.count - budget.burst) / budget.per_second)
    return Row(
        what="the same on the lowest tier",
        ours=kill.sent,
        unit="s",
        against="the budget for two requests each",
        theirs=floor,
        ratio=kill.sent / floor,
        note=f"verified flat {kill.flat:.2f} s after the kill",
    )


def killed(each: int, *, is_generous: bool) -> Killed:
    """Opens ``each`` trades on every instrument and kills them all."""
    count = each * len(INSTRUMENTS)
    with generous_limits() if is_generous else nullcontext(), stage(each) as made:
        for number in range(count):
            made.open(INSTRUMENTS[number % len(INSTRUMENTS)])
            made.daemon.wait_for(TargetPlaced, number + 1)
            made.world.run_for(_REFILL_SECONDS)
        made.world.run_for(10 * _REFILL_SECONDS)
        began = made.world.monotonic()
        kill = Flatten(at=made.world.now(), reason="benchmark", by="benchmark")
        made.daemon.ask("execution", kill)
        made.daemon.wait_for(FlatVerified)
        sent = [x.when for x in made.sent if x.when >= began and _closes(x)]
        if len(sent) < count:
            raise RuntimeError(f"{len(sent)} closing orders for {count} positions")
        flat = made.daemon.events(FlatVerified)[-1].seconds
    return Killed(count=count, sent=max(sent) - began, flat=flat)


def _closes(request: Sent) -> bool:
    label = labels.parse(str(request.params.get("label", "")))
    is_closing = label is not None and label.role in {Role.CLOSE, Role.EMERGENCY}
    return is_closing and request.method in {"private/buy", "private/sell"}
