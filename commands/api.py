"""The HTTP API of a running daemon: its token, and how it hangs on the actors."""

import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

from actors.door import DeskDoor
from actors.kernel import System
from actors.messages.desk import DoorFailed, DoorOpened
from adapters.api.hub import EventHub
from adapters.api.server import ApiServer
from adapters.clock import SystemClock
from adapters.deribit.round_trips import RoundTrips
from commands.common import words
from commands.facts import VERSION
from config.logs import register_secret, without_secrets
from config.settings import Settings
from domain.commands import Door

TOKEN_FILE = "api.token"  # noqa: S105 (a name, no token)
TOKEN_BYTES = 32
SHORTEST_TOKEN = 16


class NoToken(Exception):
    """There is no token to be had, and why."""


def read_token(settings: Settings) -> str:
    """The token callers show: `API_TOKEN`, or the file a daemon has made.

    Raises:
        NoToken: there is neither, or the file is not for its owner alone.
    """
    if settings.api_token is not None:
        return settings.api_token.get_secret_value()
    path = settings.data_folder / TOKEN_FILE
    try:
        text = path.read_text(encoding="ascii").strip()
        mode = path.stat().st_mode
    except (OSError, UnicodeDecodeError) as error:
        raise NoToken(f"{path} cannot be read") from error
    if stat.S_IMODE(mode) & 0o077:
        raise NoToken(f"{path} can be read by others: chmod 600 it, or remove it for a new one")
    if len(text) < SHORTEST_TOKEN:
        why = "is empty or cut off: remove it, a new one is made at the next start"
        raise NoToken(f"{path} {why}")
    return text


def made_token(settings: Settings) -> str:
    """The token; made at the first start, for its owner alone. Raises `NoToken`."""
    path = settings.data_folder / TOKEN_FILE
    if settings.api_token is None and not path.exists():
        try:
            _write(path, secrets.token_urlsafe(TOKEN_BYTES))
        except OSError as error:
            raise NoToken(words(error)) from error
    token = read_token(settings)
    register_secret(token)
    return token


def _write(path: Path, token: str) -> None:
    """Whole or not at all: a torn token would lock everybody out."""
    made = path.with_suffix(".new")
    made.unlink(missing_ok=True)
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"{token}\n")
        file.flush()
        os.fsync(file.fileno())
    made.replace(path)


def serve(
    settings: Settings, system: System, hub: EventHub, clock: SystemClock, trips: RoundTrips
) -> Callable[[], None]:
    """Starts the API's thread; returns what closes it. A failure is an event, and no more."""

    def failed(why: str) -> None:
        error = without_secrets(why)
        system.publish("api", DoorFailed(at=clock.now(), door=Door.API, error=error))

    def said(address: str) -> None:
        system.publish("api", DoorOpened(at=clock.now(), door=Door.API, address=address))

    try:
        token = made_token(settings)
    except NoToken as error:
        failed(str(error))
        return lambda: None
    server = ApiServer(
        host=str(settings.api_host),
        port=settings.api_port,
        token=token,
        version=VERSION,
        desk=DeskDoor(system),
        hub=hub,
        clock=clock,
        redact=without_secrets,
        said=said,
        failed=failed,
        round_trips=trips,
    )
    server.start()
    return server.close
