"""Commands run as a person runs them, in this process: the command line, a folder, the output."""

import os
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from actors.ports import REBUILDING
from adapters.clock import SystemClock
from adapters.storage.book import TinyBook, open_book
from adapters.storage.journal import DayJournal
from run import app

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command left behind."""

    code: int
    output: str
    errors: str


def run(folder: Path, *arguments: str, settings: Mapping[str, object] | None = None) -> Ran:
    """The command in ``folder`` with these settings; its exit code and what it printed."""
    names = {name: None for name in os.environ if name.isupper() and name.startswith("DERIBIT_")}
    environ = {**names, **{name: str(value) for name, value in (settings or {}).items()}}
    with chdir(folder):
        result = CliRunner().invoke(app, list(arguments), env=environ)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ran(result.exit_code, result.stdout, result.stderr)


@contextmanager
def gone() -> Generator[int]:
    """An output whose reader went away, as ``| true`` does."""
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


@contextmanager
def full() -> Generator[int]:
    """An output that takes nothing: a file on a full disk."""
    with Path("/dev/full").open("wb") as file:
        yield file.fileno()


def begun(
    folder: Path,
    *arguments: str,
    settings: Mapping[str, object],
    output: int = subprocess.PIPE,
    errors: int = subprocess.PIPE,
) -> subprocess.Popen[bytes]:
    """The command as a process of its own, with these settings and nothing of ours."""
    return subprocess.Popen(
        [sys.executable, str(ROOT / "run.py"), *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **{name: str(x) for name, x in settings.items()}},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=errors,
    )


def run_into(
    output: int, folder: Path, *arguments: str, settings: Mapping[str, object], with_errors: bool
) -> Ran:
    """The command as a process of its own that writes to ``output``, its errors too where told."""
    errors = output if with_errors else subprocess.PIPE
    with begun(folder, *arguments, settings=settings, output=output, errors=errors) as process:
        try:
            _, told = process.communicate(timeout=60)
        finally:
            process.kill()
    return Ran(process.returncode, "", (told or b"").decode())


def sound_book(folder: Path) -> TinyBook:
    """The book of a bot on paper in ``folder``, which holds nothing and owes nothing."""
    book = open_book(folder / "data" / "paper" / "registry.json", SystemClock().now())
    book.remove(*REBUILDING)
    return book


def data_of_a_bot(folder: Path) -> Path:
    """``folder`` with what a bot that runs leaves: book, journal, spares, lock, its API's token."""
    data = folder / "data" / "paper"
    journal = DayJournal(data / "journal", SystemClock())
    for number in range(3):
        journal.append({"event": "ready", "trades": number}, durable=False)
    journal.close()
    (data / "registry.json").write_text("{}", "utf-8")
    for name in (".registry.json.0", "bot.lock", "pulse", "api.token", "api.new"):
        (data / name).write_text("transient", "utf-8")
    (folder / ".env").write_text("DERIBIT_ENV=paper\n", "utf-8")
    return folder
