"""The venue's clock as we know it: ours plus the offset last measured.

Only bounds sent to the venue (``valid_until``) are set by it; our own timing never is.
"""

from actors.ports import Clock


class ServerClock:
    """Shared by the session, which measures, and the venue, which asks."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset_ms = 0

    def now_ms(self) -> int:
        """Milliseconds since the epoch on the venue's clock; ours until it was measured."""
        return self.local_ms() + self._offset_ms

    def local_ms(self) -> int:
        return int(self._clock.now().timestamp() * 1000)

    def measured(self, server_ms: int, sent_ms: int, received_ms: int) -> None:
        """Takes the venue's time from a reply; it is off by at most half the round trip."""
        self._offset_ms = server_ms - (sent_ms + received_ms) // 2
