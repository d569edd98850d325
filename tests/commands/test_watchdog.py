"""The watchdog as supervisord runs it: its events in by the pipe, messages out by Telegram."""

import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from adapters.clock import SystemClock
from commands.common import ENV_FILE
from commands.watchdog import Watchdog
from config.settings import load
from tests.commands.bot_api import BotApi, bot_api
from tests.endtoend.bulwark import free_port

TOKEN = "12345678:AAcanary-canary-canary-canary"
Step = Callable[[], str | None]


class Hand(SystemClock):
    """A clock set by hand."""

    seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds


class Pipe:
    """supervisord's end: each event is made when the watchdog is ready for it."""

    def __init__(self, steps: list[Step]) -> None:
        self._steps = iter(steps)
        self._payload = ""

    def readline(self) -> str:
        event = next((x for step in self._steps if (x := step()) is not None), "")
        name, _, self._payload = event.partition(" ")
        return f"eventname:{name} len:{len(self._payload)}\n" if name else ""

    def read(self, _: int) -> str:
        return self._payload


def change(state: str, program: str = "bot", *more: str) -> Step:
    rest = " ".join(("from_state:RUNNING", "pid:7", *more))
    return lambda: f"PROCESS_STATE_{state} processname:{program} groupname:{program} {rest}"


class Watched:
    """A watchdog in a folder of its own, with its phone."""

    def __init__(self, api: BotApi, monkeypatch: pytest.MonkeyPatch) -> None:
        self.api = api
        self.clock = Hand()
        self._monkeypatch = monkeypatch
        self._given: Mapping[str, object] = {
            "API_PORT": free_port(),
            "TELEGRAM_BOT_TOKEN": TOKEN,
            "TELEGRAM_CHAT_ID": 42,
            "TELEGRAM_API_URL": api.url,
        }
        monkeypatch.setenv("SUPERVISOR_SERVER_URL", api.url)  # which has no table to show

    def write(self, **changes: object) -> None:
        """These changes as ``.env``."""
        given = {name: x for name, x in {**self._given, **changes}.items() if x is not None}
        ENV_FILE.write_text("".join(f"{name}={x}\n" for name, x in given.items()), "utf-8")

    def tick(self, seconds: float = 5.0) -> Step:
        def made() -> str:
            self.clock.seconds += seconds
            return "TICK_5 when:1"

        return made

    def run(self, *steps: Step) -> list[str]:
        """Until supervisord is gone; what a person has read."""
        self._monkeypatch.setattr(sys, "stdin", Pipe(list(steps)))
        self._monkeypatch.setattr(sys, "stdout", io.StringIO())
        Watchdog(load(ENV_FILE, os.environ), self.clock).run()
        return self.api.texts()


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    monkeypatch.chdir(tmp_path)
    with bot_api() as api:
        yield Watched(api, monkeypatch)


def test_each_message_names_its_venue(watched: Watched) -> None:
    """Two of them may write into one chat, and only one trades real money."""
    watched.write(DERIBIT_ENV="testnet", DERIBIT_CLIENT_ID="a", DERIBIT_CLIENT_SECRET="b" * 8)
    critical, calm = watched.run(change("FATAL", "collector"), change("STOPPED"))
    assert critical.startswith("[!] Watchdog [testnet]: collector is DOWN: it ended too often")
    assert calm == "Watchdog [testnet]: bot was stopped by order."
