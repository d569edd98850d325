"""The watchdog as supervisord runs it: its events in by the pipe, messages out by Telegram."""

import io
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from xmlrpc.server import SimpleXMLRPCServer

import pytest

from adapters.clock import SystemClock
from commands.common import ENV_FILE
from commands.watchdog import Watchdog
from config.logs import without_secrets
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


TESTNET = {
    "DERIBIT_ENV": "testnet",
    "DERIBIT_CLIENT_ID": "a",
    "DERIBIT_CLIENT_SECRET": "another-canary",
}


def beats(watched: Watched, folder: str) -> Step:
    """The bot's heart beats here."""
    path = Path("data", folder, "pulse")

    def made() -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        number = int(watched.clock.seconds)
        path.write_bytes(b"%010d %020d\n" % (7, number))

    return made


def writes(watched: Watched, **changes: object) -> Step:
    """Somebody edits ``.env``."""
    return lambda: watched.write(**changes)


def test_a_bot_that_starts_is_watched_by_its_new_settings(watched: Watched) -> None:
    """Its pulse is at another venue, its limit is another, and so is the chat."""
    watched.write()
    alive = [beats(watched, "testnet"), watched.tick(200)] * 3
    texts = watched.run(
        *(beats(watched, "paper"), watched.tick(200)) * 2,
        writes(watched, TELEGRAM_CHAT_ID=43, WATCHDOG_LIMIT_SECONDS=600, **TESTNET),
        watched.tick(200),  # not before it starts: the one of before lives by the old ones
        *(change("STOPPED"), change("STARTING"), change("RUNNING")),
        *alive,
        *[watched.tick(200)] * 3,
    )
    stopped, silent = texts
    assert stopped == "Watchdog [paper]: bot was stopped by order."
    assert silent.startswith("[!] Watchdog [testnet]: bot is UNRESPONSIVE: no sign of life for 600")
    assert [x["chat_id"] for x in watched.api.messages] == [42, 43]


def test_what_waits_goes_to_the_new_chat(watched: Watched) -> None:
    """In order and at once; a chat taken out of the settings still gets what was meant for it."""
    watched.write()
    watched.api.answers = [(502, "")]
    steps = [change("STOPPED"), writes(watched, TELEGRAM_CHAT_ID=43), change("STARTING")]
    watched.run(*steps, change("FATAL", "collector"))
    assert ["was stopped" in x for x in watched.api.texts()] == [True, False]
    assert [x["chat_id"] for x in watched.api.messages] == [43, 43]
    watched.write()
    watched.api.messages.clear()
    watched.api.answers = [(502, "")]
    steps[1] = writes(watched, TELEGRAM_CHAT_ID=None, TELEGRAM_BOT_TOKEN=None)
    watched.run(*steps, change("FATAL", "collector"), watched.tick(), watched.tick())
    assert ["was stopped" in x for x in watched.api.texts()] == [True]
    assert [x["chat_id"] for x in watched.api.messages] == [42]


def test_a_chat_that_is_given_later_is_told(watched: Watched) -> None:
    """As soon as the bot starts with it."""
    watched.write(TELEGRAM_CHAT_ID=None, TELEGRAM_BOT_TOKEN=None)
    steps = [change("STOPPED"), writes(watched), change("STARTING"), change("STOPPED")]
    assert watched.run(*steps) == ["Watchdog [paper]: bot was stopped by order."]


def test_settings_that_are_not_valid_change_nothing(watched: Watched) -> None:
    """The bot ends because of them; a person hears of it by the old ones."""
    watched.write()
    wrong = writes(watched, MAX_OPEN_TRADES=0, TELEGRAM_CHAT_ID=43)
    (text,) = watched.run(wrong, change("STARTING"), change("FATAL"))
    assert text.startswith("[!] Watchdog [paper]: bot is DOWN")
    assert [x["chat_id"] for x in watched.api.messages] == [42]


def test_the_secrets_of_new_settings_are_hidden(watched: Watched) -> None:
    """Errors of the new address go into the watchdog's log."""
    token = "87654321:BBcanary-canary-canary-canary"
    watched.write()
    watched.run(writes(watched, TELEGRAM_BOT_TOKEN=token), change("STARTING"))
    assert token not in without_secrets(f"it was {token}")


def test_an_event_that_makes_no_sense_costs_itself_alone(watched: Watched) -> None:
    """Whatever supervisord says: the next death is told."""
    watched.write()
    texts = watched.run(change("EXITED", "bot", "pid:none"), change("FATAL"))
    assert ["bot is DOWN" in text for text in texts] == [True]


def test_a_person_is_told_although_nothing_can_be_done(watched: Watched) -> None:
    """supervisord does not take the order: the message does not wait for what comes next."""
    watched.write(WATCHDOG_ACTION="restart")
    (text,) = watched.run(beats(watched, "paper"), watched.tick(200), watched.tick(301))
    assert "The watchdog kills it" in text


@contextmanager
def supervisord(log: str) -> Iterator[str]:
    """One whose own log this is; where it answers."""

    def read_log(offset: int, length: int) -> str:
        return log[offset:] if length == 0 else log[offset : offset + length]

    with SimpleXMLRPCServer(("127.0.0.1", 0), logRequests=False) as server:
        server.register_function(read_log, "supervisor.readLog")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join(5)


def test_an_end_is_told_with_its_code_however_long_the_log_is(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only supervisord's log has the code, at its end."""
    old = "2026-03-01 12:00:00,001 INFO spawned: 'exchange' with pid 70\n"
    new = (
        "2026-03-01 12:00:00,002 INFO spawned: 'bot' with pid 7\n"
        "2026-03-01 12:00:09,000 WARN exited: bot (exit status 78; expected)\n"
    )
    watched.write()
    with supervisord(old * 5_000 + new) as url:
        monkeypatch.setenv("SUPERVISOR_SERVER_URL", url)
        (text,) = watched.run(change("EXITED", "bot", "expected:1"))
    assert "bot has ended: exit code 78, the settings are not valid." in text
