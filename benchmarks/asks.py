"""The round trip of one `ask` between two threads, with and without a busy third one.

The floor is what any two threads of CPython pay: a bare lock handed to and fro. The busy thread
counts in pure Python, the worst neighbour there is, because it gives the interpreter up only
when it is made to. The switch interval is the one `run.py` sets.
"""

import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import ClassVar

from actors.kernel import Actor, Context, HandlerTable, System
from actors.kernel.runtime import ThreadRuntime
from actors.kernel.system import Routes
from actors.messages.trading import GetExecution, TradeAccepted
from adapters.clock import SystemClock, SystemEntropy, ThreadTimers
from benchmarks.measuring import SWITCH_INTERVAL, Effort, Timings, interleaved
from benchmarks.rows import Row

CALLS = 500
P99_TARGET_US = 1000.0
Action = Callable[[], object]


class _Echo(Actor):
    """Answers with something small."""

    handlers: ClassVar[HandlerTable] = {}

    def on_get_execution(self, message: GetExecution) -> TradeAccepted:
        return TradeAccepted(at=message.at, trade_id="t", contracts=1)


_Echo.handlers = {GetExecution: _Echo.on_get_execution}


def run(effort: Effort) -> list[Row]:
    """Idle and beside a busy thread."""
    calls = effort.calls(CALLS)
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL)
    try:
        with _asking() as ask, _ping_pong() as ping:
            actions = {"ask": ask, "lock": ping}
            idle = interleaved(actions, rounds=effort.rounds, calls=calls)
            with _busy_thread():
                busy = interleaved(actions, rounds=effort.rounds, calls=max(2, calls // 2))
    finally:
        sys.setswitchinterval(before)
    return [
        *_rows("idle", idle["ask"], idle["lock"], promised=False),
        *_rows("beside a busy thread", busy["ask"], busy["lock"], promised=True),
    ]


def _rows(when: str, ask: Timings, lock: Timings, *, promised: bool) -> list[Row]:
    return [
        Row(
            what=f"ask, {when}, p50",
            ours=ask.median,
            unit="us",
            against="lock ping-pong",
            theirs=lock.median,
            ratio=ask.times(lock),
        ),
        Row(
            what=f"ask, {when}, p99",
            ours=ask.p99,
            unit="us",
            against="lock ping-pong",
            theirs=lock.p99,
            ratio=ask.p99 / lock.p99,
            target="<= 1 ms" if promised else "",
            met=ask.p99 <= P99_TARGET_US if promised else None,
        ),
    ]


@contextmanager
def _asking() -> Generator[Action]:
    runtime, timers = ThreadRuntime(), ThreadTimers()
    clock = SystemClock()
    system = System(
        runtime=runtime,
        clock=clock,
        timers=timers,
        entropy=SystemEntropy(),
        routes=Routes(by_type={}),
    )
    system.address("supervisor").is_open = True
    address = system.address("echo")
    address.is_open = True
    _Echo.start(Context("echo", 1, system))
    try:
        yield lambda: address.ask(GetExecution(at=clock.now()), timeout=5)
    finally:
        system.incumbents["echo"].request_stop()
        runtime.join(5)
        timers.close()


@contextmanager
def _ping_pong() -> Generator[Action]:
    ping, pong, over = threading.Lock(), threading.Lock(), threading.Event()
    ping.acquire()
    pong.acquire()

    def answer() -> None:
        while not over.is_set():
            ping.acquire()
            pong.release()

    def once() -> None:
        ping.release()
        pong.acquire()

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    try:
        yield once
    finally:
        over.set()
        ping.release()
        thread.join()


@contextmanager
def _busy_thread() -> Generator[None]:
    is_over = False

    def count() -> None:
        number = 0
        while not is_over:
            number += 1

    thread = threading.Thread(target=count, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over = True
        thread.join()
