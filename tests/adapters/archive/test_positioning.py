"""Positioning rows: stored by the minute, once, beside the ticks."""

from pathlib import Path
from typing import Any

from adapters.archive import positioning
from tests.adapters.archive.samples import NOON_MS, opened, query


def row(minute: int, **more: Any) -> dict[str, Any]:
    return {
        "venue": "paper",
        "instrument": "BTC-PERPETUAL",
        "timestamp_ms": NOON_MS + minute * 60_000,
        "open_interest": 1_000.5,
        "mark_price": 61_800.25,
        "at_funding": False,
        **more,
    }


def test_rows_are_read_back_and_each_minute_counts_once(tmp_path: Path) -> None:
    """Over batches, midnight and a restart; what the venue did not say is null."""
    with opened(tmp_path) as archive:
        assert positioning.store(archive.root, archive.engine, [row(0), row(1)]) == 1
        assert positioning.store(archive.root, archive.engine, [row(1), row(2)]) == 0
        assert positioning.store(archive.root, archive.engine, [row(800, at_funding=True)]) == 1
        archive.publish()
        sql = "SELECT timestamp_ms, open_interest, funding, at_funding FROM positioning ORDER BY 1"
        assert query(tmp_path, sql) == [
            (NOON_MS, 1_000.5, None, False),
            (NOON_MS + 60_000, 1_000.5, None, False),
            (NOON_MS + 120_000, 1_000.5, None, False),
            (NOON_MS + 48_000_000, 1_000.5, None, True),
        ]
    with opened(tmp_path) as archive:
        assert positioning.store(archive.root, archive.engine, [row(3)]) == 0
    assert query(tmp_path, "SELECT count(*) FROM positioning") == [(5,)]


def test_a_reader_sees_a_new_minute_without_a_new_catalogue(tmp_path: Path) -> None:
    """The day's file is replaced under its name."""
    with opened(tmp_path) as archive:
        positioning.store(archive.root, archive.engine, [row(0)])
        archive.publish()
        positioning.store(archive.root, archive.engine, [row(1)])
        assert query(tmp_path, "SELECT count(*) FROM positioning") == [(2,)]
