"""Bad weather at an exchange that runs: faults put in force and ended over its control endpoint."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import requests

from tests.endtoend.bulwark import READY_SECONDS

Faults = Sequence[dict[str, Any]]
PATIENCE = 5.0


class Weather:
    """The same faults again and again; without any the venue is kind all the time."""

    def __init__(self, port: int, faults: Faults = ()) -> None:
        self._url = f"http://127.0.0.1:{port}/control/faults"
        self._faults = list(faults)
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.auth = ("paper", "paper")
        self._is_bad = False

    @property
    def ready_seconds(self) -> float:
        """How long a start may take: lost replies and broken lines hold it up."""
        return 6 * READY_SECONDS if self._faults else READY_SECONDS

    def breaks(self) -> None:
        """From now on things go wrong."""
        if self._faults and not self._is_bad:
            self._call("POST", json={"fault": self._faults})
            self._is_bad = True

    def ends(self) -> None:
        """From now on the venue is kind."""
        if self._is_bad:
            self._call("DELETE")
            self._is_bad = False

    def closes_what_is_left(self) -> None:
        """Where things went wrong, a person closes every position by hand."""
        if self._faults:
            self._call("POST", json={"kind": "human_closes"})

    @contextmanager
    def calm(self) -> Generator[None]:
        """Kind inside the block, and as bad as before after it."""
        was_bad = self._is_bad
        self.ends()
        yield
        if was_bad:
            self.breaks()

    def struck(self) -> dict[str, int]:
        """How often each fault in force has struck."""
        listed = self._call("GET")
        return {row["name"]: row["struck"] for row in listed["fault"]}

    def _call(self, verb: str, **how: Any) -> Any:
        reply = self._session.request(verb, self._url, timeout=PATIENCE, **how)
        assert reply.ok, reply.text
        return reply.json()
