"""Alerts in the log: a line with the words, at a level that fits."""

import structlog
from structlog.testing import capture_logs

from adapters.notify import LogNotifier


def test_an_alert_is_a_line_and_a_critical_one_is_critical() -> None:
    """The text arrives whole, and what must wake somebody is marked so."""
    structlog.reset_defaults()
    with capture_logs() as lines:
        notifier = LogNotifier()
        notifier.send("Opened buy BTC-PERPETUAL.", critical=False)
        notifier.send("NO STOP: BTC-PERPETUAL", critical=True)
    assert [(x["event"], x["log_level"], x["text"], x["actor"]) for x in lines] == [
        ("alert", "info", "Opened buy BTC-PERPETUAL.", "alerter"),
        ("alert", "critical", "NO STOP: BTC-PERPETUAL", "alerter"),
    ]
