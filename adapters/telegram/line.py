"""The bot's own thread and event loop. Everything else may be called from any thread.

python-telegram-bot is imported here, in that thread: a start is not held up by it.
"""

import asyncio
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from actors.messages.alerts import DeliveryReport
from actors.messages.base import Event, Message
from actors.ports import Clock, Desk, Notice
from adapters.telegram.rendering import notice_lines
from domain.commands import COMMANDS

if TYPE_CHECKING:
    from telegram.ext import ExtBot

    from adapters.telegram.outgoing import Outgoing

ANSWER_SECONDS = 20.0
CONNECT_SECONDS = 10.0
DELIVERY_SECONDS = 100.0
"""Less than the Alerter's patience: it hears of the end of every delivery from here."""
SHOUT_SECONDS = 4.0
CLOSE_SECONDS = 3.0
RESTART_SECONDS = 10.0
MENU_WAIT = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The bot and its people. ``root`` is the Bot API's, without ``/bot<token>``."""

    token: str = field(repr=False)
    chat_id: int
    users: frozenset[int]
    root: str
    env: str


class TelegramLine:
    """Implements `actors.ports.Notifier`; with a list of users it also takes commands.

    ``publish`` and ``tell`` are the daemon's; both may be called from any thread.
    """

    def __init__(
        self,
        account: Account,
        *,
        clock: Clock,
        desk: Desk,
        publish: Callable[[Event], None],
        tell: Callable[[Message], None],
        handled_file: Path,
    ) -> None:
        self._account = account
        self._chat_id = account.chat_id
        self._clock = clock
        self._desk = desk
        self._publish = publish
        self._tell = tell
        self._handled_file = handled_file
        self._log = structlog.get_logger(actor="telegram")
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._outgoing: asyncio.Future[Outgoing] = self._loop.create_future()
        self._thread = threading.Thread(target=self._live, name="telegram", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Ends the thread; what is on its way gets a moment to arrive."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join(CLOSE_SECONDS + 1.0)
        elif not self._loop.is_closed():
            self._loop.close()  # it was never started

    # -- the notifier ----------------------------------------------------------------------------

    def send(self, notice: Notice, done: Callable[[DeliveryReport], None]) -> None:
        self._on_loop(lambda: self._loop.create_task(self._deliver(notice, done)))

    def shout(self, text: str) -> None:
        said = threading.Event()
        notice = Notice(number=0, text=text, is_critical=True)
        try:
            self.send(notice, lambda _: said.set())
        except OSError:
            return
        said.wait(SHOUT_SECONDS)

    def _on_loop(self, call: Callable[[], object]) -> None:
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError as error:
            raise ConnectionError("the Telegram thread has ended") from error

    async def _deliver(self, notice: Notice, done: Callable[[DeliveryReport], None]) -> None:
        from adapters.telegram.outgoing import Failure, SendFailed  # noqa: PLC0415 (this thread)

        buttons = [("\u2714 Seen", f"seen:{notice.number}")] if notice.can_be_acknowledged else []
        failure: Failure | None = None
        try:
            async with asyncio.timeout(DELIVERY_SECONDS):
                outgoing = await asyncio.shield(self._outgoing)
                lines = notice_lines(notice, self._account.env)
                await outgoing.say(lines, buttons=buttons, number=notice.number)
        except SendFailed as error:
            failure = error.failure
        except TimeoutError:
            failure = Failure(error=f"no end within {DELIVERY_SECONDS:g} s", is_unknown=True)
        except Exception as error:  # noqa: BLE001 (the Alerter must hear of every end)
            failure = Failure(error=f"{type(error).__name__}: {error}", is_unknown=True)
        done(self._report(notice.number, failure))

    def _report(self, number: int, failure: Any) -> DeliveryReport:
        if failure is None:
            return DeliveryReport(at=self._clock.now(), number=number)
        return DeliveryReport(
            at=self._clock.now(),
            number=number,
            error=self._without_token(failure.error),
            is_unknown=failure.is_unknown,
            is_refused=failure.is_refused,
            retry_after_seconds=failure.retry_after,
        )

    def _without_token(self, text: str) -> str:
        return text.replace(self._account.token, "(token)")

    # -- the thread ------------------------------------------------------------------------------

    def _live(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._until_the_end())
        finally:
            self._loop.close()

    async def _until_the_end(self) -> None:
        """A mistake of ours in here costs the phone for some seconds, and nothing else."""
        while not self._end.is_set():
            try:
                await self._session()
            except Exception as error:  # noqa: BLE001 (contained: the daemon trades on)
                what = self._without_token(f"{type(error).__name__}: {error}")
                self._log.error("telegram_failed", error=what)
                await self._wait(RESTART_SECONDS)
        await self._finish_deliveries()

    def _keep_chat(self, chat_id: int) -> None:
        """For the next session, should this one fail: commands come from there."""
        self._chat_id = chat_id

    async def _finish_deliveries(self) -> None:
        own = asyncio.current_task()
        left = [task for task in asyncio.all_tasks() if task is not own]
        if left:
            _, late = await asyncio.wait(left, timeout=CLOSE_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _wait(self, seconds: float) -> None:
        """Sleeps, or until the end."""
        try:
            async with asyncio.timeout(seconds):
                await self._end.wait()
        except TimeoutError:
            return

    async def _session(self) -> None:
        # Telegram's retry_after as a duration: as a number the library warns of a coming change.
        os.environ.setdefault("PTB_TIMEDELTA", "true")
        from adapters.telegram.door import TelegramDoor  # noqa: PLC0415 (heavy: this thread only)
        from adapters.telegram.handled import Handled  # noqa: PLC0415
        from adapters.telegram.making import open_bot  # noqa: PLC0415
        from adapters.telegram.outgoing import Outgoing  # noqa: PLC0415
        from adapters.telegram.polling import Polling  # noqa: PLC0415

        async with open_bot(self._account.token, self._account.root) as bot:
            outgoing = Outgoing(bot, self._chat_id, moved=self._keep_chat)
            if self._outgoing.done():
                self._outgoing = self._loop.create_future()
            self._outgoing.set_result(outgoing)
            self._log.info("telegram_started", commands=bool(self._account.users))
            if not self._account.users:
                await self._end.wait()
                await self._finish_deliveries()
                return
            door = TelegramDoor(
                bot,
                outgoing,
                self._desk,
                users=self._account.users,
                clock=self._clock,
                publish=self._publish,
                tell=self._tell,
                wait=self._wait,
            )
            polling = Polling(
                bot,
                clock=self._clock,
                handled=Handled(self._handled_file),
                handle=door.take,
                is_known=door.knows,
                moved=outgoing.follow,
                publish=self._publish,
                wait=self._wait,
            )
            await self._talk(bot, outgoing, door, polling)

    async def _talk(
        self, bot: "ExtBot[Any]", outgoing: "Outgoing", door: Any, polling: Any
    ) -> None:
        """Polls until the end, or until polling fails in a way nobody has thought of."""
        end = self._loop.create_task(self._end.wait())
        poll = self._loop.create_task(polling.run())
        menu = self._loop.create_task(self._menu(bot, outgoing))
        try:
            await asyncio.wait({end, poll}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (end, poll, menu):
                task.cancel()
            failed = await asyncio.gather(end, poll, menu, return_exceptions=True)
            if self._end.is_set():
                await self._finish_deliveries()
            door.close()
        for error in failed:
            if isinstance(error, Exception) and not isinstance(error, asyncio.CancelledError):
                raise error

    async def _menu(self, bot: "ExtBot[Any]", outgoing: "Outgoing") -> None:
        """The command menu: once it is taken, it stays."""
        from adapters.telegram.door import register_menu  # noqa: PLC0415 (this thread only)
        from adapters.telegram.outgoing import failure_of  # noqa: PLC0415

        commands = [(spec.name, spec.help) for spec in COMMANDS]
        while not self._end.is_set():
            try:
                await register_menu(bot, outgoing.chat_id, commands)
            except Exception as error:  # noqa: BLE001 (a reply may be malformed in any way)
                what = self._without_token(failure_of(error).error)
                self._log.info("telegram_menu_failed", error=what)
                await self._wait(MENU_WAIT)
            else:
                return
