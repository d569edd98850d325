"""The collector as a process, against a local Binance that makes trouble, under kill -9.

The quick form lasts seconds; the long form is an hour of market time at 20x with 30 kills. In
both, another process asks the archive over and over, and must be answered every time.
"""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

import pytest

from adapters.clock import SystemClock
from tests.adapters.archive.samples import expected, query, rows
from tests.adapters.binance.double import Double, Trouble
from tests.adapters.binance.tape import FIRST_ID, Tape
from tests.endtoend.bulwark import RUN, wait_for

TROUBLE = Trouble(drop=0.002, twice=0.002, swap=0.01, garbage=0.0005, disconnect=0.002, refuse=0.05)
SPEED = 20.0
_clock = SystemClock()

READER = """
import duckdb, json, os, sys
asked, last = 0, 0
print(json.dumps({"ready": True}), flush=True)

def opened():
    for attempt in range(5):
        before = os.stat(CATALOGUE).st_ino
        try:
            return duckdb.connect(CATALOGUE)
        except duckdb.IOException:
            if os.stat(CATALOGUE).st_ino == before:
                raise
    raise SystemExit("replaced whenever it was opened")

CATALOGUE = "data/raw/binance_ticks.duckdb"
while True:
    with opened() as archive:
        rows, distinct = archive.execute(
            "SELECT COUNT(*), COUNT(DISTINCT (symbol, agg_id)) FROM agg_trades"
        ).fetchone()
    assert rows == distinct, f"{rows} rows, {distinct} ids"
    assert rows >= last, f"{rows} rows after {last}"
    asked, last = asked + 1, rows
    print(json.dumps({"asked": asked, "rows": rows}), flush=True)
    if sys.stdin.read(1) != "n":
        break
"""
"""Another program: opens, asks, closes, whenever it is told to; ends at the first failure.

It opens as docs/archive.md asks for, again when the catalogue was replaced under it.
"""


class Reader:
    """That program, asked again by `ask`."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", READER],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._line()
        self._answer = self._line()

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, "a reader was refused, or saw a row twice, or rows vanish"
        return json.loads(line)

    def ask(self) -> int:
        assert self._process.stdin
        self._process.stdin.write("n")
        self._process.stdin.flush()
        self._answer = self._line()
        return int(self._answer["rows"])

    def finish(self) -> int:
        """Ends it; how often it was answered."""
        assert self._process.stdin
        self._process.stdin.close()
        assert self._process.wait(10) == 0
        return int(self._answer["asked"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._process:
            self._process.kill()


@contextmanager
def collecting(folder: Path, venue: Double, *more: str) -> Generator[subprocess.Popen[bytes]]:
    """The collector; killed at the end if it still runs."""
    environment = {
        "PATH": os.environ["PATH"],
        "DATA_DIR": "data",
        "LOG_DIR": "logs",
        "COLLECT_SYMBOLS": ",".join(venue.tapes),
        **venue.settings,
    }
    command = [sys.executable, str(RUN), "collect", "--no-positioning", *more]
    with (folder / "output").open("ab") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def tapes(seconds: float) -> list[Tape]:
    """Two symbols, so many seconds long at the speed of the test, 30 and 15 ticks a second."""
    now_ms = int(_clock.now().timestamp() * 1000)
    count = int(seconds * SPEED * 30)
    return [
        Tape.make("BTCUSDT", count, now_ms - 7_200_000, seed=3),
        Tape.make("spot:ETHUSDT", count // 2, now_ms - 7_200_000, seed=4, pace=2),
    ]


def survive(folder: Path, venue: Double, kills: int, every: float, ask_every: float) -> int:
    """Kills the collector so many times while the venue goes on; how often was asked."""
    chance = random.Random(5)  # noqa: S311 - kills must repeat
    with ExitStack() as stack:
        reader: Reader | None = None
        for number in range(kills + 1):
            last = number == kills
            with collecting(folder, venue) as process:
                wait_for((folder / "data/raw/binance_ticks.duckdb").exists, "a catalogue", 60)
                reader = reader or stack.enter_context(Reader(folder))
                wait_for(lambda asked=reader: asked.ask() > 0, "the first ticks", 60)
                until = _clock.monotonic() + every * chance.uniform(0.7, 1.3)
                while _clock.monotonic() < until or (last and not is_whole(folder, venue)):
                    assert process.poll() is None, (folder / "output").read_text()[-2_000:]
                    assert _clock.monotonic() < until + 120, "it never became whole"
                    reader.ask()
                    _clock.sleep(ask_every)
                process.send_signal(signal.SIGTERM if last else signal.SIGKILL)
                process.wait(20)
        assert reader
        return reader.finish()


def is_whole(folder: Path, venue: Double) -> bool:
    """Whether the venue has ended and everything is there, as far as counts say."""
    root = folder / "data/raw"
    ends = dict(query(root, "SELECT symbol, max(agg_id) FROM agg_trades GROUP BY symbol"))
    wanted = {symbol: FIRST_ID + len(tape) - 1 for symbol, tape in venue.tapes.items()}
    return venue.is_over and ends == wanted and query(root, "FROM holes") == []


def equals_the_source(folder: Path, venue: Double) -> None:
    """Row for row, from the first tick that was ever seen to the last there is."""
    for symbol, tape in venue.tapes.items():
        found = rows(folder / "data/raw", symbol)
        assert len(found) > len(tape) // 2
        assert found == expected(tape.ticks)[len(tape) - len(found) :]


def test_the_archive_equals_the_source_after_kills(tmp_path: Path) -> None:
    """Dropped, doubled, swapped and broken frames, lost lines, bans, two kill -9: all is there."""
    with Double(tapes(10), speed=SPEED, begin=100, trouble=TROUBLE, seed=7) as venue:
        asked = survive(tmp_path, venue, kills=2, every=4.0, ask_every=0.3)
    equals_the_source(tmp_path, venue)
    assert asked > 5
    assert venue.seen.too_early == 0, "the venue was asked during a ban, by a process started anew"


@pytest.mark.slow
def test_an_hour_at_twenty_times_with_thirty_kills(tmp_path: Path) -> None:
    """The long form; ``COLLECT_TEST_SECONDS`` shortens its 180 seconds."""
    seconds = float(os.environ.get("COLLECT_TEST_SECONDS", "180"))
    with Double(tapes(seconds), speed=SPEED, begin=100, trouble=TROUBLE, seed=8) as venue:
        kills = max(2, round(seconds / 6))
        asked = survive(tmp_path, venue, kills=kills, every=seconds / kills, ask_every=1.0)
        sizes = {symbol: len(tape) for symbol, tape in venue.tapes.items()}
    equals_the_source(tmp_path, venue)
    print(f"\n{sizes} ticks, {kills} kills, {asked} questions, {venue.seen}")


def test_a_duration_ends_with_a_summary(tmp_path: Path) -> None:
    """As JSON for programs; what is in it is in the archive."""
    with (
        Double(tapes(6), speed=SPEED, begin=100) as venue,
        collecting(tmp_path, venue, "--duration", "2", "--json") as process,
    ):
        assert process.wait(30) == 0
    output = (tmp_path / "output").read_text().splitlines()
    (summary,) = (json.loads(line) for line in output if line.startswith("{"))
    assert summary["stored"] > 100
    assert query(tmp_path / "data/raw", "SELECT count(*) FROM agg_trades") == [(summary["stored"],)]


def test_a_wrong_symbol_is_an_error_at_the_start(tmp_path: Path) -> None:
    """It names the symbol, ends with 78, and nothing is written."""
    with (
        Double(tapes(1)) as venue,
        collecting(tmp_path, venue, "--symbol", "BTCUSDX") as process,
    ):
        assert process.wait(30) == 78
    assert "BTCUSDX" in (tmp_path / "output").read_text()
    assert query(tmp_path / "data/raw", "SELECT count(*) FROM agg_trades") == [(0,)]


def test_a_second_collector_on_the_folder_is_refused(tmp_path: Path) -> None:
    """It says which process is at work, and ends with 75."""
    with Double(tapes(6), speed=SPEED) as venue, collecting(tmp_path, venue) as first:
        wait_for((tmp_path / "data/raw/binance_ticks.duckdb").exists, "a catalogue", 20)
        with collecting(tmp_path, venue) as second:
            assert second.wait(30) == 75
        assert f"process {first.pid}" in (tmp_path / "output").read_text()
