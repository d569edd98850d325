"""One durable change of the book with 100 open trades, at any amount of history behind it.

Ours is `TinyBook.put` of one realistic trade record into a book of 100 such trades, after which
it is on disk, atomically. Closed trades have left for the journal, so history is a journal of
that many closing events beside the book. The peer is TinyDB with its stock `JSONStorage`, which
has no other place for history: it holds the closed trades as documents and updates one of them
by id, its cheapest write (it syncs, but writes in place: a ``kill -9`` can leave garbage). The
floor is writing a file of the book's size in place and syncing it. All on the same disk.
"""

import os
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast

from pydantic import TypeAdapter
from tinydb import TinyDB
from tinydb.table import Document

from adapters.clock import SystemClock
from adapters.storage.book import open_book
from adapters.storage.journal import DayJournal
from benchmarks.measuring import Effort, Timings, interleaved
from benchmarks.rows import Row
from benchmarks.samples import NOON, trade
from domain.trade import Trade

CALLS = 8
TURNS = 4
OPEN_TRADES = 100
HISTORIES = (10, 100, 1_000, 100_000)
PEER_HISTORIES = (10, 100, 1_000, 10_000)
PEER_ROUNDS = 3
FLOOR_TARGET = 3.0
FLAT_TARGET = 1.15
"""Flat: the slowest history within this factor of the fastest. Disks are no steadier."""

_TRADE = TypeAdapter(Trade)
Action = Callable[[], object]


def run(effort: Effort) -> list[Row]:
    """Commits at growing history, against the disk's floor and stock TinyDB."""
    folder = effort.folder / "commit"
    histories = HISTORIES if effort.is_full else HISTORIES[:2]
    trades = OPEN_TRADES if effort.is_full else 5
    with ExitStack() as stack:
        ours = {
            f"{count}": stack.enter_context(_our_book(folder / f"ours-{count}", trades, count))
            for count in histories
        }
        size = (folder / f"ours-{histories[0]}" / "registry.json").stat().st_size
        floor = stack.enter_context(synced_file(folder / "floor", size))
        actions = {"floor": floor, **ours}
        # Short rounds: the disk's moods change by the second.
        rounds = TURNS * effort.rounds if effort.is_full else 1
        taken = interleaved(actions, rounds=rounds, calls=effort.calls(CALLS))
    peers = _peers(folder, PEER_HISTORIES if effort.is_full else PEER_HISTORIES[:2])
    return _rows(histories, taken, peers, size)


def _rows(
    histories: tuple[int, ...],
    taken: Mapping[str, Timings],
    peers: Mapping[int, Timings],
    size: int,
) -> list[Row]:
    floor = taken["floor"]
    rows = [_against_floor(count, taken[f"{count}"], floor, size) for count in histories]
    medians = [taken[f"{count}"].median for count in histories]
    flatness = max(medians) / min(medians)
    rows.append(
        Row(
            what=f"slowest history ({max(histories):,} at most) over the fastest",
            ours=max(medians),
            unit="us",
            against="fastest",
            theirs=min(medians),
            ratio=flatness,
            target=f"flat (<= {FLAT_TARGET})",
            met=flatness <= FLAT_TARGET,
        )
    )
    ours = taken[f"{histories[-1]}"].median
    rows += [_against_peer(count, ours, peer) for count, peer in peers.items()]
    largest = max(peers)
    if largest == PEER_HISTORIES[-1]:
        rows.append(_extrapolated(ours, peers[largest].median * 10, largest * 10))
    return rows


def _against_floor(count: int, ours: Timings, floor: Timings, size: int) -> Row:
    ratio = ours.times(floor)
    return Row(
        what=f"TinyBook.put, {OPEN_TRADES} open, {count:,} closed",
        ours=ours.median,
        unit="us",
        against=f"write + fsync of {size // 1024} KiB",
        theirs=floor.median,
        ratio=ratio,
        target=f"<= {FLOOR_TARGET:g}",
        met=ratio <= FLOOR_TARGET,
    )


def _against_peer(count: int, ours: float, peer: Timings) -> Row:
    return Row(
        what=f"the same, against stock TinyDB with {count:,} documents",
        ours=ours,
        unit="us",
        against="JSONStorage update by id",
        theirs=peer.median,
        ratio=ours / peer.median,
    )


def _extrapolated(ours: float, theirs: float, count: int) -> Row:
    return Row(
        what=f"the same, against stock TinyDB with {count:,} documents",
        ours=ours,
        unit="us",
        against="ten times the row above",
        theirs=theirs,
        ratio=ours / theirs,
        note="extrapolated: its cost is linear in documents",
    )


def document(number: int) -> dict[str, Any]:
    """A trade as the Registry writes it."""
    return _TRADE.dump_python(trade(number), mode="json")


@contextmanager
def _our_book(folder: Path, trades: int, closed: int) -> Generator[Action]:
    folder.mkdir(parents=True)
    journal = DayJournal(folder / "journal", SystemClock())
    for number in range(closed):
        journal.append({"ts": NOON, "event": "trade_closed", "n": number}, durable=False)
    journal.close()
    book = open_book(folder / "registry.json", NOON)
    documents = [document(closed + number) for number in range(trades)]
    for number, each in enumerate(documents):
        book.put("trades", str(number), each)
    changed = documents[trades // 2]
    try:
        yield lambda: book.put("trades", str(trades // 2), changed)
    finally:
        book.close()


@contextmanager
def synced_file(path: Path, size: int) -> Generator[Action]:
    """Writes ``size`` bytes over a file of that size and waits for the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    blob = os.urandom(size)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    def write() -> None:
        os.pwrite(descriptor, blob, 0)
        os.fsync(descriptor)

    try:
        yield write
    finally:
        os.close(descriptor)


def _peers(folder: Path, histories: tuple[int, ...]) -> dict[int, Timings]:
    """Stock TinyDB: a few calls are enough, and all that patience allows."""
    return {count: _peer(folder / f"peer-{count}.json", count) for count in histories}


def _peer(path: Path, count: int) -> Timings:
    with TinyDB(path) as database:
        table: Any = cast("Any", database).table("trades")
        table.insert_multiple(Document(document(n), doc_id=n) for n in range(1, count + 1))
        changed = document(count)
        actions = {"peer": lambda: table.update(changed, doc_ids=[count])}
        return interleaved(actions, rounds=PEER_ROUNDS, calls=1)["peer"]
