"""Whose turn it is to read the socket: the reader thread's, or a caller's.

A reply read by another thread costs its caller two wake-ups and a wait for the interpreter,
together 30 us on loopback. So a caller that finds nobody reading reads for itself, until its
reply has come. Meanwhile the reader thread's watch on the socket is switched off and it sleeps
on: waking it for what it need not read would cost as much.
"""

import select
import sys
import threading

CAN_SWITCH_OFF = sys.platform == "linux"


class Turns:
    """One reader at a time. Where a watch cannot be switched off, callers never read."""

    def __init__(self, descriptor: int, *, can_switch_off: bool = CAN_SWITCH_OFF) -> None:
        self._descriptor = descriptor
        self._reading = threading.Lock()
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)
        self._epoll = select.epoll() if can_switch_off else None
        if self._epoll is not None:
            self._epoll.register(descriptor, select.EPOLLIN)

    def wait(self, seconds: float) -> bool:
        """For the reader thread: whether anything came that it has to read, within that time."""
        if self._epoll is not None:
            return bool(self._epoll.poll(seconds))
        return bool(self._poll.poll(seconds * 1000))

    def __enter__(self) -> None:
        """For the reader thread: its turn, once no caller reads any more."""
        self._reading.acquire()

    def __exit__(self, *_: object) -> None:
        self._reading.release()

    def take(self) -> bool:
        """For a caller: its turn, unless somebody is reading. Ends with `give_back`."""
        if not self._reading.acquire(blocking=False):
            return False
        if self._epoll is None:
            self._reading.release()
            return False
        self._epoll.modify(self._descriptor, 0)
        return True

    def give_back(self) -> None:
        """Switches the reader thread's watch on again: what came meanwhile wakes it."""
        if self._epoll is not None:
            self._epoll.modify(self._descriptor, select.EPOLLIN)
        self._reading.release()

    def close(self) -> None:
        """For the reader thread, in its turn, before the socket is closed."""
        if self._epoll is not None:
            self._epoll.close()
            self._epoll = None
