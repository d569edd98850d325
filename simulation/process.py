"""One operating-system process of the virtual world: threads and timers that can die at once."""

from collections.abc import Callable
from typing import Any

from greenlet import greenlet
from pykka import Future

from actors.kernel.runtime import Mailbox
from simulation.runtime import VirtualWorld


class VirtualProcess:
    """Runtime and timers of one incarnation of the daemon.

    `kill` is ``kill -9``: whoever runs in here never runs again, and no timer goes off any more.
    What was on the wire before stays on the wire.
    """

    def __init__(self, world: VirtualWorld) -> None:
        self.is_dead = False
        self._world = world
        self._threads: list[greenlet] = []

    def mailbox(self) -> Mailbox:
        return self._world.mailbox()

    def future(self) -> Future[Any]:
        return self._world.future()

    def launch(self, name: str, loop: Callable[[], None]) -> None:
        self._threads = [each for each in self._threads if not each.dead]
        self._threads.append(self._world.spawn(name, loop))

    def at(self, when: float, callback: Callable[[], None]) -> object:
        def unless_dead() -> None:
            if not self.is_dead:
                callback()

        return self._world.at(when, unless_dead)

    def cancel(self, handle: object) -> None:
        self._world.cancel(handle)

    def kill(self) -> None:
        """Ends the process without a word. From the hub only."""
        self.is_dead = True
        self._world.abandon(self._threads)
