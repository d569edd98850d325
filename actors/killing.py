"""The kill: who made it, that it is on disk, and the flattening it has set going.

The order matters: the gate of the venue client is closed first, then the kill is made durable,
then the account is driven flat. A disk or a Registry that does not answer stops none of it. What is
in force here is in force in the book: whenever that is not certain, the Registry is told of it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from actors.flattening import Flattening, RoundOutcome
from actors.kernel import Address, AskFailed
from actors.messages import trading as say
from actors.messages.book import ClearKill, KillState, Recorded, RecordKill
from actors.messages.trading import Flatten, Resume
from actors.ports import Clock, Entropy, Venue
from domain.instruments import Instrument

ASK_SECONDS = 2.0
MIDNIGHT = "midnight"


class KillSwitch:
    """The kill in force, if any. ``emit`` publishes an event."""

    def __init__(
        self,
        *,
        venue: Venue,
        registry: Address,
        clock: Clock,
        entropy: Entropy,
        emit: Callable[..., Any],
        log: Any,
    ) -> None:
        self.state: KillState | None = None
        self._venue = venue
        self._registry = registry
        self._clock = clock
        self._entropy = entropy
        self._emit = emit
        self._log = log
        self._flattening: Flattening | None = None

    @property
    def is_flattening(self) -> bool:
        return self._flattening is not None

    def adopt(self, message: Flatten) -> None:
        """A new kill is in force from here on.

        One that a person made does not end by itself because Risk has made another.
        """
        is_permanent = self.state is not None and not self.state.until_midnight
        self.state = KillState(
            reason=message.reason,
            by=message.by,
            day=message.day,
            until_midnight=message.until_midnight and not is_permanent,
        )

    def record(self) -> bool:
        """Tells the world and makes it durable; True once it is on disk."""
        kill = self.state
        if kill is None:
            return False
        is_durable = self._ask(self._record(kill))
        if is_durable is None:
            self.say_again()
        self._emit(
            say.KillSwitchActivated,
            reason=kill.reason,
            by=kill.by,
            until_midnight=kill.until_midnight,
            day=kill.day,
        )
        return bool(is_durable)

    def say_again(self) -> None:
        """Tells the Registry of the kill, if one is in force: unlike an ask, this is not lost.

        For a Registry that did not answer in time, or whose predecessor may not have written it.
        """
        if self.state is not None:
            self._registry.tell(self._record(self.state))

    def _record(self, kill: KillState) -> RecordKill:
        return RecordKill(
            at=self._clock.now(),
            reason=kill.reason,
            by=kill.by,
            until_midnight=kill.until_midnight,
            day=kill.day,
        )

    def begin_flattening(self) -> None:
        if self._flattening is None:
            flat_id = self._entropy.new_id()
            self._flattening = Flattening(self._venue, flat_id, self._clock, self._log)

    def round(
        self, catalogue: Mapping[str, Instrument], coming: Sequence[str]
    ) -> RoundOutcome | None:
        """One round of flattening, if one is going on; says what a person must hear."""
        if self._flattening is None:
            return None
        outcome = self._flattening.round(catalogue, coming)
        if outcome.is_flat:
            self._flattening = None
            self._emit(say.FlatVerified, seconds=outcome.seconds)
        elif outcome.is_news:
            self._emit(say.NotFlatYet, positions=outcome.positions, reason=outcome.reason)
        return outcome

    def end(self, message: Resume) -> bool:
        """Ends the kill: by a person at any time, by midnight only its own kind."""
        kill = self.state
        if kill is None or (message.by == MIDNIGHT and not kill.until_midnight):
            return False
        is_cleared = self._ask(ClearKill(at=self._clock.now(), reason=message.by))
        if is_cleared is None:
            self.say_again()  # the Registry may have ended it; here it goes on
        if not is_cleared:
            return False
        self.state = None
        self._emit(say.KillSwitchReset, reason=message.by)
        return True

    def _ask(self, command: RecordKill | ClearKill) -> bool | None:
        """Whether it is on disk; None when the Registry did not answer, and may have done it."""
        try:
            recorded: Recorded = self._registry.ask(command, timeout=ASK_SECONDS)
        except AskFailed as error:
            self._log.warning("kill_not_confirmed", error=str(error))
            return None
        return recorded.ok


class EntryLock:
    """The venue client's gate for entries: locked by a kill, or while only protecting."""

    def __init__(self, venue: Venue, kill: KillSwitch, emit: Callable[..., Any]) -> None:
        self._venue = venue
        self._kill = kill
        self._emit = emit
        self.protect_only = ""

    def apply(self) -> None:
        """Sets the gate as it has to be now; a predecessor may have left it otherwise."""
        if self._kill.state is not None:
            self._venue.lock_entries(self._kill.state.reason)
        elif self.protect_only:
            self._venue.lock_entries(f"protect-only: {self.protect_only}")
        else:
            self._venue.unlock_entries()

    def begin_protect_only(self, reason: str) -> None:
        self.protect_only = reason
        self.apply()
        self._emit(say.ProtectOnlyBegan, reason=reason)

    def end_protect_only(self, reason: str) -> None:
        if self.protect_only:
            self.protect_only = ""
            self._emit(say.ProtectOnlyEnded, reason=reason)
        self.apply()
