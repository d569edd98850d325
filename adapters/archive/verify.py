"""Whether what is on disk is what was written: checksums, row counts, ids without repetition."""

# ruff: noqa: S608 - every name and value in these statements is ours, or quoted by `literal`

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from adapters.archive.layout import Segment, checksum, checksum_in
from adapters.archive.segments import literal


@dataclass(slots=True)
class Findings:
    """What `verify` saw. ``damaged`` are files by name with what is wrong."""

    segments: int = 0
    rows: int = 0
    size: int = 0
    damaged: dict[str, str] = field(default_factory=dict[str, str])
    damaged_paths: list[Path] = field(default_factory=list[Path])


def damage(segment: Segment) -> str | None:
    """What is wrong with a file's bytes; None when nothing is."""
    try:
        found = checksum(segment.path)
    except FileNotFoundError:
        return "the file is gone"
    except OSError as error:
        return error.strerror or "it cannot be read"
    return None if found == checksum_in(segment.path.name) else "its checksum is another"


def verify(
    segments: Iterable[Segment],
    engine: duckdb.DuckDBPyConnection,
    progress: Callable[[], None] = lambda: None,
) -> Findings:
    """Reads every byte and every row. A read-only look: nothing is changed."""
    findings = Findings()
    for segment in segments:
        wrong = damage(segment) or _content(segment, engine)
        findings.segments += 1
        if wrong:
            findings.damaged[segment.path.name] = wrong
            findings.damaged_paths.append(segment.path)
        else:
            findings.rows += segment.rows
            findings.size += segment.size
        progress()
    return findings


def _content(segment: Segment, engine: duckdb.DuckDBPyConnection) -> str | None:
    """What is wrong with the rows: their number, their ids, their day."""
    try:
        row = engine.execute(
            "SELECT count(*), count(DISTINCT agg_id), min(agg_id), max(agg_id), "
            "min(timestamp_ms), max(timestamp_ms) "
            f"FROM read_parquet({literal(str(segment.path))})"
        ).fetchone()
    except duckdb.Error as error:
        return f"unreadable: {type(error).__name__}"
    expected = (segment.rows, segment.rows, segment.first_id, segment.last_id)
    if row is None or tuple(row[:4]) != expected:
        return "its rows are not what it says"
    return None
