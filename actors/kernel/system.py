"""What all actors of a process share: addresses, routes, time, chance and the event stream."""

import traceback
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import structlog

from actors.kernel.address import Address
from actors.kernel.runtime import Runtime
from actors.messages.base import Event, Message, event_name
from actors.messages.lifecycle import MessageDeadLettered
from actors.ports import Clock, Entropy, Timers

DEAD_LETTERS_KEPT = 1000
CONTENT_KEPT = 500


@dataclass(frozen=True, slots=True)
class Routes:
    """Who hears what: the whole map of published messages, in one visible place.

    ``by_type`` names the receivers of each message class; ``every_event`` hear all events.
    """

    by_type: Mapping[type[Message], tuple[str, ...]]
    every_event: tuple[str, ...] = ()


class Incumbent(Protocol):
    """The living incarnation of an actor, as the supervisor looks at it."""

    working_since: float | None
    has_ended: bool

    def request_stop(self) -> None: ...


class System:
    """The world the actors of one process live in."""

    def __init__(
        self,
        *,
        runtime: Runtime,
        clock: Clock,
        timers: Timers,
        entropy: Entropy,
        routes: Routes,
    ) -> None:
        self.runtime = runtime
        self.clock = clock
        self.timers = timers
        self.entropy = entropy
        self.routes = routes
        self.dead_letters: deque[MessageDeadLettered] = deque(maxlen=DEAD_LETTERS_KEPT)
        self.dead_letter_count = 0
        self.incumbents: dict[str, Incumbent] = {}
        self._addresses: dict[str, Address] = {}
        self._log = structlog.get_logger()

    def address(self, name: str) -> Address:
        """The address of that name; it exists before, between and after incarnations."""
        address = self._addresses.get(name)
        if address is None:
            made = Address(
                name,
                self.runtime.mailbox(),
                self.runtime.future,
                self.clock.monotonic,
                self._undeliverable,
            )
            address = self._addresses.setdefault(name, made)
        return address

    def forget(self, name: str) -> None:
        """Drops the address of an actor that ended for good, with whatever still waits in it."""
        self.incumbents.pop(name, None)
        address = self._addresses.pop(name, None)
        if address is not None:
            address.close()

    def addresses(self) -> tuple[Address, ...]:
        """Every address known, for health and metrics."""
        return tuple(self._addresses.values())

    def publish(self, sender: str, event: Event) -> None:
        """Logs the event once and tells everyone routed to it. Never raises."""
        log = self._log.bind(actor=sender)
        try:
            getattr(log, event.log_level)(event_name(type(event)), **event.to_log())
        except Exception:  # noqa: BLE001 (a log that fails must not keep the word from its hearers)
            traceback.print_exc()
        self.route(event)
        for name in self.routes.every_event:
            self.address(name).tell(event)

    def route(self, message: Message) -> None:
        """Tells everyone whose name the routes give for this class of message."""
        for name in self.routes.by_type.get(type(message), ()):
            self.address(name).tell(message)

    def dead_letter(self, receiver: str, message: object, reason: str, trace: str = "") -> None:
        """Keeps, counts, logs and journals a message that will never be handled."""
        letter = MessageDeadLettered(
            at=self.clock.now(),
            receiver=receiver,
            message=type(message).__name__,
            content=repr(message)[:CONTENT_KEPT],
            reason=reason,
            trace=trace,
        )
        self.dead_letter_count += 1
        self.dead_letters.append(letter)
        if not isinstance(message, MessageDeadLettered):
            self.publish("kernel", letter)

    def _undeliverable(self, receiver: str, message: Message, reason: str) -> None:
        # A dead letter about a listener that is itself gone would chase its own tail.
        if isinstance(message, Event):
            return
        self.dead_letter(receiver, message, reason)


@dataclass(frozen=True, slots=True)
class Context:
    """What one incarnation is told at birth."""

    name: str
    incarnation: int
    system: System
    supervisor: str = "supervisor"
