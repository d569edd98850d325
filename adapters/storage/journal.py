"""The journal on disk: one file a day, append-only, hash-chained (format: `chain`)."""

import os
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import structlog
from structlog.typing import FilteringBoundLogger

from actors.ports import Clock
from adapters.storage.chain import GENESIS, RESERVED, days, find, read, read_line, seal, strict

_log: FilteringBoundLogger = structlog.get_logger(actor="journal")

_TAIL = 1 << 16


class AppendFile:
    """A file that grows by whole lines: what could not be written leaves no trace."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._size = os.fstat(self._descriptor).st_size
        self._soiled = False

    def append(self, line: bytes, *, durable: bool) -> None:
        """Adds ``line``; ``durable`` waits for the disk.

        Raises:
            OSError: the file is what it was (or will be, before the next line is added).
        """
        if self._soiled:
            self._truncate(self._size)
            self._soiled = False
        try:
            self._write(line)
            if durable:
                self.sync()
        except OSError:
            self._restore()
            raise
        self._size += len(line)

    def sync(self) -> None:
        """Brings everything added so far to disk."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)

    def _restore(self) -> None:
        try:
            self._truncate(self._size)
        except OSError:
            self._soiled = True

    def _write(self, line: bytes) -> None:
        left = memoryview(line)
        while left:  # a nearly full disk takes a part, then refuses
            left = left[os.write(self._descriptor, left) :]

    def _truncate(self, size: int) -> None:
        os.ftruncate(self._descriptor, size)


class Syncs:
    """Bringing to disk what is no `AppendFile`: a file that is open, the names in a folder."""

    def file(self, file: BinaryIO) -> None:
        file.flush()
        os.fsync(file.fileno())

    def folder(self, folder: Path) -> None:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


_SYNCS = Syncs()


class DayJournal:
    """`actors.ports.Journal` in ``folder/YYYY-MM-DD.jsonl``, days in UTC.

    The day is that of the entry's own ``ts`` (ISO text or datetime; the clock's where it has
    none). It never goes back: an entry that is late for its day stands in the file of the day
    it arrived, so that the order of lines is the order of the chain. A torn tail left by a
    crash is moved to ``YYYY-MM-DD.torn`` on opening (without room for it, dropped).
    """

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        open_file: Callable[[Path], AppendFile] = AppendFile,
        syncs: Syncs = _SYNCS,
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._open_file = open_file
        self._syncs = syncs
        self._lock = threading.Lock()
        self._file: AppendFile | None = None
        self._day = ""
        self._seq, self._head = 0, GENESIS
        self._unreadable: dict[str, str] = {}
        self._tell: Callable[[str, str], None] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self._recover()

    def append(self, entry: Mapping[str, Any], *, durable: bool) -> None:
        """Adds one entry; with ``durable`` it, and all before it, are on disk on return.

        Values JSON has no form for become text (a Decimal its digits).

        Raises:
            OSError: it was not added.
            ValueError: it uses a name of the chain (``seq``, ``prev``, ``hash``).
        """
        if not RESERVED.isdisjoint(entry):
            raise ValueError(f"{sorted(RESERVED)} belong to the chain")
        with self._lock:
            now = self._time_of(entry)
            if "ts" not in entry:
                entry = {"ts": now, **entry}
            file = self._file_for(now)
            line, digest = seal(self._seq + 1, self._head, entry)
            file.append(line, durable=durable)
            self._seq += 1
            self._head = digest

    def entries(self, *, days: int | None = None) -> Iterator[Mapping[str, Any]]:
        """Everything readable, oldest first, one at a time; a torn last line is left out.

        With ``days``, only that many of the last days that have any; a file that cannot be read is
        passed over and told of. Without, it raises `OSError` on the way: a kill may stand in it.
        """
        return read(self._folder, days, strict if days is None else self._passed_over)

    def find(
        self, *, events: Collection[str] = (), text: str = "", days: int
    ) -> Sequence[Mapping[str, Any]]:
        """Entries of these events, or those that mention ``text``, oldest first.

        A file that cannot be read is passed over and told of.
        """
        return list(find(self._folder, frozenset(events), text, days, self._passed_over))

    def tell_unreadable(self, tell: Callable[[str, str], None]) -> None:
        """``tell`` hears of each file that cannot be read once: its name, and why."""
        with self._lock:
            self._tell = tell
            known = list(self._unreadable.items())
        for file, error in known:
            tell(file, error)

    def _passed_over(self, path: Path, error: OSError) -> None:
        with self._lock:
            is_news = path.name not in self._unreadable
            why = self._unreadable.setdefault(path.name, error.strerror or str(error))
            tell = self._tell
        if is_news:
            _log.error("journal_file_passed_over", file=path.name, error=why)
            if tell is not None:
                tell(path.name, why)

    def close(self) -> None:
        """Brings the last entries to disk and lets go of the file."""
        with self._lock:
            if self._file is not None:
                file, self._file = self._file, None
                try:
                    file.sync()
                finally:
                    file.close()

    def _time_of(self, entry: Mapping[str, Any]) -> datetime:
        moment = entry.get("ts")
        if isinstance(moment, str):
            try:
                moment = datetime.fromisoformat(moment)
            except ValueError:
                moment = None
        if not isinstance(moment, datetime):
            return self._clock.now()
        return moment.astimezone(UTC) if moment.tzinfo else moment

    def _file_for(self, moment: datetime) -> AppendFile:
        day = max(self._day, moment.date().isoformat())
        if self._file is not None and day == self._day:
            return self._file
        opened = self._open_file(self._folder / f"{day}.jsonl")
        try:
            self._syncs.folder(self._folder)
            if self._file is not None:
                self._file.sync()  # the chain leads from there: no later entry may outlive it
        except OSError:
            opened.close()
            raise
        if self._file is not None:
            self._file.close()
        self._file, self._day = opened, day
        return opened

    def _recover(self) -> None:
        """Finds the end of the chain, and moves what a crash left behind it out of the way.

        A predecessor that was killed may have left lines that are not on disk yet. The chain goes
        on from there, perhaps in tomorrow's file, so they are brought to disk first. A file of an
        earlier day that cannot be read is passed over, and the chain has a gap there: `verify`
        says so. Today's is needed, since it is written on.

        Raises:
            OSError: what the chain goes on from cannot be read, cut or brought to disk.
        """
        files = days(self._folder)
        today = self._clock.now().date().isoformat()
        for path in reversed(files):
            try:
                with path.open("rb") as file:
                    end, last = _last_sealed(file)
                    is_torn = end < file.seek(0, os.SEEK_END)
            except OSError as error:
                if path.stem >= today:
                    raise
                self._passed_over(path, error)
                continue
            if is_torn:
                self._set_aside(path, end)
            with path.open("rb") as file:
                self._syncs.file(file)
            if last is not None:
                self._seq, self._head = last["seq"], last["hash"]
                break
        self._day = files[-1].stem if files else ""

    def _set_aside(self, path: Path, end: int) -> None:
        """Moves what stands behind the last sealed line to a file of its own.

        Where that cannot be written (a full disk) it is dropped: no sealed line is in it, and
        whoever guards open positions must start all the same.
        """
        torn = path.with_suffix(".torn")
        with path.open("rb+") as file:
            file.seek(end)
            tail = file.read()
            try:
                with torn.open("ab") as aside:
                    aside.write(tail + b"\n")
                    self._syncs.file(aside)
                self._syncs.folder(torn.parent)
            except OSError as error:
                _log.warning(
                    "journal_tail_dropped", file=path.name, size=len(tail), error=str(error)
                )
            else:
                _log.warning("journal_tail_set_aside", file=torn.name, size=len(tail))
            file.truncate(end)
            self._syncs.file(file)


def _last_sealed(file: BinaryIO) -> tuple[int, dict[str, Any] | None]:
    """Where the last sealed line of ``file`` ends, and that line; 0 and None without one."""
    size = file.seek(0, os.SEEK_END)
    span = _TAIL
    while True:
        start = max(0, size - span)
        file.seek(start)
        tail = file.read(size - start)
        newline = tail.rfind(b"\n")
        while newline >= 0:
            begin = tail.rfind(b"\n", 0, newline) + 1
            whole = begin > 0 or start == 0
            if whole and (entry := read_line(tail[begin:newline])) is not None:
                return start + newline + 1, entry
            newline = begin - 1
        if start == 0:
            return 0, None
        span *= 4
