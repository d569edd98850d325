"""Sending one message: formatted, plain if that is refused, in parts; and what became of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import structlog
from telegram import InlineKeyboardButton, InlineKeyboardMarkup, LinkPreviewOptions
from telegram.constants import ParseMode
from telegram.error import BadRequest, ChatMigrated, NetworkError, RetryAfter, TelegramError

from adapters.telegram.texts import (
    Line,
    as_html,
    as_plain,
    is_about_the_chat,
    numbered,
    parts_of,
)

if TYPE_CHECKING:
    from telegram.ext import ExtBot

Button = tuple[str, str]
"""What it says, and what comes back when it is pressed (64 bytes at most)."""

_BUTTON_LENGTH = 60
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a message could not be sent, in the words of `actors.messages.alerts.DeliveryReport`."""

    error: str
    is_unknown: bool = False
    is_refused: bool = False
    retry_after: float = 0.0


class SendFailed(Exception):
    """The message, or a part of it, was not sent, or it is not known. ``parts`` of it were."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.error)
        self.failure = failure
        self.parts = 0


class Outgoing:
    """Messages to the one chat. ``chat_id`` follows the chat when it becomes a supergroup."""

    def __init__(
        self, bot: "ExtBot[Any]", chat_id: int, moved: Callable[[int], None] = lambda _: None
    ) -> None:
        """``moved`` hears the chat's new number."""
        self._bot = bot
        self.chat_id = chat_id
        self._moved = moved
        self._log = structlog.get_logger(actor="telegram")
        self._sent_parts: dict[int, int] = {}

    def follow(self, old: int, new: int) -> None:
        """A chat became a supergroup, which has another number: ours, perhaps."""
        if old == self.chat_id != new:
            self.chat_id = new
            self._moved(new)
            self._log.warning("telegram_chat_moved", chat_id=new, do="set TELEGRAM_CHAT_ID to it")

    async def say(
        self,
        lines: Sequence[Line],
        *,
        buttons: Sequence[Button] = (),
        number: int = 0,
        skip: int = 0,
    ) -> None:
        """Sends all parts, the buttons under the last. With ``number``, one that failed half way
        goes on where it stopped; so many to ``skip`` have been sent already.

        Raises:
            SendFailed: with what is known about it.
        """
        parts = parts_of(lines)
        for at in range(max(skip, self._sent_parts.get(number, 0)), len(parts)):
            is_last = at == len(parts) - 1
            part = numbered(parts[at], at + 1, len(parts))
            try:
                await self._part(part, buttons if is_last else ())
            except SendFailed as error:
                error.parts = at
                raise
            if number:
                self._sent_parts[number] = at + 1
        self._sent_parts.pop(number, None)

    async def _part(self, part: Sequence[Line], buttons: Sequence[Button]) -> None:
        try:
            await self._send(as_html(part), ParseMode.HTML, buttons)
        except BadRequest as error:
            if is_about_the_chat(str(error)):
                raise SendFailed(failure_of(error)) from None
            await self._plain(part, buttons)
        except Exception as error:  # noqa: BLE001 (a reply may be malformed in any way)
            raise SendFailed(failure_of(error)) from None

    async def _plain(self, part: Sequence[Line], buttons: Sequence[Button]) -> None:
        """The same words without formatting, which is what was refused most likely."""
        try:
            await self._send(as_plain(part), None, buttons)
        except Exception as error:  # noqa: BLE001 (see above)
            raise SendFailed(failure_of(error)) from None

    async def _send(self, text: str, mode: str | None, buttons: Sequence[Button]) -> None:
        try:
            await self._message(text, mode, buttons)
        except ChatMigrated as moved:
            self.follow(self.chat_id, moved.new_chat_id)
            await self._message(text, mode, buttons)

    async def _message(self, text: str, mode: str | None, buttons: Sequence[Button]) -> None:
        keyboard = [
            [InlineKeyboardButton(_short(label), callback_data=data)] for label, data in buttons
        ]
        await self._bot.send_message(
            self.chat_id,
            text,
            parse_mode=mode,
            reply_markup=InlineKeyboardMarkup(keyboard) if keyboard else None,
            link_preview_options=LinkPreviewOptions(is_disabled=True),
        )


def _short(label: str) -> str:
    return label if len(label) <= _BUTTON_LENGTH else f"{label[: _BUTTON_LENGTH - 3]}..."


def failure_of(error: Exception) -> Failure:
    """What an error says about whether the message arrived.

    Telegram's own refusals (4xx) prove that it did not; so does a connection that was never
    made. A reply that is missing, cut off, a 5xx or nonsense proves nothing.
    """
    words = f"{type(error).__name__}: {error}"
    match error:
        case RetryAfter():
            return Failure(error=words, retry_after=_seconds(error))
        case BadRequest():
            return Failure(error=words, is_refused=not is_about_the_chat(str(error)))
        case NetworkError():
            return Failure(error=words, is_unknown=not isinstance(error.__cause__, _NOT_SENT))
        case TelegramError() if "Invalid server response" not in str(error):
            return Failure(error=words)
        case _:
            return Failure(error=words, is_unknown=True)


def _seconds(error: RetryAfter) -> float:
    after: Any = error.retry_after
    return float(after.total_seconds() if hasattr(after, "total_seconds") else after)
