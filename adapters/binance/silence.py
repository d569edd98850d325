"""Whether a stream that is up brings what there is.

An address the venue has retired may still connect, and bring nothing for ever. A quiet market looks
the same; but then the venue has nothing new over REST either, and its numbers tell the two apart
without a clock.
"""

PROOFS = 2
"""How often the venue must have more without a frame of it: one tick may just be on its way."""


class Silence:
    """What one symbol's stream does not bring. ``is_proven`` until it brings something again."""

    def __init__(self) -> None:
        self.is_proven = False
        self._connection = 0
        self._end: int | None = None
        self._proofs = 0

    def look(self, connection: int, ends: list[int], *, is_heard: bool) -> bool:
        """Whether the verdict has changed.

        ``connection`` is the one that is up (0: none is), ``ends`` the last ids the venue has shown
        since the last look, ``is_heard`` whether the stream has brought anything since then.
        """
        was_proven = self.is_proven
        if is_heard or connection != self._connection or not connection:
            self._connection, self._end, self._proofs = connection, None, 0
            self.is_proven = was_proven and not is_heard
        else:
            for end in ends:
                self._proofs += self._end is not None and end > self._end
                self._end = end
            self.is_proven = was_proven or self._proofs >= PROOFS
        return self.is_proven is not was_proven
