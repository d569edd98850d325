"""A bot that gives up at every start: it ends ever later, and a phone hears of it once."""

import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.registry import Registry
from adapters.clock import SystemClock
from commands.supervised import linger
from tests.adapters.telegram.double import CHAT, TOKEN, USER, BotApi
from tests.commands.running import run
from tests.endtoend.bulwark import NOWHERE, free_port


@pytest.fixture
def signals() -> Iterator[None]:
    """The bot takes them over."""
    kept = {x: signal.getsignal(x) for x in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("signals")
def test_a_cause_that_stays_does_not_become_a_storm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three processes: the third waits before it ends, and only the first is told of."""

    def fail(_: Registry) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Registry, "recover", fail)
    monkeypatch.setenv("SUPERVISOR_PROCESS_NAME", "bot")
    with BotApi() as phone:
        settings: dict[str, Any] = {
            "DERIBIT_HTTP_URL": f"{NOWHERE}/api/v2",
            "API_PORT": free_port(),
            "TELEGRAM_BOT_TOKEN": TOKEN,
            "TELEGRAM_CHAT_ID": CHAT,
            "TELEGRAM_USER_IDS": USER,
            "TELEGRAM_API_URL": phone.root,
        }
        for _ in range(3):
            assert run(tmp_path, settings=settings).code == 70
        assert sum("GIVING UP" in text for text in phone.texts()) == 1
    lines = (tmp_path / "logs" / "bot.log").read_text().splitlines()
    log = [json.loads(line) for line in lines]
    assert sum(x["event"] == "alert" and "GIVING UP" in x["text"] for x in log) == 3
    assert [x["seconds"] for x in log if x["event"] == "end_delayed"] == [2.0]


def test_a_stop_ends_the_wait_at_once() -> None:
    """supervisord does not wait for who waits."""
    clock = SystemClock()
    began = clock.monotonic()
    before = signal.getsignal(signal.SIGTERM)
    timer = threading.Timer(0.1, signal.raise_signal, (signal.SIGTERM,))
    timer.start()
    linger(60.0)
    timer.join()
    assert clock.monotonic() - began < 30
    assert signal.getsignal(signal.SIGTERM) is before
