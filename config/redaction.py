"""Keeping secrets out of what is written: by their values, by the names and shapes around them.

Values are known because whoever reads a secret registers it at start. Names and shapes catch
what could not be registered: tokens the venue hands out, addresses with a log-in in them.
"""

import re
import threading
from collections.abc import Mapping
from functools import cache
from typing import cast
from urllib.parse import quote, quote_plus

import orjson

from config.invalid import HIDDEN

_SHORTEST = 4
"""Shorter texts are not hidden by value: they would blot out half of every line."""

_NAME = re.compile(r"(?i)token|secret|passw|authori[sz]ation|api[_-]?key|cookie")
_HINTS = tuple(b"token secret passw authori api_key api-key apikey cookie bearer /bot @".split())
_SHAPES = (
    re.compile(
        r"(?i)((?:token|secret|passw(?:or)?d|authori[sz]ation)[\w-]*\\*[\"']?\s*[:=]\s*\\*[\"']?)"
        r"((?:(?:bearer|basic|deri-hmac-sha256)\s+)?[^\s\"'\\&;)}\]]{4,})"
    ),
    re.compile(r"(?i)\b(bearer\s+)([\w.~+/=-]{6,})"),
    re.compile(r"(/bot)(\d+:[\w-]+)"),
    re.compile(r"(://)([^\s/@\"']+)(?=@)"),
)


class Redactor:
    """Holds the secrets of the process. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._texts: tuple[str, ...] = ()
        self._marks: tuple[bytes, ...] = ()

    def register(self, secret: str) -> None:
        """From now on ``secret`` is hidden wherever it appears, also quoted or URL-encoded."""
        if len(secret) < _SHORTEST:
            return
        known = secret.encode("utf-8", "replace").decode()
        forms = {known, repr(known)[1:-1], quote(known), quote(known, ""), quote_plus(known)}
        with self._lock:
            # Longest first: a secret that contains another must not leave its rest behind.
            self._texts = tuple(sorted(forms.union(self._texts), key=len, reverse=True))
            self._marks = tuple(orjson.dumps(text)[1:-1] for text in self._texts)

    def forget(self) -> None:
        """Drops every registered secret."""
        with self._lock:
            self._texts, self._marks = (), ()

    def suspects(self, line: bytes) -> bool:
        """Whether a rendered line may hold something to hide: quick, never falsely no."""
        return any(map(line.__contains__, self._marks)) or any(
            map(line.lower().__contains__, _HINTS)
        )

    def text(self, text: str) -> str:
        """``text`` with everything secret in it hidden."""
        for secret in self._texts:
            if secret in text:
                text = text.replace(secret, HIDDEN)
        for shape in _SHAPES:
            text = shape.sub(_hide, text)
        return text

    def scrub(self, value: object) -> object:
        """Plain data (as `domain.plain` makes it) with everything secret in it hidden."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            pairs = cast("Mapping[str, object]", value).items()
            return {self.text(key): self._member(key, inner) for key, inner in pairs}
        if isinstance(value, list):
            return [self.scrub(inner) for inner in cast("list[object]", value)]
        if value is None or isinstance(value, bool):
            return value
        return HIDDEN if self.text(str(value)) != str(value) else value

    def _member(self, key: str, value: object) -> object:
        is_number = value is None or isinstance(value, int | float)
        return HIDDEN if value and tells_secret(key) and not is_number else self.scrub(value)


@cache
def tells_secret(name: str) -> bool:
    """Whether a field of this name holds a secret."""
    return _NAME.search(name) is not None


def _hide(match: re.Match[str]) -> str:
    return f"{match[1]}{HIDDEN}"
