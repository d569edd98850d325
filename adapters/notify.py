"""Delivering alerts. For now to the log, where `tail -F` shows them."""

import structlog


class LogNotifier:
    """Implements `actors.ports.Notifier`: an alert is a line in the log, and cannot fail."""

    def __init__(self) -> None:
        self._log = structlog.get_logger(actor="alerter")

    def send(self, text: str, *, critical: bool) -> None:
        level = self._log.critical if critical else self._log.info
        level("alert", text=text)
