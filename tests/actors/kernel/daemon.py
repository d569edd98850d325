"""A tiny daemon on real threads, run as a process of its own by `test_process`.

Its argument says what goes wrong. Its standard output is one JSON object per log line, and
``waiting`` once the main thread has begun to wait.
"""

import os
import sys
import threading
from typing import Any, ClassVar

import structlog
from pykka import ThreadingFuture

from actors.kernel import (
    Actor,
    ChildSpec,
    Context,
    HandlerTable,
    Supervisor,
    SupervisorPolicy,
    System,
    run,
)
from actors.kernel.runtime import ThreadRuntime
from actors.kernel.system import Routes
from actors.messages.lifecycle import ChildStopped
from adapters.clock import SystemClock, SystemEntropy, ThreadTimers
from tests.actors.kernel.support import Do, GetDone

POLICY = SupervisorPolicy(backoff_first=0.001, health_period=0.02)


class Worker(Actor):
    """Does what it is told and says when it ends."""

    def on_do(self, message: Do) -> None:
        message.action(self)

    def on_get_done(self, message: GetDone) -> Any:
        return message.action(self)

    def finish(self) -> None:
        self.log.info("ended")

    handlers: ClassVar[HandlerTable] = {Do: on_do, GetDone: on_get_done}


class Finished(ThreadingFuture[int]):
    """Says when it is first waited for: the signal handlers are installed by then."""

    has_said_so = False

    def get(self, *, timeout: float | None = None) -> int:
        if not self.has_said_so:
            self.has_said_so = True
            # Past the logger's lock: a signal may come while this very line is written.
            os.write(1, b'{"event": "waiting"}\n')
        return super().get(timeout=timeout)


def hang(_: object) -> None:
    """Never returns."""
    threading.Event().wait()


def fail(_: object) -> None:
    """Raises."""
    raise ValueError("boom")


def escalate(reason: str) -> None:
    """The alarm that needs no actor."""
    structlog.get_logger().info("escalated", reason=reason)


def go_wrong(system: System, mode: str) -> None:
    """Brings about what ``mode`` names; nothing for ``well``."""
    now = system.clock.now()
    if mode in {"hang", "hang-in-stop"}:
        system.address("b").tell(Do(at=now, action=hang))
    if mode == "storm":
        for _ in range(POLICY.intensity + 1):
            system.address("b").tell(Do(at=now, action=fail))
    if mode == "root":
        broken: Any = []
        system.address("supervisor").tell(ChildStopped(at=now, name=broken, incarnation=1))


def main(mode: str) -> int:
    """Starts three workers, then lets go wrong what shall; the exit code."""
    structlog.configure(
        processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer()],
        # One write per line, whatever Python buffers: the main thread writes past its lock.
        logger_factory=structlog.WriteLoggerFactory(sys.__stdout__),
    )
    timers, runtime, finished = ThreadTimers(), ThreadRuntime(), Finished()
    system = System(
        runtime=runtime,
        clock=SystemClock(),
        timers=timers,
        entropy=SystemEntropy(),
        routes=Routes({}),
    )
    is_hanging = mode == "hang"
    Supervisor.start(
        Context("supervisor", 1, system),
        children=[
            ChildSpec(name="a", actor=Worker, stop_budget=60.0),
            ChildSpec(
                name="b",
                actor=Worker,
                hang_after=0.1 if is_hanging else 60.0,
                stop_budget=0.1 if is_hanging else 60.0,
            ),
            ChildSpec(name="c", actor=Worker, stop_budget=60.0),
        ],
        policy=POLICY,
        escalate=escalate,
        finished=finished,
    )
    system.address("c").ask(GetDone(at=system.clock.now(), action=lambda _: None), timeout=30)
    go_wrong(system, mode)
    code = run(system, finished)
    left = runtime.join(0.5 if is_hanging else 60.0)
    timers.close()
    structlog.get_logger().info("left", threads=left)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
