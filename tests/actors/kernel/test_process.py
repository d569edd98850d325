"""The kernel in a process of its own: exit codes, and what signals do."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from actors.kernel import ExitCode

ROOT = Path(__file__).parents[3]
PATIENCE = 60


class Daemon:
    """The process under test and what it has said so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.said: list[dict[str, Any]] = []

    def read_until(self, event: str) -> dict[str, Any]:
        """Waits for that log line."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(json.loads(line))
            if self.said[-1]["event"] == event:
                return self.said[-1]
        pytest.fail(f"{event} was never said, but {self.said}")

    def end(self) -> int:
        """Waits for the end; its exit code."""
        assert self.process.stdout is not None
        self.said += [json.loads(line) for line in self.process.stdout]
        return self.process.wait(PATIENCE)

    def ends(self) -> list[str]:
        """Who ended in order, in which order."""
        return [line["actor"] for line in self.said if line["event"] == "ended"]

    def events(self, *names: str) -> list[str]:
        """Which of these were said, in order."""
        return [line["event"] for line in self.said if line["event"] in names]


@contextmanager
def daemon(mode: str) -> Generator[Daemon, None, None]:
    """Runs the daemon until its main thread waits; kills what is left of it in the end.

    One that says nothing more and does not end is killed as well: its output ends, and the test.
    """
    command = [sys.executable, "-m", "tests.actors.kernel.daemon", mode]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        patience = threading.Timer(PATIENCE, process.kill)
        patience.start()
        try:
            made = Daemon(process)
            made.read_until("waiting")
            yield made
        finally:
            patience.cancel()
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_in_order(number: signal.Signals) -> None:
    """SIGTERM, Ctrl-C, a closed terminal: the reverse of the start, code 0, nothing left."""
    with daemon("well") as bot:
        bot.process.send_signal(number)
        assert bot.end() == 0
        assert bot.ends() == ["c", "b", "a"]
        (stopping,) = [line for line in bot.said if line["event"] == "stopping"]
        assert stopping["reason"] == f"signal {number.name}"
        assert bot.said[-1] == {"event": "left", "threads": [], "level": "info"}


def test_under_nohup_a_closed_terminal_is_nothing() -> None:
    """What whoever started it has ignored stays ignored."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with daemon("well") as bot:
        bot.process.send_signal(signal.SIGHUP)
        bot.process.send_signal(signal.SIGTERM)
        assert bot.end() == 0
    (stopping,) = [line for line in bot.said if line["event"] == "stopping"]
    assert stopping["reason"] == "signal SIGTERM"


def test_sigusr1_dumps_all_threads_and_the_process_goes_on() -> None:
    """One line per thread with its stack; the bot then still stops when told."""
    with daemon("well") as bot:
        bot.process.send_signal(signal.SIGUSR1)
        names = {"MainThread", "supervisor", "a", "b", "c", "timers"}
        while {line["thread"] for line in bot.said if line["event"] == "thread_dump"} != names:
            assert "File" in bot.read_until("thread_dump")["stack"]
        assert bot.process.poll() is None
        bot.process.send_signal(signal.SIGTERM)
        assert bot.end() == 0


def test_a_hung_child_ends_the_process_with_its_own_exit_code() -> None:
    """A thread that hangs cannot be killed; the process says why, dumps it, and ends with 71."""
    with daemon("hang") as bot:
        assert bot.end() == ExitCode.HUNG == 71
        assert bot.events("escalated", "gave_up", "stopping", "stopped") == [
            "escalated",
            "gave_up",
            "stopping",
            "stopped",
        ]
        assert bot.ends() == ["c", "a"]
        dumps = [line["stack"] for line in bot.said if line.get("thread") == "b"]
        assert dumps  # on a busy machine more than one part may find that something hangs
        assert all("in hang" in stack for stack in dumps)
        assert bot.said[-1]["threads"] == ["b"]


def test_a_storm_ends_the_process_with_its_own_exit_code() -> None:
    """More failures than are borne: alarm, ordered stop, 70."""
    with daemon("storm") as bot:
        assert bot.end() == ExitCode.GAVE_UP == 70
        assert bot.events("escalated", "gave_up") == ["escalated", "gave_up"]
        assert bot.ends() == ["c", "a"]


def test_a_failed_root_ends_the_process() -> None:
    """The supervisor itself fails: alarm and 70, never a process that only seems to live."""
    with daemon("root") as bot:
        assert bot.end() == ExitCode.GAVE_UP == 70
        assert bot.events("escalated", "gave_up") == ["escalated", "gave_up"]


def test_a_second_ctrl_c_does_not_wait() -> None:
    """A person who insists gets out at once, with the shell's code for it."""
    with daemon("hang-in-stop") as bot:
        bot.process.send_signal(signal.SIGINT)
        bot.read_until("stopping")
        bot.process.send_signal(signal.SIGINT)
        assert bot.end() == 128 + signal.SIGINT
