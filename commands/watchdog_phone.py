"""The watchdog's own way to Telegram: plain requests, nothing shared with the bot.

What could not be delivered waits and is tried again. The address holds the token, so nothing of
an error but its kind is ever told.
"""

from collections import deque
from urllib.parse import urlsplit

import requests

TIMEOUT = 10.0
KEPT = 200
LONGEST = 4000
"""Characters; Telegram refuses more than 4096."""
RETRY_FIRST, RETRY_CAP = 5.0, 300.0


class Phone:
    """Sends texts to one chat, oldest first. Times are monotonic seconds."""

    def __init__(self, api_url: str, token: str, chat_id: int) -> None:
        self._url = f"{api_url.rstrip('/')}/bot{token}/sendMessage"
        self._chat_id = chat_id
        self._waiting: deque[str] = deque(maxlen=KEPT)
        self._next_at = 0.0
        self._failures = 0
        self._session = requests.Session()
        # A proxy may be the way to Telegram, but never to this machine.
        self._session.trust_env = urlsplit(api_url).hostname not in {"127.0.0.1", "localhost"}

    @property
    def waiting(self) -> int:
        """How many texts are not delivered yet."""
        return len(self._waiting)

    def add(self, text: str) -> None:
        """One more text to deliver; `deliver` does it."""
        self._waiting.append(text[:LONGEST])

    def deliver(self, now: float) -> str:
        """Sends what waits, as far as it goes; why it did not go further, or nothing."""
        while self._waiting and now >= self._next_at:
            problem, retry_after = self._send(self._waiting[0])
            if problem:
                self._failures += 1
                wait = min(RETRY_CAP, RETRY_FIRST * 2 ** min(self._failures - 1, 10))
                self._next_at = now + max(wait, retry_after)
                return problem
            self._failures = 0
            self._waiting.popleft()
        return ""

    def _send(self, text: str) -> tuple[str, float]:
        """Why one text was not taken (empty: it was), and how long Telegram says to wait."""
        body = {"chat_id": self._chat_id, "text": text, "disable_web_page_preview": True}
        try:
            reply = self._session.post(self._url, json=body, timeout=TIMEOUT)
        except requests.RequestException as error:
            return type(error).__name__, 0.0
        if reply.status_code == requests.codes.ok:
            return "", 0.0
        return f"HTTP {reply.status_code}", _retry_after(reply)


def _retry_after(reply: requests.Response) -> float:
    try:
        return float(reply.json()["parameters"]["retry_after"])
    except (ValueError, KeyError, TypeError):
        return 0.0
