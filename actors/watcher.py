"""PositionWatcher: looks at the whole account again and again, and judges it.

Protection (I1) is judged from venue data alone; the ledger (I5) against the Registry's book. It
only observes: what it finds goes to the owner, who repairs, and to the Alerter. A failed look is
never read as "flat", and one look alone proves nothing: fills move between its reads, so a
finding counts when the next look, half a second later, finds the same. Until then the trades there
are only asked to make sure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from actors.kernel import Actor, AskFailed, Context, HandlerTable
from actors.messages.book import BookSnapshot, GetBook
from actors.messages.session import RenewSession, SessionLost, SessionOpened
from actors.messages.watch import (
    LookAtAccount,
    LookDue,
    LookFailed,
    PortfolioObserved,
    PositionAgreed,
    PositionDrifted,
    ProtectionDoubted,
    ProtectionMissing,
    ProtectionRestored,
    SecondLookDue,
)
from actors.ports import NotSent, OutcomeUnknown, Rejected, Venue
from domain import venue_codes, watch
from domain.watch import Drift, Shortfall

ASK_SECONDS = 2.0
SECOND_LOOK_SECONDS = 0.5
LOOK_SECONDS = 15.0
"""What all reads of a look may take together."""
QUICK_LOOKS = 5
NEWS_EVERY = 30
TOLD_AGAIN_SECONDS = 10.0
"""So often at most is it told that more is bare, while that is not ours: a person, or another
program, may build a position up order by order."""


@dataclass(slots=True)
class _Bare:
    """What stops do not cover, as the look at ``seen_at`` saw it; ``told`` is what was told of it,
    at ``told_at``, when ``ours`` of the position were ours.

    A position of a person's may be bare for good, and ours beside it become bare at any time.
    """

    contracts: int
    cover: int
    seen_at: float
    since: float
    told: int = 0
    told_at: float = 0.0
    ours: int = 0

    def is_to_be_told(self, bare: int, ours: int, now: float) -> bool:
        """Whether so much is news."""
        if bare <= self.told:
            return False
        is_first = self.told == 0 or abs(ours) > abs(self.ours)
        return is_first or now - self.told_at >= TOLD_AGAIN_SECONDS


class PositionWatcher(Actor):
    """Observes and judges; never acts."""

    handlers: ClassVar[HandlerTable] = {}

    def __init__(self, context: Context, *, venue: Venue, period: float) -> None:
        super().__init__(context)
        self._venue = venue
        self._period = period
        # Before the first try to log in there is nothing to be seen; a successor has missed it.
        self._has_begun = context.incarnation > 1
        self._failures = 0
        self._was_cut_short = False
        self._bare: dict[str, _Bare] = {}
        self._drifting: dict[str, Drift] = {}
        self._drifted: dict[str, Drift] = {}

    def recover(self) -> None:
        self.every(self._period, LookDue)

    def on_look_at_account(self, _: LookAtAccount) -> None:
        self._look()

    def on_look_due(self, _: LookDue) -> None:
        self._look()

    def on_second_look_due(self, _: SecondLookDue) -> None:
        self._look()

    def on_session_opened(self, _: SessionOpened) -> None:
        self._has_begun = True
        self._look()

    def on_session_lost(self, _: SessionLost) -> None:
        """Without a stream the account is looked at over HTTP, from the first failed try on.

        That failure is told by the session; the looks tell of it only when it lasts.
        """
        if not self._has_begun:
            self._has_begun, self._failures = True, 1

    def _look(self) -> None:
        if not self._has_begun:
            return
        began = self.clock.monotonic()
        venue = self._venue.within(LOOK_SECONDS)
        try:
            before = self._ledger()
            positions = venue.positions()
            orders = venue.open_orders()
            # Known now, whatever becomes of the reads that follow.
            is_owed = self._judge_protection(watch.shortfalls(positions, orders), before)
            # The second look comes first; but who owes one each time would never see the rest.
            self._was_cut_short = is_owed and not self._was_cut_short
            if self._was_cut_short:
                return
            accounts = venue.accounts()
            after = self._ledger()
        except (Rejected, NotSent, OutcomeUnknown, AskFailed) as error:
            self._has_failed(error)
            return
        self._failures = 0
        # A trade that filled while we looked makes the comparison meaningless.
        drifts = watch.drifts(positions, after) if before == after else None
        if drifts is not None:
            self._judge_ledger(drifts)
        self.system.route(
            PortfolioObserved(
                at=self.clock.now(),
                positions=positions,
                orders=orders,
                accounts=accounts,
                drifts=drifts,
                began_monotonic=began,
            )
        )

    def _has_failed(self, error: Exception) -> None:
        """Says so now and then; looks again soon, unless that has not helped for a while."""
        self._failures += 1
        if self._failures == 1 or self._failures % NEWS_EVERY == 0:
            self.emit(LookFailed, error=str(error), failures=self._failures)
        if isinstance(error, Rejected) and error.code in venue_codes.NEEDS_LOGIN:
            self.to("auth").tell(RenewSession(at=self.clock.now(), reason=str(error)))
        if self._failures <= QUICK_LOOKS:
            self.after(SECOND_LOOK_SECONDS, SecondLookDue)

    def _ledger(self) -> dict[str, int]:
        book: BookSnapshot = self.to("registry").ask(
            GetBook(at=self.clock.now()), timeout=ASK_SECONDS
        )
        ledger: dict[str, int] = {}
        for trade in book.trades:
            name = trade.plan.instrument_name
            ledger[name] = ledger.get(name, 0) + trade.signed_position
        return ledger

    def _judge_protection(self, found: tuple[Shortfall, ...], ledger: Mapping[str, int]) -> bool:
        """Tells of what two looks have seen; again when more is bare, or less under a stop.

        True: a look is owed first.
        """
        now = self.clock.monotonic()
        by_name = {shortfall.instrument_name: shortfall for shortfall in found}
        for name, shortfall in by_name.items():
            bare = abs(shortfall.position) - shortfall.cover
            new = _Bare(contracts=bare, cover=shortfall.cover, seen_at=now, since=now)
            known = self._bare.setdefault(name, new)
            if known is new or shortfall.cover < known.cover or bare > known.contracts:
                self.system.route(ProtectionDoubted(at=self.clock.now(), instrument=name))
            # Somebody may have closed as much of his as ours has lost of its cover.
            known.told = 0 if shortfall.cover < known.cover else min(known.told, bare)
            known.cover = shortfall.cover
            ours = ledger.get(name, 0)
            if now - known.seen_at < SECOND_LOOK_SECONDS:
                known.contracts = min(known.contracts, bare)
                continue
            seen_twice = min(known.contracts, bare)
            if known.is_to_be_told(seen_twice, ours, now):
                seconds = now - (known.seen_at if known.told else known.since)
                self._missing(shortfall, ours, seconds)
                known.told, known.told_at, known.ours = seen_twice, now, ours
            known.contracts, known.seen_at = bare, now
        for name in [x for x in self._bare if x not in by_name]:
            gone = self._bare.pop(name)
            if gone.told:
                seconds = round(now - gone.since, 3)
                self.emit(ProtectionRestored, instrument=name, seconds=seconds)
        is_owed = any(
            x.is_to_be_told(x.contracts, ledger.get(name, 0), now) for name, x in self._bare.items()
        )
        if is_owed:
            self.after(SECOND_LOOK_SECONDS, SecondLookDue)
        return is_owed

    def _missing(self, shortfall: Shortfall, ours: int, seconds: float) -> None:
        self.emit(
            ProtectionMissing,
            instrument=shortfall.instrument_name,
            position=shortfall.position,
            ours=ours,
            cover=shortfall.cover,
            seconds=round(seconds, 3),
        )

    def _judge_ledger(self, found: tuple[Drift, ...]) -> None:
        by_name = {drift.instrument_name: drift for drift in found}
        for name, drift in by_name.items():
            if self._drifting.get(name) != drift:
                self.after(SECOND_LOOK_SECONDS, SecondLookDue)
            elif self._drifted.get(name) != drift:
                self._drifted[name] = drift
                self.emit(
                    PositionDrifted,
                    instrument=name,
                    venue=drift.venue,
                    ledger=drift.ledger,
                    residual=drift.residual,
                )
        self._drifting = by_name
        for name in [x for x in self._drifted if x not in by_name]:
            del self._drifted[name]
            self.emit(PositionAgreed, instrument=name)


PositionWatcher.handlers = {
    LookAtAccount: PositionWatcher.on_look_at_account,
    LookDue: PositionWatcher.on_look_due,
    SecondLookDue: PositionWatcher.on_second_look_due,
    SessionOpened: PositionWatcher.on_session_opened,
    SessionLost: PositionWatcher.on_session_lost,
}
