"""The stable reference to an actor: a restart changes what is behind it, never the address."""

import queue
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pykka import Future, Timeout

# Kept private by pykka's convention only; it is the shape every inbox must carry.
from pykka._envelope import Envelope

from actors.kernel.runtime import Mailbox
from actors.messages.base import Message, Report

PERISHABLE_LIMIT = 256
"""Waiting messages beyond which a perishable report (a price) is dropped and counted."""


class AskFailed(Exception):
    """No answer: the asked actor failed on the question, is not there, or was too slow."""


@dataclass(frozen=True, slots=True)
class Question:
    """An ask on its way: answered through ``reply``, dropped when handled after ``deadline``."""

    message: Message
    reply: Future[Any]
    deadline: float

    def refuse(self, failure: AskFailed) -> None:
        """Tells the asker that there will be no answer."""
        self.reply.set_exception((AskFailed, failure, None))


class Address:
    """Where to reach an actor by name. ``tell`` never raises into the sender."""

    def __init__(
        self,
        name: str,
        mailbox: Mailbox,
        future: Callable[[], Future[Any]],
        monotonic: Callable[[], float],
        undeliverable: Callable[[str, Message, str], None],
    ) -> None:
        self.name = name
        self.mailbox = mailbox
        self.is_open = False
        self.dropped = 0
        self._future = future
        self._monotonic = monotonic
        self._undeliverable = undeliverable

    def tell(self, message: Message) -> None:
        """Puts the message into the mailbox, or into the dead letters if nobody lives here.

        A report to somebody who has just retired is counted, not mourned: the venue tells late
        and twice, and what it told is at the venue still.
        """
        if not self.is_open:
            self._mourn(message, "nobody lives at this address")
        elif isinstance(message, Report) and self._is_full_for(message):
            self.dropped += 1
        else:
            self._post(message)

    def _is_full_for(self, message: Report) -> bool:
        return message.perishable and self.mailbox.qsize() >= PERISHABLE_LIMIT

    def _mourn(self, message: Message, why: str) -> None:
        if message.is_moot_at_the_end:
            self.dropped += 1
        else:
            self._undeliverable(self.name, message, why)

    def ask(self, message: Message, timeout: float) -> Any:
        """Waits for the handler's return value, at most ``timeout`` seconds.

        Only down the order of `docs/messages.md`, so that no cycle can wait on itself.

        Raises:
            AskFailed: no answer in time, or the actor failed on this question.
        """
        if not self.is_open:
            raise AskFailed(f"{self.name} is not running")
        reply = self._future()
        self._post(Question(message, reply, self._monotonic() + timeout))
        try:
            return reply.get(timeout=timeout)
        except Timeout as error:
            raise AskFailed(f"{self.name} did not answer within {timeout:g} s") from error

    def put_raw(self, item: object) -> None:
        """For the kernel's own signals (wake-ups, the stop pill)."""
        self.mailbox.put(Envelope(item))

    def close(self) -> None:
        """Takes no more. What still waits goes to the dead letters, and its askers are told."""
        self.is_open = False
        while True:
            try:
                waiting = self.mailbox.get(block=False).message
            except queue.Empty:
                return
            self._give_back(waiting)

    def _post(self, item: Message | Question) -> None:
        self.mailbox.put(Envelope(item))
        if not self.is_open:
            self.close()  # it was closed in between, and nobody will look into it again

    def _give_back(self, waiting: object) -> None:
        why = f"{self.name} has ended"
        if isinstance(waiting, Question):
            waiting.refuse(AskFailed(why))
            self._undeliverable(self.name, waiting.message, why)
        elif isinstance(waiting, Message):
            self._mourn(waiting, why)

    def __repr__(self) -> str:
        return f"Address({self.name!r})"
