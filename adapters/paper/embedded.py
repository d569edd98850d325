"""The paper exchange as a process of its own, started by the bot when nobody answers its port.

It is a process because a venue survives its clients: a bot that is killed finds its positions
and stops where they were. The bot that started it ends it on an ordered stop; one whose bot was
killed ends by itself after a while without clients.
"""

import subprocess
from collections.abc import Sequence
from contextlib import suppress
from enum import Enum, auto
from pathlib import Path

import requests
from urllib3.exceptions import NewConnectionError

from actors.ports import Clock

START_SECONDS = 15.0
STOP_SECONDS = 5.0
POLL_SECONDS = 0.05
MOST_PRINTED = 5_000_000
"""Bytes of what it prints, after which a start begins the file anew; its log has its own files."""
ILL, TRIES = 500, 3
"""From this status on an answer says nothing about who answers: it is asked for again."""


class PortTaken(Exception):
    """Something that is no exchange answers at the paper exchange's port."""


class CannotStart(Exception):
    """The exchange did not come up; the text says where to look.

    ``code`` is what it ended with, None while it runs.
    """

    def __init__(self, text: str, code: int | None = None) -> None:
        super().__init__(text)
        self.code = code


def answers(http_url: str) -> bool:
    """Whether a Deribit-like exchange answers there.

    Raises:
        PortTaken: something else does.
    """
    found = _ask(f"{http_url}/public/test")
    for _ in range(TRIES - 1):
        if found in {Found.EXCHANGE, Found.NOBODY}:
            break
        found = _ask(f"{http_url}/public/test")
    if found is Found.STRANGER:
        raise PortTaken(f"{http_url} is not an exchange; choose another PAPER_PORT")
    if found is Found.SILENT:
        raise PortTaken(f"{http_url} does not answer in time; choose another PAPER_PORT")
    return found in {Found.EXCHANGE, Found.ILL}


class Found(Enum):
    """Who is there, by one answer. An ill exchange refuses in the venue's own words."""

    EXCHANGE = auto()
    ILL = auto()
    STRANGER = auto()
    SILENT = auto()
    NOBODY = auto()
    HUNG_UP = auto()


def _serves(http_url: str) -> bool:
    """The same of a process of ours: its port listens before it serves, and nobody else's can."""
    with suppress(PortTaken):
        return answers(http_url)
    return False


def _ask(url: str) -> Found:
    try:
        reply = _get(url)
    except requests.ConnectionError as error:
        refused = any(isinstance(x, NewConnectionError) for x in _reasons(error))
        return Found.NOBODY if refused else Found.HUNG_UP
    except requests.RequestException:
        return Found.SILENT
    try:
        body = reply.json()
        if reply.status_code < ILL and body.get("result", {}).get("version"):
            return Found.EXCHANGE
        return Found.ILL if isinstance(body["error"]["code"], int) else Found.STRANGER
    except (ValueError, KeyError, TypeError, AttributeError):
        return Found.STRANGER


def _reasons(error: requests.ConnectionError) -> tuple[object, ...]:
    """The error inside, and the one inside that (urllib3 says why it gave up)."""
    inner = error.args[0] if error.args else None
    return inner, getattr(inner, "reason", None)


def _get(url: str) -> requests.Response:
    with requests.Session() as session:
        # This machine is not reached through a proxy, whatever the environment says.
        session.trust_env = False
        return session.get(url, timeout=2.0)


class EmbeddedExchange:
    """The exchange's process, if it was this bot that started it."""

    def __init__(self, command: Sequence[str], http_url: str, output: Path, clock: Clock) -> None:
        """Starts the exchange and waits until it answers.

        Its own session keeps a Ctrl-C meant for the bot away from it.

        Raises:
            CannotStart: it ended, or did not answer in time.
        """
        output.parent.mkdir(parents=True, exist_ok=True)
        is_long = output.exists() and output.stat().st_size > MOST_PRINTED
        with output.open("wb" if is_long else "ab") as sink:
            self._process = subprocess.Popen(  # noqa: S603 (our own interpreter and script)
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._await(http_url, output, clock)
        except BaseException:  # Ctrl-C too: what was started here is not left behind
            self.stop()
            raise

    def _await(self, http_url: str, output: Path, clock: Clock) -> None:
        deadline = clock.monotonic() + START_SECONDS
        while not _serves(http_url):
            if self._process.poll() is not None:
                code, why = self._process.returncode, _last_line(output)
                text = f"the paper exchange ended with code {code}: see {output}: {why}"
                raise CannotStart(text, code)
            if clock.monotonic() > deadline:
                raise CannotStart(f"the paper exchange does not answer at {http_url}: see {output}")
            clock.sleep(POLL_SECONDS)

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        """Ends it in order; it saves its account first."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(STOP_SECONDS)


def _last_line(output: Path) -> str:
    """What the exchange said last, which is why it ended."""
    lines = output.read_text("utf-8", "replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "nothing")
