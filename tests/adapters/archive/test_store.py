"""The archive as others read it, and what crashes and damage leave."""

import shutil
from pathlib import Path

import duckdb
import pytest

from adapters.archive import positioning, reader
from adapters.archive.catalogue import KnownHole
from adapters.archive.layout import TICKS, Segment, checksum, segment_name
from adapters.archive.store import Archive
from adapters.archive.verify import verify
from adapters.storage.lock import AlreadyRunning
from domain.compaction import DAY_MS
from domain.moments import Stretch
from domain.runs import Hole
from tests.adapters.archive.samples import (
    NOON_MS,
    HandClock,
    expected,
    opened,
    part,
    query,
    rows,
    tape,
)


def files(root: Path) -> set[Path]:
    return set((root / TICKS).rglob("*.parquet"))


def test_an_empty_archive_can_be_asked(tmp_path: Path) -> None:
    """The query of the documentation works before the first tick."""
    opened(tmp_path).close()
    sql = "SELECT COUNT(*), MIN(timestamp_ms), MAX(timestamp_ms) FROM agg_trades"
    assert query(tmp_path, sql) == [(0, None, None)]
    assert query(tmp_path, "SELECT count(*) FROM holes") == [(0,)]
    assert query(tmp_path, "SELECT count(*) FROM positioning") == [(0,)]


def test_what_was_stored_is_read_back_exactly(tmp_path: Path) -> None:
    """Row for row, while the writer is open, for two markets and over midnight."""
    mine = tape(3_000, start_ms=NOON_MS + DAY_MS // 2 - 20_000)
    spot = tape(500, "spot:BTCUSDT")
    with opened(tmp_path) as archive:
        assert archive.add([mine, spot]) == {"BTCUSDT": 3_000, "spot:BTCUSDT": 500}
        archive.publish()
        assert rows(tmp_path) == expected(mine)
        assert rows(tmp_path, "spot:BTCUSDT") == expected(spot)
        assert len({x.day for x in archive.segments("BTCUSDT")}) == 2


def test_nothing_is_stored_twice(tmp_path: Path) -> None:
    """Neither within a batch, nor over batches, nor over a restart."""
    ticks = tape()
    with opened(tmp_path) as archive:
        archive.add([part(ticks, 0, 900), part(ticks, 500, 1_000), part(ticks, 10, 20)])
        assert archive.add([part(ticks, 0, 1_000)]) == {}
    with opened(tmp_path) as archive:
        assert archive.add([part(ticks, 990, 2_000)]) == {"BTCUSDT": 1_000}
        archive.publish()
    assert rows(tmp_path) == expected(ticks)


def test_files_that_are_gone_leave_nothing_in_memory(tmp_path: Path) -> None:
    """Merged, pruned, damaged: what is remembered is of the files there are. Some seventeen
    thousand come and go in a day, for each symbol."""
    ticks, clock = tape(40), HandClock()
    with opened(tmp_path, clock) as archive:
        for start in range(0, 40, 2):
            archive.add([part(ticks, start, start + 2)])
            for group in archive.plan():
                archive.merge(group)
            clock.pass_(5)
        (merged, *others) = [x.path for x in archive.segments()]
        assert archive._born.keys() == {merged, *others}
        archive.quarantine(merged, "a test")
        assert archive._born.keys() == set(others)
        archive.prune(1 << 30)
        assert archive._born == {}


def test_holes_are_told_with_their_bounds_until_they_are_filled(tmp_path: Path) -> None:
    """By id and by time; what nobody has stays, with the reason."""
    ticks = tape()
    first = int(ticks.agg_id[0])
    with opened(tmp_path) as archive:
        archive.add([part(ticks, 0, 100), part(ticks, 150, 200), part(ticks, 210, 300)])
        archive.give_up("BTCUSDT", first + 120, first + 129, "the venue does not have it")
        archive.publish()
        sql = "SELECT first_id, missing, after_ms, before_ms, state FROM holes ORDER BY first_id"
        after, before = int(ticks.timestamp_ms[99]), int(ticks.timestamp_ms[150])
        assert query(tmp_path, sql) == [
            (first + 100, 20, after, before, "open"),
            (first + 120, 10, after, before, "unfillable"),
            (first + 130, 20, after, before, "open"),
            (first + 200, 10, int(ticks.timestamp_ms[199]), int(ticks.timestamp_ms[210]), "open"),
        ]
        archive.add([part(ticks, 100, 120), part(ticks, 130, 150), part(ticks, 200, 210)])
    with opened(tmp_path) as archive:
        left = archive.holes()
        assert [(x.hole.first, len(x.hole), x.state) for x in left] == [
            (first + 120, 10, "unfillable")
        ]
        archive.try_again(Stretch("BTCUSDT", NOON_MS, NOON_MS + DAY_MS))
        assert [x.state for x in archive.holes()] == ["open"]


def test_only_holes_that_begin_in_a_stretch_are_open_again(tmp_path: Path) -> None:
    """Those that a fetch of it asks for; what is known of the others stays known."""
    ticks = tape(600)
    first = int(ticks.agg_id[0])
    with opened(tmp_path) as archive:
        for start in range(0, 600, 200):
            archive.add([part(ticks, start, start + 100)])
        archive.give_up("BTCUSDT", first + 100, first + 499, "gone")
        after = [int(ticks.timestamp_ms[at]) for at in (99, 299)]
        archive.try_again(Stretch("BTCUSDT", after[0] + 1, after[1]))
        archive.try_again(Stretch("ETHUSDT", NOON_MS, NOON_MS + DAY_MS))
        assert [x.state for x in archive.holes()] == ["unfillable", "unfillable"]
        archive.try_again(Stretch("BTCUSDT", after[1], after[1] + 1))
    with opened(tmp_path) as archive:
        assert [(x.state, x.reason) for x in archive.holes()] == [
            ("unfillable", "gone"),
            ("open", ""),
        ]


def test_merging_changes_no_row_and_leaves_the_old_files_to_old_readers(tmp_path: Path) -> None:
    """Who opened the catalogue before a merge reads on for as long as the files are kept."""
    ticks, clock = tape(), HandClock()
    with opened(tmp_path, clock) as archive:
        for start in range(0, 2_000, 200):
            archive.add([part(ticks, start, start + 200)])
        archive.publish()
        before = files(tmp_path)
        with duckdb.connect(str(archive.catalogue), read_only=True) as reader:
            (group,) = archive.plan()
            archive.merge(group)
            archive.publish()
            assert len(archive.segments()) == 1
            assert archive.sweep() == 0
            assert reader.execute("SELECT count(*) FROM agg_trades").fetchall() == [(2_000,)]
        assert rows(tmp_path) == expected(ticks)
        clock.pass_(601)
        assert archive.sweep() == len(before)
        assert not before & files(tmp_path)
        assert rows(tmp_path) == expected(ticks)


def test_files_are_kept_while_the_catalogue_cannot_be_replaced(tmp_path: Path) -> None:
    """A merge that was never published takes nothing from readers, however long it lasts."""
    ticks, clock = tape(), HandClock()
    with opened(tmp_path, clock) as archive:
        for start in range(0, 2_000, 200):
            archive.add([part(ticks, start, start + 200)])
        archive.publish()
        archive.merge(archive.plan()[0])
        clock.pass_(10_000)
        assert archive.sweep() == 0
        assert rows(tmp_path) == expected(ticks)


def test_a_crash_after_a_merge_before_its_catalogue_doubles_nothing(tmp_path: Path) -> None:
    """Neither when the list of the merged files was written, nor when it was not."""
    ticks = tape()
    with opened(tmp_path) as archive:
        for start in range(0, 2_000, 200):
            archive.add([part(ticks, start, start + 200)])
        archive.merge(archive.plan()[0])
    for lost in ((), ("retired.json",), ("retired.json", "binance_ticks.duckdb")):
        for name in lost:
            (tmp_path / name).unlink(missing_ok=True)
        with opened(tmp_path) as archive:
            assert len(archive.segments()) == 1
        assert rows(tmp_path) == expected(ticks)


def test_half_written_files_are_removed_at_the_next_start(tmp_path: Path) -> None:
    """They never had a name that counts."""
    ticks = tape()
    with opened(tmp_path) as archive:
        archive.add([ticks])
        folder = archive.segments()[0].path.parent
    (folder / ".tmp-7.parquet").write_bytes(b"PAR1 half")
    (tmp_path / ".tmp-binance_ticks.duckdb").write_bytes(b"half")
    with opened(tmp_path) as archive:
        assert archive.found.leftovers == 2
    assert rows(tmp_path) == expected(ticks)


@pytest.mark.parametrize("wound", ["cut", "flip", "gone"])
def test_a_damaged_segment_is_found_set_aside_and_its_ticks_are_missing(
    tmp_path: Path, wound: str
) -> None:
    """Cut short, a flipped bit, or removed by hand; refilled, the archive is whole again."""
    ticks = tape()
    with opened(tmp_path) as archive:
        archive.add([part(ticks, 0, 500)])
        archive.add([part(ticks, 500, 900)])
        archive.add([part(ticks, 900, 2_000)])
        archive.publish()
        victim = next(x.path for x in archive.segments() if x.rows == 400)
        data = bytearray(victim.read_bytes())
        if wound == "gone":
            victim.unlink()
        elif wound == "cut":
            victim.write_bytes(data[: len(data) // 2])
        else:
            data[200] ^= 1
            victim.write_bytes(data)
        findings = verify(archive.segments(), archive.engine)
        assert list(findings.damaged) == [victim.name]
        for path in findings.damaged_paths:
            archive.quarantine(path, "its checksum is another")
        archive.publish()
        assert [len(x.hole) for x in archive.holes()] == [400]
        assert len(rows(tmp_path)) == 1_600
        archive.add([part(ticks, 400, 1_000)])
        archive.publish()
        assert verify(archive.segments(), archive.engine).damaged == {}
    assert rows(tmp_path) == expected(ticks)
    assert len(list((tmp_path / "quarantine").glob("*"))) == (0 if wound == "gone" else 1)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_what_was_set_aside_is_missing_wherever_it_was(tmp_path: Path, which: int) -> None:
    """The oldest file, one between, the newest; after a restart too, until its ticks are back."""
    ticks = tape()
    bounds = ((0, 500), (500, 900), (1_000, 2_000))
    first, (start, end) = int(ticks.agg_id[0]), bounds[which]
    missing = {0: [(0, 499), (900, 999)], 1: [(500, 999)], 2: [(900, 1_999)]}[which]

    def holes(archive: Archive) -> list[tuple[int, int]]:
        return [(x.hole.first - first, x.hole.last - first) for x in archive.holes("BTCUSDT")]

    with opened(tmp_path) as archive:
        for each in bounds:
            archive.add([part(ticks, *each)])
        victim = next(x.path for x in archive.segments() if x.first_id == first + start)
        archive.quarantine(victim, "its checksum is another")
        assert holes(archive) == missing
    with opened(tmp_path) as archive:
        assert holes(archive) == missing
        archive.add([part(ticks, start, end)])
        assert holes(archive) == [(900, 999)]


def test_a_day_that_is_pruned_is_not_missed_for_what_was_set_aside_of_it(tmp_path: Path) -> None:
    """Its files in quarantine go with it; those of later days stay, and are shown alone too."""
    old, new = tape(1_000), tape(2_000, start_ms=NOON_MS + DAY_MS)
    with opened(tmp_path) as archive:
        archive.add([part(old, 0, 500)])
        archive.add([part(new, 1_000, 2_000)])
        for segment in archive.segments():
            archive.quarantine(segment.path, "its checksum is another")
        assert sum(len(x.hole) for x in archive.holes()) == 2_000
        archive.prune(NOON_MS // DAY_MS + 1)
    with opened(tmp_path) as archive:
        assert [len(x.hole) for x in archive.holes()] == [1_000]
        assert archive.symbols == ()
    assert len(list((tmp_path / "quarantine").iterdir())) == 1
    (row,) = reader.overview(tmp_path)
    assert (row["symbol"], row["ticks"], row["files"], row["missing"]) == ("BTCUSDT", 0, 0, 1_000)


def test_a_segment_that_cannot_be_read_at_the_start_is_set_aside(tmp_path: Path) -> None:
    """The others are read all the same."""
    ticks = tape()
    with opened(tmp_path) as archive:
        archive.add([part(ticks, 0, 500)])
        archive.add([part(ticks, 500, 2_000)])
        victim = min(archive.segments(), key=lambda x: x.rows).path
    victim.write_bytes(b"no parquet")
    with opened(tmp_path) as archive:
        assert archive.set_aside == [(victim.name, "it cannot be read")]
    assert rows(tmp_path) == expected(part(ticks, 500, 2_000))


def test_pruned_days_do_not_come_back(tmp_path: Path) -> None:
    """Not after a restart before their files are removed, and not after it either."""
    old, new = tape(1_000), tape(2_000, start_ms=NOON_MS + DAY_MS)
    clock = HandClock()
    with opened(tmp_path, clock) as archive:
        archive.add([old])
        archive.add([part(new, 1_000, 2_000)])
        gone = archive.prune(NOON_MS // DAY_MS + 1)
        archive.publish()
        assert sum(x.rows for x in gone) == 1_000
        assert len(files(tmp_path)) == 2
    assert rows(tmp_path) == expected(part(new, 1_000, 2_000))
    with opened(tmp_path, clock) as archive:
        clock.pass_(601)
        assert archive.sweep() == 1
    with opened(tmp_path) as archive:
        assert archive.holes() == []
    assert rows(tmp_path) == expected(part(new, 1_000, 2_000))


def test_only_one_may_write(tmp_path: Path) -> None:
    """The second is told who is at work."""
    with opened(tmp_path), pytest.raises(AlreadyRunning):
        opened(tmp_path)
    opened(tmp_path).close()


def test_a_moved_archive_is_asked_as_before(tmp_path: Path) -> None:
    """From any folder, copied or mounted elsewhere; attached to another database once it is made
    anew, which the next writer does."""
    ticks = tape()
    with opened(tmp_path / "here") as archive:
        archive.add([ticks])
        positioning.store(archive.root, archive.engine, [{"timestamp_ms": NOON_MS}])
        archive.publish()
    shutil.copytree(tmp_path / "here", tmp_path / "copy's place")
    shutil.move(tmp_path / "here", tmp_path / "there")
    for root in (tmp_path / "there", tmp_path / "copy's place"):
        assert rows(root) == expected(ticks)
        assert query(root, "SELECT timestamp_ms FROM positioning") == [(NOON_MS,)]
        assert [x.name for x in reader.files_of(root)] == [x.name for x in files(root)]
    attach = f"ATTACH '{tmp_path / 'there' / 'binance_ticks.duckdb'}' AS ticks (READ_ONLY)"
    with duckdb.connect() as other, pytest.raises(duckdb.IOException):
        other.execute(attach).execute("SELECT count(*) FROM ticks.agg_trades")
    opened(tmp_path / "there").close()
    with duckdb.connect() as other:
        found = other.execute(attach).execute("SELECT count(*) FROM ticks.agg_trades").fetchall()
        assert found == [(2_000,)]


def test_files_of_the_first_form_are_read_merged_and_exported(tmp_path: Path) -> None:
    """They held quantities as decimals; beside new ones every row is what it was."""
    ticks = tape(900)
    with opened(tmp_path) as archive:
        archive.add([part(ticks, 0, 300)])
        archive.add([part(ticks, 300, 600)])
        for segment in archive.segments():
            as_in_the_first_form(segment, archive.engine)
    with opened(tmp_path) as archive:
        archive.add([part(ticks, 600, 900)])
        archive.publish()
        assert [x.kind.form for x in archive.segments()] == [1, 1, 2]
        assert rows(tmp_path) == expected(ticks)
        exported = tmp_path / "out.csv"
        stretch = Stretch("BTCUSDT", NOON_MS, NOON_MS + DAY_MS)
        assert reader.export(tmp_path, stretch, exported, "csv") == 900
        before = exported.read_bytes()
        assert archive.merge(archive.segments()).kind.form == 2
        archive.publish()
        assert rows(tmp_path) == expected(ticks)
        reader.export(tmp_path, stretch, exported, "csv")
        assert exported.read_bytes() == before


def as_in_the_first_form(segment: Segment, engine: duckdb.DuckDBPyConnection) -> None:
    """Puts a file in its place as they were before quantities were split."""
    made = segment.path.with_name("made.parquet")
    runs = [[x.first, x.last, x.first_ms, x.last_ms] for x in segment.runs]
    quantity = (
        "((quantity_low + 256 * quantity_mid::BIGINT)::DECIMAL(18,0) * 0.001::DECIMAL(4,3))"
        "::DECIMAL(18,3) AS quantity"
    )
    engine.execute(
        f"COPY (SELECT agg_id, price, {quantity}, first_id, fills, timestamp_ms, is_buyer_maker "  # noqa: S608 (ours)
        f"FROM '{segment.path}') TO '{made}' (FORMAT parquet, PARQUET_VERSION V2, "
        f"KV_METADATA {{runs: '{runs}', scales: '{segment.kind.price_scale},3'}})"
    )
    name = segment_name(segment.first_id, segment.last_id, segment.rows, checksum(made))
    segment.path.unlink()
    made.rename(segment.path.with_name(name))


def test_a_write_that_fails_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that refuses the new name leaves nothing behind, and nothing is lost or doubled."""
    ticks = tape()
    with opened(tmp_path) as archive:
        archive.add([part(ticks, 0, 500)])
        archive.publish()
        with monkeypatch.context() as patch:
            patch.setattr("adapters.archive.segments.install", full)
            with pytest.raises(OSError, match="No space"):
                archive.add([part(ticks, 500, 2_000)])
        assert rows(tmp_path) == expected(part(ticks, 0, 500))
        assert len(files(tmp_path)) == 1
        archive.add([part(ticks, 500, 2_000)])
        archive.publish()
    assert rows(tmp_path) == expected(ticks)


def full(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_known_holes_say_their_state() -> None:
    """A hole with a reason is one that nobody can fill."""
    assert KnownHole("X", Hole(1, 2, 0, 0)).state == "open"
    assert KnownHole("X", Hole(1, 2, 0, 0), "gone").state == "unfillable"


def test_prices_keep_their_decimals_when_batches_differ(tmp_path: Path) -> None:
    """A batch of round prices and one of fine ones are read back as they were."""
    ticks = tape(600)
    coarse = part(ticks, 0, 300)
    fine = part(ticks, 300, 600).scaled(4, 3)
    fine.price[0] += 1
    with opened(tmp_path) as archive:
        archive.add([coarse])
        archive.add([fine])
        archive.publish()
        assert rows(tmp_path) == [*expected(coarse), *expected(fine)]
        archive.merge(archive.segments())
        archive.publish()
        assert rows(tmp_path) == [*expected(coarse), *expected(fine)]
