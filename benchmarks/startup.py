"""How long the bot takes from its start to `ready`, and what it weighs when idle.

`python run.py` as a process against a paper exchange that is already running, on an empty
folder, without strategies. The clock runs from before the process is made to the moment the
event `ready` stands in its log. Resident memory is read some seconds later. The floor is what
the same interpreter takes to start and end without doing anything, and weighs while waiting.
"""

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from benchmarks.exchange import paper_exchange
from benchmarks.measuring import Effort, now, pause
from benchmarks.rows import Row

ROUNDS = 3
IDLE_SECONDS = 4.0
TARGET_SECONDS = 1.5
TARGET_MIB = 90.0
_GIVE_UP_SECONDS = 30.0
_RUN = Path(__file__).resolve().parent.parent / "run.py"


def run(effort: Effort) -> list[Row]:
    """Start to ready, and resident memory."""
    rounds = ROUNDS if effort.is_full else 1
    idle = IDLE_SECONDS if effort.is_full else 0.0
    folder = effort.folder / "startup"
    with paper_exchange(folder) as port:
        taken = [_start(folder / f"bot-{n}", port, idle) for n in range(rounds)]
    floors = [_bare_start() for _ in range(rounds)]
    seconds, weight = median(x for x, _ in taken), median(x for _, x in taken)
    bare = _bare_weight()
    return [
        Row(
            what="start of run.py to ready",
            ours=seconds,
            unit="s",
            against="bare interpreter, start and end",
            theirs=median(floors),
            ratio=seconds / median(floors),
            target=f"<= {TARGET_SECONDS:g} s",
            met=seconds <= TARGET_SECONDS,
        ),
        Row(
            what="resident memory of the idle bot",
            ours=weight,
            unit="MiB",
            against="bare interpreter",
            theirs=bare,
            ratio=weight / bare,
            target=f"<= {TARGET_MIB:g} MiB",
            met=weight <= TARGET_MIB,
        ),
    ]


@contextmanager
def _bot(folder: Path, port: int) -> Generator[subprocess.Popen[bytes]]:
    """The bot's process; its own folder keeps the settings of the checkout away from it."""
    folder.mkdir(parents=True)
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    settings = {
        "DERIBIT_ENV": "paper",
        "PAPER_PORT": str(port),
        "DATA_DIR": "data",
        "LOG_DIR": "logs",
        "STRATEGIES": "none",
    }
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, str(_RUN)],
            cwd=folder,
            env=kept | settings,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(_GIVE_UP_SECONDS)


def _start(folder: Path, port: int, idle: float) -> tuple[float, float]:
    """Seconds to ready, and MiB resident when it has been idle for a while."""
    began = now()
    log = folder / "logs" / "bot.log"
    with _bot(folder, port) as process:
        while not (log.exists() and b'"event":"ready"' in log.read_bytes()):
            if process.poll() is not None or now() - began > _GIVE_UP_SECONDS:
                raise RuntimeError(f"not ready: {(folder / 'output.txt').read_text()[-2000:]}")
            pause(0.003)
        seconds = now() - began
        pause(idle)
        return seconds, _resident_mib(process.pid)


def _resident_mib(pid: int) -> float:
    command = ("ps", "-o", "rss=", "-p", str(pid))
    return int(subprocess.run(command, capture_output=True, check=True).stdout) / 1024


def _bare_start() -> float:
    began = now()
    subprocess.run((sys.executable, "-c", "pass"), check=True)
    return now() - began


def _bare_weight() -> float:
    command = (sys.executable, "-c", "input()")
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        pause(0.2)
        weight = _resident_mib(process.pid)
        process.communicate(b"\n")
    return weight
