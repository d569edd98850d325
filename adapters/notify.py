"""Delivering alerts to the log, where `tail -F` shows them; alone, or besides a phone."""

from collections import deque
from collections.abc import Callable

import structlog

from actors.messages.alerts import DeliveryReport
from actors.ports import Clock, Notice, Notifier

REMEMBERED = 1000


class LogNotifier:
    """Implements `actors.ports.Notifier`: an alert is a line in the log, and cannot fail."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._log = structlog.get_logger(actor="alerter")

    def send(self, notice: Notice, done: Callable[[DeliveryReport], None]) -> None:
        level = self._log.critical if notice.is_critical else self._log.info
        level("alert", text=notice.text)
        done(DeliveryReport(at=self._clock.now(), number=notice.number))

    def shout(self, text: str) -> None:
        self._log.critical("alert", text=text)


class LogAndPhone:
    """Both: every alert once in the log, at once, whatever becomes of it on its way to a phone."""

    def __init__(self, log: Notifier, phone: Notifier) -> None:
        self._log = log
        self._phone = phone
        self._logged: deque[int] = deque(maxlen=REMEMBERED)

    def send(self, notice: Notice, done: Callable[[DeliveryReport], None]) -> None:
        if notice.number not in self._logged:
            self._logged.append(notice.number)
            self._log.send(notice, _nobody)
        self._phone.send(notice, done)

    def shout(self, text: str) -> None:
        self._log.shout(text)
        self._phone.shout(text)


def _nobody(_: DeliveryReport) -> None:
    """The log's word is of no interest: the phone's counts."""
