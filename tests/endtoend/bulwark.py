"""The real processes, started as a user starts them, and what they write.

Every process gets a folder of its own to work in, an environment made from nothing, and ends
with the test by its own process id.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self, TypeVar

from adapters.clock import SystemClock

ROOT = Path(__file__).parents[2]
RUN = ROOT / "run.py"
READY_SECONDS = 20.0
"""Far more than a start takes: the machine may be busy."""
END_SECONDS = 15.0
LOOK_EVERY = 0.005
NOWHERE = "http://127.0.0.1:9"

Found = TypeVar("Found")
Entry = dict[str, Any]
_clock = SystemClock()


def wait_for(look: Callable[[], Found | None], what: str, seconds: float = 15.0) -> Found:
    """What ``look`` gives as soon as it gives something; the only waiting in these tests.

    Raises:
        AssertionError: nothing within ``seconds``.
    """
    until = _clock.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if _clock.monotonic() > until:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        _clock.sleep(LOOK_EVERY)


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class LogFile:
    """A JSON lines file that somebody else writes; read on from where the last look ended."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: list[Entry] = []
        self._read = 0

    def look(self) -> list[Entry]:
        """Everything written so far; a line that is being written waits for the next look."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._read)
                whole, newline, _ = file.read().rpartition(b"\n")
        except FileNotFoundError:
            return self.entries
        self._read += len(whole) + len(newline)
        self.entries += [json.loads(line) for line in whole.splitlines()]
        return self.entries

    def all(self, event: str, since: int = 0, **fields: Any) -> list[Entry]:
        """Entries of that event with these fields, from entry ``since`` on."""
        return [
            entry
            for entry in self.look()[since:]
            if entry["event"] == event and all(entry.get(k) == v for k, v in fields.items())
        ]

    def wait(self, event: str, since: int = 0, seconds: float = 15.0, **fields: Any) -> Entry:
        """The first such entry, waited for."""
        return wait_for(
            lambda: next(iter(self.all(event, since, **fields)), None),
            f"{event} {fields or ''} in {self.path}; the last lines: {self.entries[-5:]}",
            seconds,
        )


class Sink:
    """A file for what a process prints; it may hold what its predecessors printed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._began = path.stat().st_size if path.exists() else 0

    @contextmanager
    def opened(self) -> Generator[int]:
        """A descriptor for the process."""
        with self._path.open("ab") as file:
            yield file.fileno()

    def text(self) -> str:
        return self._path.read_bytes()[self._began :].decode("utf-8", "replace")

    def close(self) -> None: ...


class Pipe:
    """A pipe for what a process prints, read whenever somebody wants to know."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._reading, False)
        self._read = b""

    @contextmanager
    def opened(self) -> Generator[int]:
        """A descriptor for the process; ours is closed afterwards, so that the end can be seen."""
        yield self._writing
        os.close(self._writing)

    def text(self) -> str:
        with suppress(BlockingIOError):
            while more := os.read(self._reading, 1 << 16):
                self._read += more
        return self._read.decode("utf-8", "replace")

    def close(self) -> None:
        os.close(self._reading)


class FullPipe(Pipe):
    """One that nobody reads, and that takes nothing more: a terminal after Ctrl-S."""

    def __init__(self) -> None:
        super().__init__()
        os.set_blocking(self._writing, False)
        with suppress(BlockingIOError):
            while True:
                os.write(self._writing, b"\0" * 4096)
        os.set_blocking(self._writing, True)

    def text(self) -> str:
        return ""


class Process:
    """One started process. ``pipe`` takes its output: no disk limit concerns it."""

    def __init__(
        self,
        folder: Path,
        arguments: Sequence[str],
        settings: Mapping[str, object],
        *,
        pipe: Pipe | None = None,
    ) -> None:
        """Starts ``run.py`` in ``folder``, with these settings as its environment."""
        folder.mkdir(parents=True, exist_ok=True)
        # A proxy of the environment must not stand between programs of one machine.
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "http_proxy": NOWHERE}
        # Two bots on one machine: each API has a port of its own.
        environment["API_PORT"] = str(free_port())
        environment |= {name: str(value) for name, value in settings.items()}
        self.api_port = int(environment["API_PORT"])
        self._output = pipe or Sink(folder / f"{'-'.join(arguments[:1]) or 'bot'}.out")
        with self._output.opened() as sink:
            self._process = subprocess.Popen(
                [sys.executable, str(RUN), *arguments],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid = self._process.pid

    def printed(self) -> str:
        """What this process has printed so far."""
        return self._output.text()

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self, seconds: float = END_SECONDS) -> int:
        """The exit code, once it has ended."""
        return self._process.wait(seconds)

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Ends it in order; the exit code."""
        self.send(number)
        return self.wait()

    def kill(self) -> None:
        """``kill -9``; it may have ended already."""
        self._process.kill()
        self._process.wait(END_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_running:
            self.kill()
        self._output.close()


class Bot(Process):
    """``python run.py`` in ``folder``, with the settings given."""

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, object],
        *,
        pipe: Pipe | None = None,
    ) -> None:
        self.log = LogFile(folder / "logs" / "bot.log")
        self._since = len(self.log.look())
        super().__init__(folder, (), settings, pipe=pipe)

    def all(self, event: str, **fields: Any) -> list[Entry]:
        """What this bot (not one before it in the same folder) has logged."""
        return self.log.all(event, self._since, **fields)

    def logged(self) -> list[Entry]:
        """Everything this bot has logged."""
        return self.log.look()[self._since :]

    def wait_for(self, event: str, seconds: float = 15.0, **fields: Any) -> Entry:
        """The first such event of this bot."""

        def look() -> Entry | None:
            found = next(iter(self.all(event, **fields)), None)
            assert found or self.is_running or self.all(event, **fields), self.printed()[-2000:]
            return found

        return wait_for(look, f"{event} {fields or ''}; printed: {self.printed()[-1500:]}", seconds)

    def wait_until(self, look: Callable[[], object], what: str, seconds: float = 15.0) -> None:
        """Until ``look`` is true; a bot that ends meanwhile is told of at once."""

        def looked() -> bool:
            assert self.is_running, self.printed()[-2000:]
            return bool(look())

        wait_for(looked, what, seconds)

    def ready(self) -> Entry:
        return self.wait_for("ready", READY_SECONDS)

    def __exit__(self, *_: object) -> None:
        exchanges = {entry["pid"] for entry in self.all("paper_exchange_started")}
        if self.is_running:  # it may have started one and not said so yet
            exchanges.add(child_of(self.pid))
        super().__exit__()
        for pid in exchanges - {0}:
            end_exchange(pid)


def end_exchange(pid: int) -> None:
    """Ends an embedded exchange that outlived its bot, and only it: it leads its own session."""
    try:
        if b"exchange" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
            os.kill(pid, signal.SIGKILL)
    except (FileNotFoundError, ProcessLookupError):
        return
    wait_for(lambda: not is_alive(pid), f"the end of the embedded exchange {pid}")


def child_of(pid: int) -> int:
    """The first process that ``pid`` started and that is still there; 0 for none."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    return int(children[0]) if children else 0


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


class Exchange(Process):
    """``python run.py exchange`` on a port of its own; its account is in ``folder``."""

    def __init__(
        self, folder: Path, port: int, *arguments: str, settings: Mapping[str, object] | None = None
    ) -> None:
        self.port = port
        self.log = LogFile(folder / "logs" / "exchange.log")
        since = len(self.log.look())
        options = ("exchange", "--port", str(port), *arguments)
        super().__init__(folder, options, settings or {})
        try:
            self.log.wait("paper_exchange_listening", since, READY_SECONDS)
        except BaseException:
            self.kill()
            raise


@contextmanager
def market(folder: Path, *arguments: str) -> Generator[Exchange]:
    """A paper exchange as a process of its own, ended with the block."""
    with Exchange(folder, free_port(), *arguments) as exchange:
        yield exchange


def at_exchange(exchange: Exchange, **settings: object) -> dict[str, object]:
    """Settings of a bot that trades there, often enough for a test."""
    return {"PAPER_PORT": exchange.port, **settings}
