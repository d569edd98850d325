"""What happened, one line each: messages, requests, faults, deaths. The hash of all lines is the
fingerprint of a run: the same seed gives the same, on any machine."""

import hashlib
from collections import deque
from collections.abc import Callable

TAIL = 60
BATCH = 500
"""Lines that are hashed at a time."""


class Trace:
    """Lines as they happen. ``lines`` keeps the last of them, all when ``keeps_all``."""

    def __init__(self, now: Callable[[], float], *, keeps_all: bool = False) -> None:
        self.count = 0
        self.lines: deque[str] = deque(maxlen=None if keeps_all else TAIL)
        self._now = now
        self._hash = hashlib.sha256()
        self._unhashed: list[str] = []

    def note(self, who: str, what: str) -> None:
        line = f"{self._now():12.6f}  {who:<12} {what}"
        self.count += 1
        self._unhashed.append(line)
        if len(self._unhashed) == BATCH:
            self._take_in()
        self.lines.append(line)

    def _take_in(self) -> None:
        self._hash.update("".join(self._unhashed).encode())
        self._unhashed.clear()

    @property
    def digest(self) -> str:
        self._take_in()
        return self._hash.hexdigest()
