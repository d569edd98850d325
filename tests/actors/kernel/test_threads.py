"""The same kernel on real threads: what only threads can get wrong."""

import os
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest
import structlog
from pykka import ThreadingFuture

from actors.kernel import (
    Actor,
    AskFailed,
    ChildSpec,
    Context,
    ExitCode,
    HandlerTable,
    Supervisor,
    SupervisorPolicy,
    System,
    process,
    run,
)
from actors.kernel.runtime import ThreadRuntime
from actors.kernel.system import Routes
from actors.messages.base import Command
from actors.messages.lifecycle import ChildStopped, StopAll
from adapters.clock import SystemClock, SystemEntropy, ThreadTimers
from tests.actors.kernel.support import Do, GetDone, TickDue, Unnamable, fail

PATIENT = SupervisorPolicy(intensity=10**6, backoff_first=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbered(Command):
    """One of many."""

    number: int


class Counter(Actor):
    """Keeps the numbers it is told; fails on every hundredth."""

    def __init__(self, context: Context, *, seen: list[int]) -> None:
        super().__init__(context)
        self.seen = seen

    def on_numbered(self, message: Numbered) -> None:
        if message.number % 100 == 99:
            raise ValueError(message.number)
        self.seen.append(message.number)

    def on_do(self, message: Do) -> None:
        message.action(self)

    def on_get_done(self, message: GetDone) -> Any:
        return message.action(self)

    def on_tick_due(self, _: TickDue) -> None:
        self.seen.append(-1)

    handlers: ClassVar[HandlerTable] = {
        Numbered: on_numbered,
        Do: on_do,
        GetDone: on_get_done,
        TickDue: on_tick_due,
    }


def no_abandon(code: int) -> None:
    """Where leaving at once would be a mistake."""
    pytest.fail(f"abandoned with {code}")


def fail_again(*_: object) -> None:
    """Last words that fail."""
    raise MemoryError


class Threads:
    """A supervised system on threads."""

    def __init__(self, policy: SupervisorPolicy, *names: str) -> None:
        self.seen: list[int] = []
        self.escalate: Callable[[str], object] = lambda _: None
        self.runtime = ThreadRuntime()
        self.timers = ThreadTimers()
        self.clock = SystemClock()
        self.finished = Announcing()
        self.system = System(
            runtime=self.runtime,
            clock=self.clock,
            timers=self.timers,
            entropy=SystemEntropy(),
            routes=Routes({}),
        )
        arguments = {"seen": self.seen}
        Supervisor.start(
            Context("supervisor", 1, self.system),
            children=[
                ChildSpec(name=name, actor=Counter, arguments=arguments, stop_budget=0.1)
                for name in names
            ],
            policy=policy,
            escalate=self._escalate,
            finished=self.finished,
        )

    def ask(self, name: str, action: Callable[[Any], Any] = lambda _: None) -> Any:
        """Asks with ample time."""
        question = GetDone(at=self.clock.now(), action=action)
        return self.system.address(name).ask(question, timeout=30)

    def do(self, name: str, action: Callable[[Any], Any]) -> None:
        """Has the actor run ``action``."""
        self.system.address(name).tell(Do(at=self.clock.now(), action=action))

    def stop(self, exit_code: int = 0) -> None:
        """Orders the stop."""
        order = StopAll(at=self.clock.now(), reason="done", exit_code=exit_code)
        self.system.address("supervisor").tell(order)

    def _escalate(self, reason: str) -> None:
        self.escalate(reason)

    def run(self, abandon: Callable[[int], None] = no_abandon) -> int:
        """The process's main thread."""
        return run(self.system, self.finished, abandon=abandon)

    def close(self) -> None:
        """Ends the timers and waits for every thread."""
        self.stop()
        self.finished.get(timeout=30)
        assert self.runtime.join(30) == []
        self.timers.close()


class Announcing(ThreadingFuture[int]):
    """Says when it is first waited for: `run` has installed the signal handlers by then."""

    def __init__(self) -> None:
        super().__init__()
        self.is_awaited = threading.Event()

    def get(self, *, timeout: float | None = None) -> int:
        self.is_awaited.set()
        return super().get(timeout=timeout)


@contextmanager
def threads(policy: SupervisorPolicy, *names: str) -> Generator[Threads, None, None]:
    """A system on threads that leaves nothing behind."""
    made = Threads(policy, *names)
    try:
        yield made
    finally:
        made.close()


def test_a_hundred_thousand_tells_to_one_who_fails_on_every_hundredth() -> None:
    """All arrive exactly once and in order; the failing ones are dead letters, with traceback."""
    with threads(PATIENT, "a") as system:
        address = system.system.address("a")
        now = system.clock.now()
        for number in range(100_000):
            address.tell(Numbered(at=now, number=number))
        system.ask("a")
        assert system.seen == [number for number in range(100_000) if number % 100 != 99]
        assert system.system.dead_letter_count == 1000
        letters = system.system.dead_letters
        assert [each.content for each in letters] == [
            repr(Numbered(at=now, number=number)) for number in range(99, 100_000, 100)
        ]
        assert all("raise ValueError(message.number)" in each.trace for each in letters)


def test_many_tellers_lose_nothing() -> None:
    """Four threads tell at once; each one's messages keep their order."""
    with threads(PATIENT, "a") as system:
        address = system.system.address("a")
        now = system.clock.now()

        def teller(first: int) -> None:
            for number in range(5000):
                address.tell(Numbered(at=now, number=1000 * (4 * number + first)))

        tellers = [threading.Thread(target=teller, args=(first,)) for first in range(4)]
        for each in tellers:
            each.start()
        for each in tellers:
            each.join()
        system.ask("a")
        assert sorted(system.seen) == [1000 * number for number in range(20_000)]
        for first in range(4):
            mine = [number for number in system.seen if number // 1000 % 4 == first]
            assert mine == sorted(mine)


def test_no_thread_is_left_after_the_stop() -> None:
    """Children, restarted children, the timers and the root are all gone."""
    before = set(threading.enumerate())
    with threads(PATIENT, "a", "b", "c") as system:
        system.ask("c")
        new = {thread.name for thread in set(threading.enumerate()) - before}
        assert new == {"a", "b", "c", "supervisor", "timers"}
        with pytest.raises(AskFailed):
            system.ask("a", fail(ValueError("boom")))
        assert system.ask("a", lambda actor: actor.context.incarnation) == 2
    assert set(threading.enumerate()) == before


def test_a_stop_that_leaves_a_hung_thread_names_it() -> None:
    """The stop goes on without it, and joining says who is still running."""
    entered, release = threading.Event(), threading.Event()
    with threads(PATIENT, "a", "b") as system:
        system.do("a", lambda _: (entered.set(), release.wait(30)))
        assert entered.wait(30)
        system.stop()
        assert system.finished.get(timeout=30) == 0
        assert system.runtime.join(0.01) == ["a"]
        release.set()


def test_wake_ups_arrive_on_threads() -> None:
    """A timer's call goes through the mailbox and is handled in the actor's own thread."""
    with threads(PATIENT, "a") as system:
        system.do("a", lambda actor: actor.after(0.0, TickDue))
        while not system.ask("a", lambda _: system.seen):
            pass
        assert system.seen == [-1]


# -- the main thread ----------------------------------------------------------------------------


def test_run_returns_the_code_of_the_stop() -> None:
    """The main thread waits for the supervisor and passes its exit code on."""
    with threads(PATIENT, "a") as system:
        system.stop(exit_code=5)
        assert system.run() == 5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_reach_the_supervisor(number: signal.Signals) -> None:
    """A dump of all threads leaves the process running, an order to stop ends it in order."""
    with threads(PATIENT, "a") as system:
        system.ask("a")

        def send() -> None:
            system.finished.is_awaited.wait(30)
            os.kill(os.getpid(), signal.SIGUSR1)
            os.kill(os.getpid(), number)

        sender = threading.Thread(target=send)
        sender.start()
        assert system.run() == 0
        sender.join()


def test_a_root_that_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody watches the root but the main thread: exit 71, at once."""
    monkeypatch.setattr(process, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(process, "ROOT_HANG_SECONDS", 0.01)
    release = threading.Event()
    with threads(replace(PATIENT, intensity=0), "a") as system:
        system.escalate = lambda _: release.wait(30)
        system.do("a", fail(ValueError("boom")))
        abandoned: list[int] = []
        assert system.run(abandoned.append) == ExitCode.HUNG
        assert abandoned == [71]
        release.set()


def test_a_log_that_hangs_too_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the threads are doing cannot be told then; the process ends all the same."""
    monkeypatch.setattr(process, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(process, "ROOT_HANG_SECONDS", 0.01)
    monkeypatch.setattr(process, "LAST_WORDS_SECONDS", 0.05)
    release = threading.Event()

    def stuck(*_: Any) -> Any:
        release.wait(30)
        raise structlog.DropEvent

    with threads(replace(PATIENT, intensity=0), "a") as system:
        system.escalate = lambda _: release.wait(30)
        system.do("a", fail(ValueError("boom")))
        structlog.configure(processors=[stuck])
        abandoned: list[int] = []
        try:
            assert system.run(abandoned.append) == ExitCode.HUNG
        finally:
            structlog.reset_defaults()
            release.set()
        assert abandoned == [71]


def test_a_root_that_is_gone_without_a_word_is_left_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Should even its last words fail, the main thread notices: exit 70, at once."""
    monkeypatch.setattr(process, "POLL_SECONDS", 0.001)
    with threads(PATIENT) as system:
        monkeypatch.setattr(Supervisor, "_died", fail_again)
        system.system.address("supervisor").tell(
            ChildStopped(at=system.clock.now(), name=Unnamable(), incarnation=1)
        )
        abandoned: list[int] = []
        assert system.run(abandoned.append) == ExitCode.GAVE_UP
        assert abandoned == [70]
        system.finished.set(70)


def test_a_root_that_fails_ends_the_process() -> None:
    """It still has its last word: alarm and exit 70, without leaving anything behind."""
    heard: list[str] = []
    with threads(PATIENT, "a") as system:
        system.escalate = heard.append
        system.system.address("supervisor").tell(
            ChildStopped(at=system.clock.now(), name=Unnamable(), incarnation=1)
        )
        assert system.run() == ExitCode.GAVE_UP
    assert heard == ["the supervisor failed: ValueError: no name"]
