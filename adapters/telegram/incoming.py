"""What an update means: a typed command, a pressed button, or nothing for us.

Updates are read as the JSON they are and trusted for nothing: whatever has not the expected
shape is nobody's command.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

SEEN, YES, NO = "seen", "yes", "no"
_COMMAND = re.compile(r"/([A-Za-z0-9_]{1,32})(?:@(\w{1,64}))?(?:\s+(.*))?", re.DOTALL)
_BUTTON = re.compile(rf"({SEEN}|{YES}|{NO}):([0-9a-z]{{1,40}})(?::([0-9]{{1,16}}))?")
_HELLO = {"start": "help"}
"""What Telegram itself sends when somebody opens the bot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Where an update comes from. 0 where the update does not say."""

    chat_id: int
    user_id: int

    def __str__(self) -> str:
        return f"user {self.user_id} in chat {self.chat_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """A message. ``name`` is the command without its slash; empty: it is no command, and ``text``
    is the whole of it.

    ``sent_at`` is Telegram's time in seconds since 1970.
    """

    update_id: int
    sender: Sender
    name: str
    text: str
    sent_at: int
    is_forwarded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressed:
    """A button under a message of ours. ``what`` is one of seen, yes, no.

    ``asker`` is the user whom the message answered; 0 where the button does not say.
    """

    update_id: int
    sender: Sender
    query_id: str
    message_id: int
    what: str
    value: str
    asker: int = 0


def update_id_of(update: object) -> int | None:
    """The number that confirms an update; None for what is no update."""
    number = _part(update, "update_id")
    return number if isinstance(number, int) and not isinstance(number, bool) else None


def understood(update: object, bot_name: str) -> Typed | Pressed | None:
    """What the update means; None when it is nothing for us, or for another bot."""
    number = update_id_of(update)
    if number is None or moved_chat(update) is not None:
        return None
    message, query = _part(update, "message"), _part(update, "callback_query")
    if isinstance(message, Mapping):
        return _typed(number, cast("Mapping[str, Any]", message), bot_name)
    if isinstance(query, Mapping):
        return _pressed(number, cast("Mapping[str, Any]", query))
    return None


def moved_chat(update: object) -> tuple[int, int] | None:
    """The old and the new number of a group that became a supergroup. Both chats are told of it."""
    message = _part(update, "message")
    here = _id(message, "chat")
    new = _number(_part(message, "migrate_to_chat_id"))
    old = _number(_part(message, "migrate_from_chat_id"))
    if not here or not (new or old):
        return None
    return (here, new) if new else (old, here)


def _typed(number: int, message: Mapping[str, Any], bot_name: str) -> Typed | None:
    given = message.get("text")
    text = given.strip() if isinstance(given, str) else ""
    found = _COMMAND.fullmatch(text)
    if found and found[2] and found[2].lower() != bot_name.lower():
        return None
    name = found[1].lower() if found else ""
    return Typed(
        update_id=number,
        sender=Sender(chat_id=_id(message, "chat"), user_id=_id(message, "from")),
        name=_HELLO.get(name, name),
        text=(found[3] or "").strip() if found else text,
        sent_at=_number(message.get("date")),
        is_forwarded="forward_origin" in message or "forward_date" in message,
    )


def _pressed(number: int, query: Mapping[str, Any]) -> Pressed:
    data = query.get("data")
    found = _BUTTON.fullmatch(data) if isinstance(data, str) else None
    message = _part(query, "message")
    return Pressed(
        update_id=number,
        sender=Sender(chat_id=_id(message, "chat"), user_id=_id(query, "from")),
        query_id=str(query.get("id", ""))[:64],
        message_id=_number(_part(message, "message_id")),
        what=found[1] if found else "",
        value=found[2] if found else "",
        asker=int(found[3] or 0) if found else 0,
    )


def _part(whole: object, name: str) -> Any:
    return cast("Mapping[str, Any]", whole).get(name) if isinstance(whole, Mapping) else None


def _id(whole: object, name: str) -> int:
    return _number(_part(_part(whole, name), "id"))


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
