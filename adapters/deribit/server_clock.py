"""The venue's clock as we know it: ours plus the offset last measured.

What is told to the venue in its time, and asked of it, goes by this: until when an order is valid,
from when on fills are read. Our own waiting never does.
"""

from actors.ports import Clock


class ServerClock:
    """Shared by the session, which measures, and the venue, which asks.

    Ours is the monotonic one: the machine's may be set at any time, and what was measured before
    would be wrong by as much.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began_ms = clock.now().timestamp() * 1000 - clock.monotonic() * 1000
        self._offset_ms = 0

    def now_ms(self) -> int:
        """Milliseconds since the epoch on the venue's clock; ours until it was measured."""
        return self.local_ms() + self._offset_ms

    def local_ms(self) -> int:
        """The machine's time when the process began, and what has passed since."""
        return int(self._began_ms + self._clock.monotonic() * 1000)

    def measured(self, server_ms: int, sent_ms: int, received_ms: int) -> None:
        """Takes the venue's time from a reply; it is off by at most half the round trip."""
        self._offset_ms = server_ms - (sent_ms + received_ms) // 2
