"""A stretch of the tick archive as the paper exchange's prices."""

from pathlib import Path

from adapters.paper.feed import Recorded
from domain.moments import parse_stretch


def recorded(root: Path, name: str) -> Recorded:
    """What ``PAPER_FEED=replay:<name>`` means: a stretch of the archive in ``root``, or its file.

    Raises:
        ValueError: it means nothing, or there is nothing of it.
    """
    from adapters.archive import reader  # noqa: PLC0415 - DuckDB, for replays of the archive alone

    if not name.startswith("archive:"):
        symbol, prices = reader.prices_in(Path(name))
        return Recorded(name, symbol, prices)
    stretch = parse_stretch(name)
    return Recorded(name, stretch.symbol, reader.prices(root, stretch))
