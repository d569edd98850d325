"""The journal's line format: every line names the hash of the one before and carries its own.

A line is one JSON object, ``{"seq": n, "prev": "...", <the entry>, "hash": "..."}``. ``hash``
is always last and is the SHA-256 of the line's bytes without that member (the object closed
again), so it can be checked without agreeing on a canonical form of JSON. ``prev`` is the hash
of the line before, across files and restarts; the first line's is sixty-four zeros.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from domain.plain import plain

GENESIS = "0" * 64
RESERVED = frozenset({"seq", "prev", "hash"})
_SEAL = re.compile(rb',"hash":"([0-9a-f]{64})"\}')
_SEAL_LENGTH = 75
_DAY = re.compile(r"\d{4}-\d\d-\d\d\.jsonl")


Unreadable = Callable[[Path, OSError], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """Where a journal stops being trustworthy: file name, line number from 1, and why."""

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyResult:
    """What checking a journal found.

    ``entries`` good lines were read before ``first_bad``. ``first_seq`` above 1 means older
    days are not in the folder; ``head`` is the last good hash, to compare with a noted one,
    which is the only way to notice that the newest lines were cut off.
    """

    ok: bool
    entries: int
    first_bad: Flaw | None
    first_seq: int
    head: str


def seal(seq: int, prev: str, entry: Mapping[str, Any]) -> tuple[bytes, str]:
    """The line for ``entry``, newline included, and its hash. Unknown values become text."""
    try:
        body = orjson.dumps({"seq": seq, "prev": prev, **entry}, default=str)
    except TypeError:
        body = orjson.dumps(plain({"seq": seq, "prev": prev, **entry}))
    digest = hashlib.sha256(body).hexdigest()
    return b'%b,"hash":"%b"}\n' % (body[:-1], digest.encode()), digest


def read_line(line: bytes) -> dict[str, Any] | None:
    """The line as an object, if it is a sealed one (whether or not its hash is right)."""
    if _SEAL.fullmatch(line.rstrip(b"\n")[-_SEAL_LENGTH:]) is None:
        return None
    try:
        entry = orjson.loads(line)
    except ValueError:
        return None
    sealed = isinstance(entry.get("seq"), int) and isinstance(entry.get("prev"), str)
    return entry if sealed else None


def days(folder: Path) -> list[Path]:
    """The journal's files, oldest first."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _DAY.fullmatch(path.name))


def strict(_: Path, error: OSError) -> None:
    """What becomes of a file that cannot be read: the reading fails."""
    raise error


def read(
    folder: Path, last: int | None = None, unreadable: Unreadable = strict
) -> Iterator[dict[str, Any]]:
    """Every readable entry, oldest first, one at a time; unreadable lines are left out.

    With ``last``, those of that many files at the end. A file that cannot be read, or no further,
    is handed to ``unreadable`` and left out, should that return.
    """
    files = days(folder)
    for path in files if last is None else files[-last:]:
        for line in _whole_lines(path, unreadable):
            if (entry := read_line(line)) is not None:
                yield entry


def _whole_lines(path: Path, unreadable: Unreadable) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            yield from (line for line in file if line.endswith(b"\n"))
    except OSError as error:
        unreadable(path, error)


def find(
    folder: Path,
    events: frozenset[str],
    text: str,
    last: int,
    unreadable: Unreadable = strict,
) -> Iterator[dict[str, Any]]:
    """Entries of these events, or those that mention ``text``, of the last files, oldest first.

    Lines that cannot be meant are not even parsed: a month is read in a tenth of a second.
    ``unreadable`` as in `read`.
    """
    needles = [f'"event":"{name}"'.encode() for name in events]
    needles += [orjson.dumps(text)[1:-1]] if text else []
    if not needles:
        return
    # One pass for all of them: a report looks for thirty, in days of ten thousands of lines.
    is_meant = re.compile(b"|".join(map(re.escape, needles))).search
    for path in days(folder)[-last:]:
        for line in _whole_lines(path, unreadable):
            if is_meant(line) is None:
                continue
            entry = read_line(line)
            if entry is not None and (text or entry.get("event") in events):
                yield entry


def verify(folder: Path) -> VerifyResult:
    """Follows the chain through all files.

    The unfinished last line of a journal in use is no flaw; a file that cannot be read is one.

    Raises:
        OSError: the folder itself cannot be read.
    """
    count, first_seq, seq, head = 0, 0, 0, GENESIS
    flaws: list[Flaw] = []
    for path, number, line in _lines(folder, flaws):
        expected = seq + 1 if count else None
        reason = _flaw(line, expected, head)
        if reason is not None:
            flaws.append(Flaw(file=path.name, line=number, reason=reason))
            break
        entry = orjson.loads(line)
        seq, head = entry["seq"], entry["hash"]
        first_seq = first_seq or seq
        count += 1
    bad = flaws[0] if flaws else None
    return VerifyResult(
        ok=bad is None, entries=count, first_bad=bad, first_seq=first_seq, head=head
    )


def _lines(folder: Path, flaws: list[Flaw]) -> Iterator[tuple[Path, int, bytes]]:
    """Every line, up to the first that cannot be read, which is a flaw."""
    files = days(folder)
    for path in files:
        number = 0
        try:
            with path.open("rb") as file:
                for number, line in enumerate(file, 1):
                    if line.endswith(b"\n") or path != files[-1]:
                        yield path, number, line
        except OSError as error:
            reason = f"it cannot be read: {error.strerror or error}"
            flaws.append(Flaw(file=path.name, line=number + 1, reason=reason))
            return


def _flaw(line: bytes, expected: int | None, head: str) -> str | None:
    """Why ``line`` is not the one that follows; None when it is. Any may come first."""
    entry = read_line(line)
    if entry is None or not line.endswith(b"\n"):
        return "not a sealed entry"
    body = line[: -_SEAL_LENGTH - 1] + b"}"
    if hashlib.sha256(body).hexdigest() != entry["hash"]:
        return "changed after it was written: the hash does not match"
    if expected is None:
        first = entry["seq"] == 1
        return "the first entry names a predecessor" if first and entry["prev"] != head else None
    if entry["seq"] != expected:
        return f"entry {expected} expected, {entry['seq']} found"
    if entry["prev"] != head:
        return "does not continue the line before"
    return None
