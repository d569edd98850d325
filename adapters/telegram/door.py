"""The commands that come by Telegram: who may, handed to the Desk, answered in the chat."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import structlog
from telegram.error import TelegramError

from actors.messages.alerts import AcknowledgeAlerts
from actors.messages.base import Message
from actors.messages.desk import CommandReply, Refusal, Status, StrangerRefused
from actors.ports import Clock, Desk, DeskSilent
from adapters.telegram.incoming import NO, SEEN, YES, Pressed, Sender, Typed
from adapters.telegram.outgoing import Button, Outgoing, SendFailed, failure_of
from adapters.telegram.rendering import reply_lines
from adapters.telegram.texts import Line, Style, lines_of
from domain.commands import Door, find, nearest

if TYPE_CHECKING:
    from telegram.ext import ExtBot

STRANGER_SECONDS = 60.0
STRANGERS_KEPT = 100
MOST_WAITING = 20
"""Commands waiting for the Desk beyond which another reading one is not taken."""
REPLY_TRIES = 4
REPLY_WAIT = 15.0
LONGEST_HINT = 60

Publish = Callable[[Any], None]


class TelegramDoor:
    """Translates between the chat and the Desk. ``wait`` sleeps, or returns early at the end."""

    def __init__(
        self,
        bot: "ExtBot[Any]",
        outgoing: Outgoing,
        desk: Desk,
        *,
        users: frozenset[int],
        clock: Clock,
        publish: Publish,
        tell: Callable[[Message], None],
        wait: Callable[[float], Awaitable[None]],
    ) -> None:
        self._bot = bot
        self._outgoing = outgoing
        self._desk = desk
        self._users = users
        self._clock = clock
        self._publish = publish
        self._tell = tell
        self._wait = wait
        self._log = structlog.get_logger(actor="telegram")
        self._strangers: dict[Sender, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._reading = ThreadPoolExecutor(2, thread_name_prefix="telegram-desk")
        # What reduces risk never waits behind a long reading.
        self._urgent = ThreadPoolExecutor(2, thread_name_prefix="telegram-hotline")

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._reading.shutdown(wait=False, cancel_futures=True)
        self._urgent.shutdown(wait=False)

    def knows(self, sender: Sender) -> bool:
        """Deny by default: the chat **and** the person must be listed."""
        return sender.chat_id == self._outgoing.chat_id and sender.user_id in self._users

    async def take(self, update: Typed | Pressed) -> None:
        """Starts what an update asks for; never waits for it."""
        if not self.knows(update.sender):
            self._turn_away(update)
            return
        task = asyncio.get_running_loop().create_task(self._handle(update))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _turn_away(self, update: Typed | Pressed) -> None:
        """Silence in the chat; an event at most once a minute for each of so many strangers."""
        now = self._clock.monotonic()
        recent = {x: y for x, y in self._strangers.items() if now - y < STRANGER_SECONDS}
        self._strangers = recent
        if update.sender in recent or len(recent) >= STRANGERS_KEPT:
            return
        recent[update.sender] = now
        command = (update.name or "a message") if isinstance(update, Typed) else "a button"
        self._publish(
            StrangerRefused(
                at=self._clock.now(),
                door=Door.TELEGRAM,
                who=str(update.sender),
                command=command[:32],
            )
        )

    async def _handle(self, update: Typed | Pressed) -> None:
        who = str(update.sender.user_id)
        try:
            if isinstance(update, Typed):
                await self._typed(update, who)
            else:
                await self._pressed(update, who)
        except SendFailed as error:
            self._log.warning("telegram_reply_lost", error=str(error))
        except Exception as error:  # noqa: BLE001 (one command's trouble is not the next one's)
            self._log.error("telegram_command_failed", error=f"{type(error).__name__}: {error}")

    # -- commands --------------------------------------------------------------------------------

    async def _typed(self, update: Typed, who: str) -> None:
        if not update.name or update.is_forwarded:
            await self._say(lines_of(_no_command(update)))
            return
        self._seen(who)
        spec = find(update.name)
        is_urgent = spec is not None and spec.is_urgent
        if not is_urgent and len(self._tasks) > MOST_WAITING:
            await self._say(lines_of(f"Too many commands at once: /{update.name} was not taken."))
            return

        def run() -> CommandReply:
            return self._desk.run(
                Door.TELEGRAM,
                who,
                update.name,
                text=update.text,
                request_id=f"tg-{update.update_id}",
            )

        await self._answer(run, self._urgent if is_urgent else self._reading, update.name, who)

    async def _answer(
        self, ask: Callable[[], CommandReply], executor: Executor, name: str, who: str
    ) -> CommandReply | None:
        """The Desk's reply, said in the chat."""
        loop = asyncio.get_running_loop()
        try:
            reply = await loop.run_in_executor(executor, ask)
        except DeskSilent as error:
            await self._say(
                [Line(f"/{name[:32]}: no answer yet", Style.BOLD), *lines_of(str(error))]
            )
            return None
        if reply.reason != Refusal.NOT_ALLOWED:
            await self._say(reply_lines(reply), buttons_of(reply, who))
        return reply

    # -- buttons ---------------------------------------------------------------------------------

    async def _pressed(self, update: Pressed, who: str) -> None:
        """A button works once, for whom it is: it goes away before anything else happens."""
        self._seen(who, up_to=int(update.value) if _is_number(update) else 0)
        if update.asker not in {0, update.sender.user_id}:
            text = "Only who gave the command can answer this."
            await self._quietly(self._bot.answer_callback_query(update.query_id, text))
            return
        await self._quietly(self._bot.answer_callback_query(update.query_id))
        await self._quietly(
            self._bot.edit_message_reply_markup(
                chat_id=update.sender.chat_id, message_id=update.message_id, reply_markup=None
            )
        )
        if update.what not in {YES, NO}:
            return
        act = self._desk.confirm if update.what == YES else self._desk.dismiss

        def run() -> CommandReply:
            return act(Door.TELEGRAM, who, update.value, request_id=f"tg-{update.update_id}")

        await self._answer(run, self._reading, "confirm", who)

    async def _quietly(self, call: Awaitable[Any]) -> None:
        """What is only for the eye; it must not hold up what the person asked for."""
        try:
            await asyncio.wait_for(call, 5.0)
        except Exception as error:  # noqa: BLE001 (a reply may be malformed in any way)
            self._log.debug("telegram_detail_failed", error=failure_of(error).error)

    # -- saying ----------------------------------------------------------------------------------

    def _seen(self, who: str, up_to: int = 0) -> None:
        """Whoever gives a command, or presses a button, has seen what was delivered."""
        self._tell(
            AcknowledgeAlerts(at=self._clock.now(), by=f"{Door.TELEGRAM}:{who}", up_to=up_to)
        )

    async def _say(self, lines: Sequence[Line], buttons: Sequence[Button] = ()) -> None:
        """An answer is worth some tries; it is nobody's only copy of anything.

        Raises:
            SendFailed: all of them failed.
        """
        sent = 0
        for left in reversed(range(REPLY_TRIES)):
            try:
                await self._outgoing.say(lines, buttons=buttons, skip=sent)
            except SendFailed as error:
                if not left or error.failure.is_refused:
                    raise
                sent = error.parts
                await self._wait(min(REPLY_WAIT, error.failure.retry_after or 1.0))
            else:
                return


def buttons_of(reply: CommandReply, who: str) -> Sequence[Button]:
    """What confirms, naming the effect, and what does not; they carry for whom they are."""
    if reply.status is not Status.NEEDS_CONFIRMATION or reply.confirmation is None:
        return ()
    token = reply.confirmation.token
    return (
        (f"\u2705 {reply.confirmation.effect}", f"{YES}:{token}:{who}"),
        ("Cancel", f"{NO}:{token}:{who}"),
    )


def _no_command(update: Typed) -> str:
    """Whoever meant one must not believe that it was given: ``/Kill.`` is none."""
    if update.is_forwarded or not update.text.startswith("/"):
        return "Commands begin with / and are not forwarded: nothing was done. /help lists them."
    near = nearest(update.text.split()[0])
    hint = f"Did you mean /{near}?" if near else "/help lists them."
    return f"No command is called so: nothing was done. {hint}"


def _is_number(update: Pressed) -> bool:
    return update.what == SEEN and update.value.isdecimal()


async def register_menu(
    bot: "ExtBot[Any]", chat_id: int, commands: Sequence[tuple[str, str]]
) -> None:
    """The command menu, in the one chat only: strangers see none.

    Raises:
        TelegramError: Telegram did not take it.
    """
    from telegram import BotCommand, BotCommandScopeChat  # noqa: PLC0415 (this thread only)

    menu = [BotCommand(name, text[:256]) for name, text in commands]
    if not await bot.set_my_commands(menu, scope=BotCommandScopeChat(chat_id)):
        raise TelegramError("the command menu was not taken")
