"""A stretch is fetched whole, and what is given up was asked for often enough."""

from pathlib import Path

import pytest

from adapters.binance.bans import Bans
from adapters.binance.fetch import fetch_stretch
from adapters.binance.rest import USDM, BinanceRest
from domain.moments import Stretch
from tests.adapters.archive.samples import NOON_MS, HandClock, opened
from tests.adapters.binance.double import Double
from tests.adapters.binance.tape import FIRST_ID, Tape

COUNT = 3_000
STRETCH = Stretch("BTCUSDT", NOON_MS, NOON_MS + 3_600_000)


@pytest.mark.parametrize("comes_late", [False, True])
def test_ids_inside_a_page_are_given_up_after_the_venue_said_so_three_times(
    tmp_path: Path, *, comes_late: bool
) -> None:
    """With exact bounds; those it shows at the second or third time are stored."""
    clock, waits = HandClock(), list[float]()
    absent = frozenset({*range(FIRST_ID + 500, FIRST_ID + 510), FIRST_ID + 1_700})
    tape = Tape.make("BTCUSDT", COUNT, NOON_MS)
    with Double([tape], begin=COUNT, absent=absent) as venue, opened(tmp_path) as archive:
        rest = BinanceRest(
            venue.settings["BINANCE_HTTP_URL"], USDM, clock, lambda _: False, Bans(clock)
        )

        def waiting(reason: str, seconds: float) -> None:
            assert "no tick" in reason
            waits.append(seconds)
            if comes_late and len(waits) == 2:
                venue.absent = frozenset()

        stored = fetch_stretch(
            archive, rest, STRETCH, clock, progress=lambda *_: None, waiting=waiting
        )
        rest.close()
        lost = [(x.hole.first - FIRST_ID, len(x.hole), x.state) for x in archive.holes()]
        asked = [int(x["fromId"]) - FIRST_ID for x in venue.seen.queries if "fromId" in x]
    if comes_late:
        assert (stored, lost, waits) == (COUNT, [], [1.0, 4.0])
    else:
        assert stored == COUNT - 11
        assert lost == [(500, 10, "unfillable"), (1_700, 1, "unfillable")]
        assert (asked.count(500), asked.count(1_700)) == (3, 3)
