"""The watchdog's own way to Telegram: plain requests, nothing shared with the bot.

What could not be delivered waits and is tried again. The address holds the token, so nothing of
an error but its kind is ever told, and of a refusal Telegram's own words.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit

import requests
import structlog

from adapters.telegram.texts import is_about_the_chat

TIMEOUT = 10.0
KEPT = 200
LONGEST = 4000
"""Characters; Telegram refuses more than 4096."""
RETRY_FIRST, RETRY_CAP = 5.0, 300.0
TEXT_TRIES = 3
"""So often a text is given that is refused for its own sake, before the next one's turn."""
_log: Any = structlog.get_logger(actor="watchdog")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The bot that speaks, and the chat that listens."""

    api_url: str
    token: str = field(repr=False)
    chat_id: int


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why a text was not taken, and how long Telegram says to wait."""

    why: str
    retry_after: float = 0.0
    is_of_text: bool = False


class Phone:
    """Sends texts to one chat, oldest first. Times are monotonic seconds."""

    def __init__(self, account: Account) -> None:
        self._waiting: deque[str] = deque(maxlen=KEPT)
        self._session = requests.Session()
        self._use(account)

    def _use(self, account: Account) -> None:
        self._account = account
        self._url = f"{account.api_url.rstrip('/')}/bot{account.token}/sendMessage"
        self._chat_id = account.chat_id
        self._next_at = 0.0
        self._failures = self._text_failures = 0
        # A proxy may be the way to Telegram, but never to this machine.
        host = urlsplit(account.api_url).hostname
        self._session.trust_env = host not in {"127.0.0.1", "localhost"}

    def follow(self, account: Account) -> None:
        """Another account may have to be used from now on, for what waits as well."""
        if account != self._account:
            self._use(account)

    @property
    def waiting(self) -> int:
        """How many texts are not delivered yet."""
        return len(self._waiting)

    def add(self, text: str) -> None:
        """One more text to deliver; `deliver` does it."""
        self._waiting.append(text[:LONGEST])

    def deliver(self, now: float) -> str:
        """Sends what waits, as far as it goes; why it did not go further, or nothing.

        A chat that takes nothing keeps all of it waiting: that can be mended. A text that is
        never taken must not hold up the others.
        """
        while self._waiting and now >= self._next_at:
            refusal = self._send(self._waiting[0])
            if refusal is not None and not self._is_hopeless(refusal):
                self._failures += 1
                wait = min(RETRY_CAP, RETRY_FIRST * 2 ** min(self._failures - 1, 10))
                self._next_at = now + max(wait, refusal.retry_after)
                return refusal.why
            self._failures = self._text_failures = 0
            text = self._waiting.popleft()
            if refusal is not None:
                _log.warning("watchdog_text_refused", error=refusal.why, text=text)
        return ""

    def _is_hopeless(self, refusal: _Refusal) -> bool:
        self._text_failures += refusal.is_of_text
        return self._text_failures >= TEXT_TRIES

    def _send(self, text: str) -> _Refusal | None:
        """Why one text was not taken; None: it was."""
        try:
            reply = self._post(text)
            if moved := _parameter(reply, "migrate_to_chat_id"):
                self._chat_id = moved
                _log.warning("watchdog_chat_moved", chat_id=moved, do="set TELEGRAM_CHAT_ID to it")
                reply = self._post(text)
        except requests.RequestException as error:
            return _Refusal(type(error).__name__)
        if reply.status_code == requests.codes.ok:
            return None
        said = str(_said(reply).get("description", ""))[:200]
        is_bad = reply.status_code == requests.codes.bad_request
        return _Refusal(
            f"HTTP {reply.status_code}" + (f", {said}" if said else ""),
            retry_after=_parameter(reply, "retry_after"),
            is_of_text=is_bad and not is_about_the_chat(said),
        )

    def _post(self, text: str) -> requests.Response:
        body = {"chat_id": self._chat_id, "text": text, "disable_web_page_preview": True}
        return self._session.post(self._url, json=body, timeout=TIMEOUT)


def _said(reply: requests.Response) -> dict[str, Any]:
    """The answer, if it is one of Telegram's."""
    try:
        said: object = reply.json()
    except ValueError:
        return {}
    return cast("dict[str, Any]", said) if isinstance(said, dict) else {}


def _parameter(reply: requests.Response, name: str) -> int:
    """What a refusal says beside its words; 0 where it does not."""
    try:
        return int(_said(reply)["parameters"][name])
    except (ValueError, OverflowError, KeyError, TypeError):
        return 0
