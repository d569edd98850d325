"""Alerts in the log: a line with the words, at a level that fits; and once, besides a phone."""

from collections.abc import Callable

import structlog
from structlog.testing import capture_logs

from actors.messages.alerts import DeliveryReport
from actors.ports import Notice
from adapters.clock import SystemClock
from adapters.notify import LogAndPhone, LogNotifier


def notice(number: int, text: str, *, is_critical: bool = False) -> Notice:
    return Notice(number=number, text=text, is_critical=is_critical)


def test_an_alert_is_a_line_and_a_critical_one_is_critical() -> None:
    """The text arrives whole, what must wake somebody is marked so, and it cannot fail."""
    structlog.reset_defaults()
    reports: list[DeliveryReport] = []
    with capture_logs() as lines:
        notifier = LogNotifier(SystemClock())
        notifier.send(notice(1, "Opened buy BTC-PERPETUAL."), reports.append)
        notifier.send(notice(2, "NO STOP: BTC-PERPETUAL", is_critical=True), reports.append)
        notifier.shout("GIVING UP")
    assert [(x["event"], x["log_level"], x["text"], x["actor"]) for x in lines] == [
        ("alert", "info", "Opened buy BTC-PERPETUAL.", "alerter"),
        ("alert", "critical", "NO STOP: BTC-PERPETUAL", "alerter"),
        ("alert", "critical", "GIVING UP", "alerter"),
    ]
    assert [(x.number, x.error) for x in reports] == [(1, ""), (2, "")]


class DeadPhone:
    """A phone that never says anything."""

    def __init__(self) -> None:
        self.given: list[int] = []

    def send(self, notice: Notice, done: Callable[[DeliveryReport], None]) -> None:
        del done
        self.given.append(notice.number)

    def shout(self, text: str) -> None:
        self.given.append(len(text))


def test_beside_a_phone_the_log_has_every_alert_once() -> None:
    """However often it is sent again; and whether it was delivered is the phone's to say."""
    structlog.reset_defaults()
    reports: list[DeliveryReport] = []
    phone = DeadPhone()
    with capture_logs() as lines:
        notifier = LogAndPhone(LogNotifier(SystemClock()), phone)
        for number in (1, 1, 2, 1):
            notifier.send(notice(number, f"alert {number}"), reports.append)
        notifier.shout("end")
    assert [x["text"] for x in lines] == ["alert 1", "alert 2", "end"]
    assert phone.given == [1, 1, 2, 1, 3]
    assert reports == []
