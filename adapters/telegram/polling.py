"""Fetching updates: each at most once, none from before the start, whatever the line does."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import structlog
from telegram.error import Conflict, TelegramError

from actors.messages.base import Event
from actors.messages.telegram import (
    CommandsDropped,
    PollingConflicted,
    PollingResumed,
    TelegramLost,
    TelegramRestored,
)
from actors.ports import Clock
from adapters.telegram.handled import Handled
from adapters.telegram.incoming import (
    Pressed,
    Sender,
    Typed,
    moved_chat,
    understood,
    update_id_of,
)
from adapters.telegram.outgoing import failure_of

if TYPE_CHECKING:
    from telegram.ext import ExtBot

POLL_SECONDS = 25
FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0
CONFLICT_WAIT = 15.0
OUTAGE_SECONDS = 60.0
"""After a gap of this length, what was sent during it is not carried out any more."""
NAMED = 10
_KINDS = ["message", "callback_query"]

Handle = Callable[[Typed | Pressed], Awaitable[None]]


@dataclass(slots=True)
class _Trouble:
    """Since when (monotonic) something has been wrong; None while it is well."""

    since: float | None = None


class Polling:
    """Asks for updates for ever and hands them on, one after another.

    ``is_known`` says whose updates count; ``moved`` hears of each chat's new number; ``wait``
    sleeps so many seconds or until the end.
    """

    def __init__(
        self,
        bot: "ExtBot[Any]",
        *,
        clock: Clock,
        handled: Handled,
        handle: Handle,
        is_known: Callable[[Sender], bool],
        moved: Callable[[int, int], None],
        publish: Callable[[Event], None],
        wait: Callable[[float], Awaitable[None]],
    ) -> None:
        self._bot = bot
        self._clock = clock
        self._handled = handled
        self._handle = handle
        self._is_known = is_known
        self._moved = moved
        self._publish = publish
        self._wait = wait
        self._log = structlog.get_logger(actor="telegram")
        self.bot_name = ""
        self._offset: int | None = None
        self._has_started = False
        self._seen: dict[int, None] = {}
        self._failures = 0
        self._last_reply, self._last_reply_at = clock.monotonic(), clock.now()
        self._lost = _Trouble()
        self._conflict = _Trouble()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                updates = await self._fetch()
            except Conflict as error:
                await self._conflicted(error)
            except Exception as error:  # noqa: BLE001 (a reply may be malformed in any way)
                await self._failed(error)
            else:
                await self._take(updates)

    # -- fetching ------------------------------------------------------------------------------

    async def _fetch(self) -> Sequence[object]:
        """The next updates as JSON. The offset confirms those before it; once that is answered it
        is left out, because Telegram may begin with lower numbers after a quiet week.
        """
        if not self.bot_name:
            self.bot_name = (await self._bot.get_me()).username or ""
        data: dict[str, Any] = {
            "timeout": POLL_SECONDS if self._has_started else 0,
            "allowed_updates": _KINDS,
        }
        if self._offset is not None:
            data["offset"] = self._offset
        # The typed method fails on the whole batch when one update is odd, for ever.
        answer = await self._bot._post(  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] (see above)
            "getUpdates", data, read_timeout=POLL_SECONDS + 10.0
        )
        if not isinstance(answer, list):
            raise TelegramError("Invalid server response")
        self._offset = None
        return cast("list[object]", answer)

    async def _take(self, updates: Sequence[object]) -> None:
        gap = self._gap()
        self._well()
        ids = [number for update in updates if (number := update_id_of(update)) is not None]
        if ids:
            self._offset = max(ids) + 1
        for move in filter(None, map(moved_chat, updates)):
            self._moved(*move)
        if not self._has_started:
            self._drop(updates, "sent before the start")
            self._has_started = not ids
            return
        if gap > OUTAGE_SECONDS + POLL_SECONDS:
            updates = self._without_late(updates)
        for update in updates:
            await self._take_one(update)

    def _gap(self) -> float:
        """Seconds since the last reply, by the clock that says more: the monotonic one stands still
        while the machine sleeps, the other may be set back.
        """
        by_the_wall = (self._clock.now() - self._last_reply_at).total_seconds()
        return max(self._clock.monotonic() - self._last_reply, by_the_wall)

    async def _take_one(self, update: object) -> None:
        number = update_id_of(update)
        if number is None or number in self._seen:
            return
        self._seen[number] = None
        while len(self._seen) > 1000:
            del self._seen[next(iter(self._seen))]
        meant = understood(update, self.bot_name)
        if meant is not None:
            if self._is_known(meant.sender):
                self._handled.add(number)
            await self._handle(meant)

    # -- what is not carried out -----------------------------------------------------------------

    def _without_late(self, updates: Sequence[object]) -> Sequence[object]:
        """After an outage: messages that waited for it to end. Buttons expire by themselves."""
        now = self._clock.now().timestamp()
        late: list[object] = []
        for update in updates:
            meant = understood(update, self.bot_name)
            if isinstance(meant, Typed) and now - meant.sent_at > OUTAGE_SECONDS:
                late.append(update)
        self._drop(late, "sent while Telegram could not be reached")
        return [update for update in updates if update not in late]

    def _drop(self, updates: Sequence[object], why: str) -> None:
        """Tells the person what is not done, so that it can be given again."""
        names: list[str] = []
        for update in updates:
            meant = understood(update, self.bot_name)
            if meant is None or not self._is_known(meant.sender):
                continue
            if meant.update_id not in self._handled:
                names.append(f"/{meant.name}" if isinstance(meant, Typed) else "a button")
        if names:
            self._publish(
                CommandsDropped(
                    at=self._clock.now(),
                    number=len(names),
                    commands=tuple(names[:NAMED]),
                    why=why,
                )
            )

    # -- trouble ---------------------------------------------------------------------------------

    async def _conflicted(self, error: Conflict) -> None:
        """Two poll with one token, or a webhook is set. Sending goes on all the same."""
        if "webhook" in str(error).lower():
            await self._remove_webhook()
        now = self._clock.monotonic()
        if self._conflict.since is None:
            self._conflict.since = now
            self._publish(PollingConflicted(at=self._clock.now(), error=str(error)))
        await self._wait(CONFLICT_WAIT)

    async def _remove_webhook(self) -> None:
        try:
            await self._bot.delete_webhook(drop_pending_updates=False)
        except TelegramError as error:
            self._log.warning("telegram_webhook_stays", error=failure_of(error).error)

    async def _failed(self, error: Exception) -> None:
        failure = failure_of(error)
        self._failures += 1
        if self._lost.since is None:
            self._lost.since = self._clock.monotonic()
            self._publish(TelegramLost(at=self._clock.now(), error=failure.error))
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(self._failures - 1, 6))
        await self._wait(max(wait, failure.retry_after))

    def _well(self) -> None:
        now = self._clock.monotonic()
        self._last_reply, self._last_reply_at, self._failures = now, self._clock.now(), 0
        if self._lost.since is not None:
            seconds = round(now - self._lost.since, 1)
            self._publish(TelegramRestored(at=self._clock.now(), seconds=seconds))
        if self._conflict.since is not None:
            seconds = round(now - self._conflict.since, 1)
            self._publish(PollingResumed(at=self._clock.now(), seconds=seconds))
        self._lost.since = self._conflict.since = None
