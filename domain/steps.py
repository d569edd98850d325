"""The steps a trade can take, the bounds it lives by, and how the rules look at its record."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from domain.labels import Role
from domain.trade import CLOSERS, ExitReason, Line, LineStatus, Trade


class Do(StrEnum):
    """The steps a trade can take."""

    SYNC = "sync"
    LOOK_UP = "look_up"
    PLACE = "place"
    RESIZE = "resize"
    MOVE = "move"
    CANCEL = "cancel"
    GIVE_UP_STOP = "give_up_stop"
    QUARANTINE = "quarantine"
    WAIT = "wait"
    FINISH = "finish"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step. ``line`` is the order it is about; a `PLACE` names role and contracts.

    ``contracts`` of a `RESIZE` is the new total, what is filled included; a `MOVE` leaves it.
    ``until`` is when to look again at the latest; ``reason`` explains a `GIVE_UP_STOP`.
    ``after_news``: only when all that was heard until now has been handled, and nothing read since.
    """

    do: Do
    line: Line | None = None
    role: Role | None = None
    contracts: int = 0
    until: datetime | None = None
    reason: ExitReason | None = None
    after_news: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BracketPolicy:
    """The bounds of one trade's life. Durations in seconds.

    ``crowd_window``: orders of one kind sent within it are spaced, each a little longer.
    ``most_stops_lost``: when so many that were sent within it are gone, the position is closed.
    ``longest_pause``: between two tries to close. ``late_after``: how long after it was sent an
    order may still arrive.
    ``child_interval``, ``child_patience``: how often, and how long, it is looked for what a linked
    order should have placed; ``child_looks`` bounds it for a target.
    ``move_interval``: between two moves of the stop; doubled by each refusal, up to the longest.
    ``settle_after``: how long after a fill a stop that is larger than the position is left alone:
    whose a foreign fill was is a guess until book and venue were compared twice.
    """

    stop_retries: int = 3
    protection_deadline: float = 3.0
    chase_after: float = 2.0
    look_interval: float = 0.5
    retry_interval: float = 0.5
    absent_looks: int = 2
    crowd_window: float = 5.0
    most_stops_lost: int = 4
    longest_pause: float = 5.0
    late_after: float = 2.0
    child_interval: float = 0.25
    child_patience: float = 1.0
    child_looks: int = 4
    move_interval: float = 1.0
    longest_move_pause: float = 60.0
    settle_after: float = 10.0

    @property
    def patience_for_children(self) -> float:
        """How long a linked stop is looked for before it is placed by ourselves."""
        return min(self.child_patience, self.protection_deadline / 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A record at one moment, as the rules look at it. Worked out once, asked by every rule."""

    trade: Trade
    policy: BracketPolicy
    now: datetime
    position: int
    cover: int

    @property
    def is_closing(self) -> bool:
        return self.trade.exit_reason is not None

    def all(self, role: Role, *statuses: LineStatus) -> list[Line]:
        return [x for x in self.trade.of(role) if x.status in statuses]

    def first(self, role: Role, *statuses: LineStatus) -> Line | None:
        return next(iter(self.all(role, *statuses)), None)

    @property
    def sound_stops(self) -> list[Line]:
        return [x for x in self.all(Role.STOP, LineStatus.LIVE) if x.is_sound and not x.is_astray]

    @property
    def is_past_deadline(self) -> bool:
        since = self.trade.exposed_since
        limit = timedelta(seconds=self.policy.protection_deadline)
        return since is not None and self.now - since >= limit

    def wait(self, start: datetime | None, seconds: float) -> Step | None:
        """Waits out so many seconds from ``start``. A clock set back never makes it longer."""
        if start is None or start > self.now:
            return None
        until = start + timedelta(seconds=seconds)
        return Step(do=Do.WAIT, until=until) if self.now < until else None

    def wait_until(self, until: datetime | None, at_most: float) -> Step | None:
        """Waits for an instant, unless it lies further off than any pause of its kind."""
        if until is None:
            return None
        return self.wait(until - timedelta(seconds=at_most), at_most)

    def pause(self) -> Step | None:
        """The pause after a refusal."""
        return self.wait_until(self.trade.not_before, self.policy.longest_pause)

    def settling(self) -> Step | None:
        """A moment after the newest fill, by the venue's clock, which may be ahead of ours."""
        last, seconds = self.trade.last_filled_at, self.policy.settle_after
        return last and self.wait_until(last + timedelta(seconds=seconds), 2 * seconds)

    def between_moves(self) -> Step | None:
        """The pause between two changes of an order that does its work all the while."""
        doublings = min(self.trade.move_failures, 10)
        pause = min(self.policy.move_interval * 2**doublings, self.policy.longest_move_pause)
        return self.wait(self.trade.moved_at, pause)

    def look_up(self, line: Line) -> Step:
        early = self.wait_until(line.look_at, self.policy.look_interval)
        return early or Step(do=Do.LOOK_UP, line=line)

    def child_to_come(self, role: Role) -> Line | None:
        """The linked child that waits, or has passed on to orders nobody has told of yet."""
        lines = self.trade.of(role)
        slot = next((x for x in lines if x.is_slot), None)
        if slot is None or slot.status is LineStatus.WAITING:
            return slot
        is_alone = not any(x.part and x.attempt == slot.attempt for x in lines)
        return slot if slot.status is LineStatus.PASSED_ON and is_alone else None

    def look_at_child(self, slot: Line) -> Step:
        early = self.wait_until(slot.look_at, self.policy.child_interval)
        return early or Step(do=Do.LOOK_UP, line=slot)

    def remove(self, line: Line) -> Step:
        """Ends an order that is not over: looks for it, or cancels it."""
        is_idle = line.status is LineStatus.TRIGGERED and not line.is_working
        is_unseen = line.status is LineStatus.WAITING and not line.order_ids
        if line.status is LineStatus.UNKNOWN or is_idle or is_unseen:
            return self.look_up(line)
        return self.cancel(line)

    def cancel(self, line: Line, *, after_news: bool = False) -> Step:
        return self.pause() or Step(do=Do.CANCEL, line=line, after_news=after_news)

    def place(self, role: Role) -> Step:
        early = self.pause() or self._crowd(*(CLOSERS if role in CLOSERS else (role,)))
        return early or Step(do=Do.PLACE, role=role, contracts=self.position)

    def _crowd(self, *roles: Role) -> Step | None:
        """The second order of a kind may follow at once; those after it are spaced.

        Only orders that the venue took count: refusals have their own pause.
        """
        recent = [x.sent_at for x in self.sent_lately(*roles)]
        if len(recent) < 2:
            return None
        return self.wait(max(recent), self.policy.retry_interval * (len(recent) - 1))

    def sent_lately(self, *roles: Role) -> list[Line]:
        """Orders of ours that the venue took a moment ago; what it made of a linked one is not."""
        window = timedelta(seconds=self.policy.crowd_window)
        return [
            x
            for x in self.trade.of(*roles)
            if x.order_ids and not x.part and timedelta(0) <= self.now - x.sent_at < window
        ]

    def resize(self, line: Line) -> Step:
        """Makes it cover what the others of its role do not."""
        others = sum(
            self.trade.remaining(x)
            for x in self.all(line.role, LineStatus.LIVE)
            if x.key != line.key and x.is_sound and not x.is_astray
        )
        total = max(1, self.position - others) + self.trade.line_filled(line)
        return self.pause() or Step(do=Do.RESIZE, line=line, contracts=total)


def view_of(trade: Trade, policy: BracketPolicy, now: datetime) -> View:
    """The record as it stands now."""
    return View(trade=trade, policy=policy, now=now, position=trade.position, cover=trade.cover)
