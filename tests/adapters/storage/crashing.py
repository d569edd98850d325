"""Writers that are killed or starved, run as a process of their own by the tests.

``kill <book|journal> <folder> <kills>`` forks writers one after another, kills each with
SIGKILL at an arbitrary moment and checks what it had reported as done; prints the number of
kills survived. ``starve <book|journal> <folder>`` writes until a file size limit stops it
(a full disk in miniature) and checks that nothing half-done is left.
"""

import os
import random
import resource
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from adapters.clock import SystemClock
from adapters.storage.book import open_book
from adapters.storage.chain import verify
from adapters.storage.journal import DayJournal

NOW = datetime(2026, 11, 20, tzinfo=UTC)
LIMIT = 40_000


def write_book(folder: Path, start: int, pipe: int) -> None:
    """Puts rising numbers into a book whose size goes up and down; reports each that returned."""
    book = open_book(folder / "registry.json", NOW)
    for number in range(start, start + 100_000):
        filler = "x" * random.Random(number).randrange(30_000)  # noqa: S311 - only a size
        book.put("trades", f"t{number % 3}", {"number": number, "filler": filler})
        os.write(pipe, number.to_bytes(4, "big"))


def check_book(folder: Path, acknowledged: int) -> int:
    """The highest number in the book, which must be readable and no older than reported."""
    book = open_book(folder / "registry.json", NOW)
    numbers = [document["number"] for document in book.load().get("trades", {}).values()]
    book.close()
    found = max(numbers, default=0)
    assert acknowledged <= found <= acknowledged + 1, (acknowledged, found)
    assert [file.name for file in folder.iterdir()] == ["registry.json"]
    return found


def write_journal(folder: Path, start: int, pipe: int) -> None:
    """Appends rising numbers, some durably; reports each that returned."""
    journal = DayJournal(folder, SystemClock())
    for number in range(start, start + 100_000):
        journal.append({"number": number, "filler": "x" * (number % 900)}, durable=number % 7 == 0)
        os.write(pipe, number.to_bytes(4, "big"))


def check_journal(folder: Path, acknowledged: int) -> int:
    """The last number in the journal, whose chain must be whole and no shorter than reported."""
    journal = DayJournal(folder, SystemClock())
    numbers = [entry["number"] for entry in journal.entries()]
    journal.close()
    assert verify(folder).ok, verify(folder)
    assert numbers == list(range(1, len(numbers) + 1))
    assert acknowledged <= len(numbers) <= acknowledged + 1
    return len(numbers)


KINDS = {"book": (write_book, check_book), "journal": (write_journal, check_journal)}


def kill(kind: str, folder: Path, kills: int) -> None:
    """Forks, kills and checks ``kills`` writers."""
    write, check = KINDS[kind]
    chance, last = random.Random(7), 0  # noqa: S311 - repeatable moments
    for _ in range(kills):
        reports, pipe = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reports)
            write(folder, last + 1, pipe)
            os._exit(1)
        os.close(pipe)
        for _ in range(chance.randrange(1, 12)):
            last = int.from_bytes(os.read(reports, 4), "big")
        SystemClock().sleep(chance.uniform(0, 0.0008))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        while report := os.read(reports, 4):
            last = int.from_bytes(report, "big")
        os.close(reports)
        last = check(folder, last)
    sys.stdout.write(f"{kills} kills\n")


def starve_book(folder: Path) -> None:
    """Fills a book until the limit stops it; the last put must have left no trace."""
    book = open_book(folder / "registry.json", NOW)
    number = 0
    try:
        for number in range(1000):
            book.put("trades", f"t{number}", {"number": number, "filler": "x" * 900})
    except OSError:
        before = book.load()
        assert f"t{number}" not in before["trades"]
        book.remove("trades", "t0")
        book.put("trades", "small", {})
        book.close()
        again = open_book(folder / "registry.json", NOW)
        del before["trades"]["t0"]
        assert again.load()["trades"] == {**before["trades"], "small": {}}
        sys.stdout.write(f"stopped at {number}\n")


def starve_journal(folder: Path) -> None:
    """Appends until the limit stops it; the chain must stay whole and go on once there is room."""
    journal, number = DayJournal(folder, SystemClock()), 0
    try:
        for number in range(1, 1000):
            journal.append({"number": number, "filler": "x" * 900}, durable=False)
    except OSError:
        assert verify(folder).entries == number - 1
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        journal.append({"number": number}, durable=True)
        result = verify(folder)
        assert result.ok, result
        assert result.entries == number
        sys.stdout.write(f"stopped at {number}\n")


def main() -> None:
    what, kind, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    if what == "kill":
        kill(kind, folder, int(sys.argv[4]))
        return
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, resource.RLIM_INFINITY))
    {"book": starve_book, "journal": starve_journal}[kind](folder)


if __name__ == "__main__":
    main()
