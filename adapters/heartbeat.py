"""The dead man's switch: an address outside is pinged while all is well, and only then.

Who watches there raises the alarm when the pings stop: because the daemon is not well, or hangs,
or the machine is gone. So this thread never pings on its own belief, only on a fresh verdict. The
address is a secret; it is in no log line and no error's text.
"""

import threading
from collections.abc import Callable

import requests
import structlog

PERIOD = 60.0
TIMEOUT = 10.0


class Heartbeat:
    """Pings ``url`` every minute while ``complaint`` is empty (asked anew each time)."""

    def __init__(self, url: str, complaint: Callable[[], str], period: float = PERIOD) -> None:
        self._url = url
        self._complaint = complaint
        self._period = period
        self._ended = threading.Event()
        self._log = structlog.get_logger(actor="heartbeat")
        self._withheld = ""
        self._has_failed = False
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """No ping leaves any more."""
        self._ended.set()

    def beat(self) -> bool:
        """One ping, if all is well; whether it was taken."""
        try:
            complaint = self._complaint()
        except Exception as error:  # noqa: BLE001 (what cannot be judged is not well)
            complaint = f"no verdict: {type(error).__name__}"
        if complaint != self._withheld:
            self._withheld = complaint
            if complaint:
                self._log.warning("heartbeat_withheld", why=complaint)
            else:
                self._log.info("heartbeat_resumed")
        return not complaint and self._ping()

    def _ping(self) -> bool:
        try:
            answer = requests.get(self._url, timeout=TIMEOUT)
            problem = "" if answer.ok else f"status {answer.status_code}"
        except Exception as error:  # noqa: BLE001 (its text holds the address, which is secret)
            problem = type(error).__name__
        if problem and not self._has_failed:
            self._log.warning("heartbeat_failed", error=problem)
        self._has_failed = bool(problem)
        return not problem

    def _run(self) -> None:
        while not self._ended.wait(self._period):
            self.beat()
