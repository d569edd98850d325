"""The process around the actors: signals in, exit code out, and a last watch on the root."""

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from enum import IntEnum
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

import structlog
from pykka import Future, Timeout

from actors.messages.lifecycle import StopAll

if TYPE_CHECKING:
    from actors.kernel.system import System

ROOT_HANG_SECONDS = 30.0
"""A root that works on one message for longer cannot watch anybody; the process ends."""

POLL_SECONDS = 0.5
LAST_WORDS = "last-words"
LAST_WORDS_SECONDS = 5.0
"""What is still said of an end may take so long: the log itself may be what hangs."""


class ExitCode(IntEnum):
    """What supervisord (and a person) learns from the end of the process."""

    OK = 0
    FAILED = 1
    GAVE_UP = 70
    HUNG = 71
    RESTART = 74
    """A person asked for a new start: supervisord gives it."""
    ALREADY_RUNNING = 75
    NOT_CLEARED = 76
    SETTINGS_INVALID = 78


def dump_threads(reason: str) -> None:
    """Logs the stack of every thread, one line each. For SIGUSR1 and for hangs."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    log = structlog.get_logger().bind(actor="kernel")
    for ident, frame in sys._current_frames().items():  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] (documented for debuggers)
        if names.get(ident) == LAST_WORDS:
            continue  # this one, which does nothing else
        stack = "".join(traceback.format_stack(frame))
        log.warning("thread_dump", reason=reason, thread=names.get(ident, "?"), stack=stack)


def bounded(act: Callable[[], object]) -> None:
    """Says the last words on a thread of their own, and waits for them only so long."""
    _speak(act).join(LAST_WORDS_SECONDS)


def _speak(act: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=act, name=LAST_WORDS, daemon=True)
    thread.start()
    return thread


def _install_signals(system: "System", supervisor: str) -> None:
    seen: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        if number in seen and number == signal.SIGINT:
            # A second Ctrl-C: the person does not want to wait. Stops stay on the venue.
            os._exit(128 + number)
        seen.append(number)
        reason = f"signal {signal.Signals(number).name}"
        system.address(supervisor).tell(StopAll(at=system.clock.now(), reason=reason))

    def dump(number: int, _: FrameType | None) -> None:
        # Not here: this thread may be in the middle of a line of the log, and hold its lock.
        reason = signal.Signals(number).name
        _speak(partial(dump_threads, reason))

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    # A terminal that was closed (ssh breaks) is an order too, unless nohup had it ignored.
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, stop)
    if hasattr(signal, "SIGUSR1"):
        signal.signal(signal.SIGUSR1, dump)


def run(
    system: "System",
    finished: Future[int],
    *,
    supervisor: str = "supervisor",
    abandon: Callable[[int], None] = os._exit,
    beat: Callable[[], None] = lambda: None,
) -> int:
    """Keeps the main thread until the supervisor is finished; returns the exit code.

    ``beat`` is called over and over while the root is well: a sign of life for who watches from
    outside. It must not raise and not wait.
    A root that hangs, or is gone without having finished, is left behind: threads are dumped
    and the process ends at once through ``abandon``.
    """
    _install_signals(system, supervisor)
    while True:
        try:
            return finished.get(timeout=POLL_SECONDS)
        except Timeout:
            fate = _fate_of_root(system, finished, supervisor)
            if fate is not None:
                code, reason = fate
                if reason:
                    bounded(partial(dump_threads, reason))
                    abandon(code)
                return code
            beat()


def _fate_of_root(
    system: "System", finished: Future[int], supervisor: str
) -> tuple[int, str] | None:
    """The exit code that is left when the root cannot give one, and why; None while it is well.

    Without a reason where it has given one just now.
    """
    root = system.incumbents.get(supervisor)
    if root is None:
        return None
    if root.has_ended:
        try:
            return finished.get(timeout=0), ""
        except Timeout:
            return int(ExitCode.GAVE_UP), "the supervisor is gone"
    since = root.working_since
    if since is not None and system.clock.monotonic() - since > ROOT_HANG_SECONDS:
        return int(ExitCode.HUNG), "the supervisor hangs"
    return None
