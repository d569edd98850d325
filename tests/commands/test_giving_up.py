"""A bot that gives up at every start: it ends ever later, and a phone hears of it once."""

import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from actors.kernel import Supervisor, process
from actors.registry import Registry
from adapters.clock import SystemClock
from adapters.storage.pulse import last_beat
from commands.bot import run_bot
from commands.supervised import linger
from config.settings import load
from tests.adapters.telegram.double import CHAT, TOKEN, USER, BotApi
from tests.commands.running import run
from tests.endtoend.bulwark import NOWHERE, free_port


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


@pytest.mark.parametrize(("lived", "delays"), [(2.5, [2.0]), (0.0, [])])
def test_a_start_that_fails_after_supervisords_two_seconds_ends_ever_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lived: float, delays: list[float]
) -> None:
    """They count from the spawn, the libraries included. The pulse goes on while it waits."""
    monkeypatch.setenv("SUPERVISOR_PROCESS_NAME", "bot")
    settings = load(
        tmp_path / ".env",
        {
            "DATA_DIR": str(tmp_path / "data"),
            "LOG_DIR": str(tmp_path / "logs"),
            "DERIBIT_HTTP_URL": f"{NOWHERE}/api/v2",
        },
    )
    (settings.data_folder / "registry.json").mkdir(parents=True)
    for _ in range(3):
        assert run_bot(settings, began=SystemClock().monotonic() - lived) == 1
    lines = (tmp_path / "logs" / "bot.log").read_text().splitlines()
    log = [json.loads(line) for line in lines]
    assert [x["seconds"] for x in log if x["event"] == "end_delayed"] == delays
    assert (last_beat(settings.data_folder / "pulse") is not None) is bool(delays)


def test_a_root_that_hangs_is_replaced_at_once_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hang was long enough: nobody looks after a position, and the lock is still held."""
    release = threading.Event()

    def hang(_: Supervisor) -> None:
        release.wait(30)

    def leave(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr(Supervisor, "_start_next", hang)
    monkeypatch.setattr(process, "ROOT_HANG_SECONDS", 0.01)
    monkeypatch.setattr(os, "_exit", leave)
    monkeypatch.setenv("SUPERVISOR_PROCESS_NAME", "bot")
    settings = {"DERIBIT_HTTP_URL": f"{NOWHERE}/api/v2", "API_PORT": free_port()}
    for _ in range(3):
        assert run(tmp_path, settings=settings).code == 71
    release.set()
    assert "end_delayed" not in (tmp_path / "logs" / "bot.log").read_text()


def test_the_pulse_goes_on_while_an_end_waits() -> None:
    """Else a watchdog with a short limit would kill it, and the wait with it."""
    beats: list[int] = []

    def beat() -> None:
        beats.append(len(beats))
        if len(beats) == 2:
            signal.raise_signal(signal.SIGTERM)

    linger(60.0, beat)
    assert beats == [0, 1]


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
