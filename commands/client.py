"""The command line as a client of a running daemon's HTTP API."""

import getpass
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn, cast

import orjson
import requests

from actors.kernel import ExitCode
from adapters.storage.lock import holder
from commands.api import NoToken, read_token
from commands.common import api_root, fail
from commands.health_probe import ask
from config.settings import Settings

ANSWER_SECONDS = 15.0
SILENCE_SECONDS = 30.0
"""The stream of events is never silent for longer: it pings every fifteen seconds."""


class NotFollowed(Exception):
    """The stream of events was refused or has ended, and why."""


class Client:
    """One daemon. Ends the command, with one clear error, when it cannot be reached."""

    def __init__(self, settings: Settings) -> None:
        self._root = api_root(settings)
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy stands between this machine and itself
        self._folder = settings.data_folder
        try:
            token = read_token(settings)
        except NoToken as error:
            self._no_token(settings, error)
        self._session.headers.update(
            {
                "Authorization": f"Bearer {token}",
                "X-Bulwark-Door": "cli",
                "X-Bulwark-Who": _user(),
            }
        )

    def read(self, name: str, arguments: Mapping[str, str]) -> dict[str, Any]:
        return self._answer("GET", f"/v1/{name}", params=dict(arguments))[0]

    def act(self, name: str, arguments: Mapping[str, str]) -> tuple[dict[str, Any], str]:
        """The reply, and the id of the last event before it."""
        return self._answer("POST", f"/v1/{name}", json=dict(arguments))

    def _answer(self, method: str, path: str, **more: Any) -> tuple[dict[str, Any], str]:
        try:
            answer = self._session.request(
                method, f"{self._root}{path}", timeout=ANSWER_SECONDS, **more
            )
            found: object = answer.json()
        except requests.ConnectionError:
            self._not_running("nothing answers")
        except (requests.RequestException, ValueError) as error:
            self._unusable(f"No usable answer from {self._root}: {type(error).__name__}.", method)
        if answer.status_code == requests.codes.unauthorized:
            self._refused()
        if not isinstance(found, dict) or "lines" not in found:
            self._unusable(f"{self._root} is no Bulwark daemon.", method)
        reply = cast("dict[str, Any]", found)
        return reply, answer.headers.get("x-last-event-id", "")

    def reports(self, request_id: str, since: str) -> Iterator[dict[str, Any]]:
        """What the daemon reports of a request after event ``since``, until it is final.

        Raises:
            NotFollowed: that does not come this way.
        """
        headers = {"Last-Event-ID": since}
        try:
            with self._session.get(
                f"{self._root}/events", headers=headers, stream=True, timeout=SILENCE_SECONDS
            ) as answer:
                if answer.status_code != requests.codes.ok:
                    raise NotFollowed(_refusal(answer))
                for line in answer.iter_lines():
                    if not line.startswith(b"data: "):
                        continue
                    event = orjson.loads(line[6:])
                    if event.get("request_id") != request_id:
                        continue
                    if event.get("event") == "command_reported":
                        yield event
                        if event.get("is_final"):
                            return
        except (requests.RequestException, ValueError) as error:
            raise NotFollowed(type(error).__name__) from error
        raise NotFollowed("it has ended the stream")

    def _unusable(self, why: str, method: str) -> NoReturn:
        """A daemon that hangs may carry out later what it has taken."""
        taken = ""
        if method == "POST":
            taken = "It may have been taken, and may yet be carried out: see status.\n"
        fail(f"{why}\n{taken}{self._all_the_same()}", ExitCode.FAILED)

    def _process(self) -> str:
        return str(holder(self._folder / "bot.lock") or "<its process>")

    def _all_the_same(self) -> str:
        pid = self._process()
        return (
            f"To close everything all the same: stop yours (kill -TERM {pid}, or kill -KILL {pid} "
            "if it hangs), then python run.py kill --direct"
        )

    def _refused(self) -> NoReturn:
        fail(
            f"{self._root} does not take this token. Is it the daemon of {self._folder}?\n"
            "Another one's: set API_PORT to that of yours (its log: door_opened). Yours, with a "
            "token changed since its start: restart it.\n"
            f"{self._all_the_same()}",
            ExitCode.FAILED,
        )

    def _no_token(self, settings: Settings, error: NoToken) -> NoReturn:
        """A folder of data that is gone (a mount) must not bring a second daemon to the first."""
        if not ask(settings).answers:
            self._not_running(str(error))
        gone = ""
        if isinstance(error.__cause__, FileNotFoundError):
            gone = f"It is not this folder's, or {self._folder} was taken away. "
        fail(
            f"A daemon answers at {self._root}, and cannot be given commands: {error}.\n"
            f"{gone}Do not start another.\n"
            f"To end it in order, stops staying on the venue: kill -TERM {self._process()}.\n"
            f"{self._all_the_same()}",
            ExitCode.FAILED,
        )

    def _not_running(self, why: str) -> NoReturn:
        fail(
            f"The daemon is not running, or its API is not ({why} at {self._root}).\n"
            "See which: python run.py logs -n 5. Start it: python run.py, or make run.\n"
            "To close everything without it: python run.py kill --direct",
            ExitCode.FAILED,
        )


def _refusal(answer: requests.Response) -> str:
    """In the daemon's own words, if it has any."""
    try:
        return str(answer.json()["lines"][0]).rstrip(".")
    except (ValueError, KeyError, IndexError, TypeError):
        return f"HTTP {answer.status_code}"


def _user() -> str:
    """Who gives the command, as far as this machine knows."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):
        return "operator"
    kept = "".join(x for x in name if x.isascii() and (x.isalnum() or x in "._-"))
    return kept[:32] or "operator"
