"""What is missing is fetched by id from a local Binance, whatever it answers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapters.binance.bans import LONGEST, Bans
from adapters.binance.refill import Missing, Refiller, checked
from adapters.binance.rest import SPOT, USDM, BinanceRest, Market, Refused, Unavailable
from adapters.clock import SystemClock
from domain.runs import joined, lacking
from domain.ticks import Ticks
from tests.adapters.archive.samples import HandClock
from tests.adapters.binance.double import SPOT_WEIGHT, WEIGHT, Double, Trouble
from tests.adapters.binance.tape import FIRST_ID, Tape
from tests.endtoend.bulwark import wait_for

COUNT = 5_000
START_MS = 1_795_867_200_000


def double(trouble: Trouble | None = None, absent: frozenset[int] = frozenset()) -> Double:
    tapes = [Tape.make("BTCUSDT", COUNT, START_MS), Tape.make("spot:ETHUSDT", 100, START_MS)]
    return Double(tapes, begin=COUNT, trouble=trouble, absent=absent)


def urls(venue: Double) -> dict[Market, str]:
    return dict.fromkeys((USDM, SPOT), venue.settings["BINANCE_HTTP_URL"])


@contextmanager
def refilling(venue: Double, back_off: float = 0.001) -> Iterator[Refiller]:
    clock = SystemClock()
    refiller = Refiller(urls(venue), clock, Bans(clock), back_off=back_off)
    refiller.start()
    try:
        yield refiller
    finally:
        refiller.stop()


def gathered(
    refiller: Refiller, is_all: Callable[[list[Ticks], list[Missing]], bool]
) -> tuple[list[Ticks], list[Missing]]:
    """What the refiller brings until it is enough."""
    ticks: list[Ticks] = []
    lost: list[Missing] = []

    def look() -> bool:
        more, gone = refiller.take()
        ticks.extend(more)
        lost.extend(gone)
        return is_all(ticks, lost)

    wait_for(look, "everything refilled")
    return ticks, lost


def ids(ticks: list[Ticks]) -> list[int]:
    return sorted(x - FIRST_ID for each in ticks for x in each.agg_id.tolist())


@pytest.mark.parametrize("trouble", [None, Trouble(refuse=0.6, banned_seconds=0.01)])
def test_holes_of_any_size_come_back_whole(trouble: Trouble | None) -> None:
    """Over many pages, for both markets, each id once; through bans and nonsense too."""
    with double(trouble) as venue, refilling(venue) as refiller:
        refiller.want(
            [
                Missing("BTCUSDT", FIRST_ID + 10, FIRST_ID + 10),
                Missing("BTCUSDT", FIRST_ID + 100, FIRST_ID + 2_699),
                Missing("spot:ETHUSDT", FIRST_ID + 5, FIRST_ID + 6),
            ]
        )
        ticks, lost = gathered(refiller, lambda found, _: sum(map(len, found)) >= 2_603)
    assert ids([x for x in ticks if x.symbol == "BTCUSDT"]) == [10, *range(100, 2_700)]
    assert ids([x for x in ticks if x.symbol == "spot:ETHUSDT"]) == [5, 6]
    assert lost == []
    assert venue.seen.too_early == 0


def test_what_the_venue_does_not_have_is_given_up_after_it_said_so_three_times() -> None:
    """With exact bounds; what is around it comes back."""
    absent = frozenset(range(FIRST_ID + 20, FIRST_ID + 30))
    with double(absent=absent) as venue, refilling(venue) as refiller:
        refiller.want([Missing("BTCUSDT", FIRST_ID + 15, FIRST_ID + 34)])
        ticks, lost = gathered(refiller, lambda found, gone: len(ids(found)) >= 10 and bool(gone))
        asked = [int(x["fromId"]) - FIRST_ID for x in venue.seen.queries]
    assert ids(ticks) == [*range(15, 20), *range(30, 35)]
    given_up = joined_bounds(lost)
    assert given_up == [(20, 29)]
    assert [asked.count(at) for at in (15, 20)] == [1, 3]


def test_ids_that_come_late_are_not_given_up_after_one_reply() -> None:
    """In the middle of a page as at its beginning, a venue may be behind for a moment."""
    absent = frozenset({FIRST_ID + 20, FIRST_ID + 30})
    with double(absent=absent) as venue, refilling(venue) as refiller:
        refiller.want([Missing("BTCUSDT", FIRST_ID + 15, FIRST_ID + 34)])
        wait_for(lambda: venue.seen.requests >= 2, "an id asked for again")
        venue.absent = frozenset()
        ticks, lost = gathered(refiller, lambda found, _: sum(map(len, found)) >= 20)
    assert ids(ticks) == list(range(15, 35))
    assert lost == []


def test_a_venue_that_is_behind_its_own_stream_is_waited_for() -> None:
    """One that shows nothing after an id does not say that it does not have it; others go on."""
    with double() as venue, refilling(venue) as refiller:
        venue.behind = COUNT - 1_000
        early = Missing("BTCUSDT", FIRST_ID + 2_000, FIRST_ID + 2_009)
        refiller.want([early, Missing("spot:ETHUSDT", FIRST_ID + 5, FIRST_ID + 6)])
        wait_for(lambda: venue.seen.requests >= 5, "five requests")
        venue.behind = 0
        ticks, lost = gathered(refiller, lambda found, _: sum(map(len, found)) >= 12)
    assert len(ids(ticks)) == 12
    assert lost == []


def test_what_fails_rests_and_holds_up_nothing_else() -> None:
    """A symbol the venue does not know any more, and a page in which a row is broken."""
    with double() as venue, refilling(venue, back_off=0.05) as refiller:
        venue.broken = frozenset({FIRST_ID + 2_005})
        refiller.want_latest("GONEUSDT")
        refiller.want(
            [
                *(Missing("GONEUSDT", at, at) for at in range(0, 100, 2)),
                Missing("BTCUSDT", FIRST_ID + 2_000, FIRST_ID + 2_009),
                Missing("BTCUSDT", FIRST_ID + 100, FIRST_ID + 109),
                Missing("spot:ETHUSDT", FIRST_ID + 5, FIRST_ID + 6),
            ]
        )
        ticks, lost = gathered(refiller, lambda found, _: sum(map(len, found)) >= 12)
        asked = [x for x in venue.seen.queries if x["symbol"] == "GONEUSDT"]
        venue.broken = frozenset()
        more, _ = gathered(refiller, lambda found, _: sum(map(len, found)) >= 10)
    assert ids([x for x in ticks if x.symbol == "BTCUSDT"]) == list(range(100, 110))
    assert ids(more) == list(range(2_000, 2_010))
    assert lost == []
    assert len(asked) < 10, "a refused symbol was asked about piece by piece"


def test_a_market_that_bans_does_not_hold_up_the_other() -> None:
    """Each counts for itself, and its ban is obeyed."""
    with double() as venue, refilling(venue) as refiller:
        venue.ban("", 60.0)
        refiller.want(
            [
                Missing("BTCUSDT", FIRST_ID, FIRST_ID + 9),
                Missing("spot:ETHUSDT", FIRST_ID + 5, FIRST_ID + 6),
            ]
        )
        ticks, _ = gathered(refiller, lambda found, _: sum(map(len, found)) >= 2)
    assert [x.symbol for x in ticks] == ["spot:ETHUSDT"]
    assert venue.seen.too_early == 1


def test_nonsense_that_nobody_thought_of_ends_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes wrong in a request, whatever it is, is tried again."""
    wrong = iter([OverflowError("weight"), KeyError("x")])
    asked = BinanceRest.from_id

    def from_id(self: BinanceRest, symbol: str, first: int) -> Ticks | None:
        if (error := next(wrong, None)) is not None:
            raise error
        return asked(self, symbol, first)

    monkeypatch.setattr(BinanceRest, "from_id", from_id)
    with double() as venue, refilling(venue) as refiller:
        refiller.want([Missing("BTCUSDT", FIRST_ID, FIRST_ID + 9)])
        ticks, _ = gathered(refiller, lambda found, _: sum(map(len, found)) >= 10)
    assert ids(ticks) == list(range(10))


def joined_bounds(lost: list[Missing]) -> list[tuple[int, int]]:
    return sorted((x.first - FIRST_ID, x.last - FIRST_ID) for x in lost)


def test_what_follows_an_id_is_fetched_to_the_end() -> None:
    """Page after page; an end is no hole."""
    with double() as venue, refilling(venue) as refiller:
        refiller.want_after("BTCUSDT", FIRST_ID + 2_499)
        ticks, lost = gathered(refiller, lambda found, _: sum(map(len, found)) >= 2_500)
        refiller.want_after("BTCUSDT", FIRST_ID + COUNT - 1)
        wait_for(lambda: venue.seen.queries[-1]["fromId"] == str(FIRST_ID + COUNT), "the end")
    assert ids(ticks) == list(range(2_500, COUNT))
    assert lost == []


def test_what_waits_to_be_taken_is_not_fetched_again() -> None:
    """Asked once more for the same, only what is not on its way is fetched."""
    with double() as venue, refilling(venue) as refiller:
        missing = Missing("BTCUSDT", FIRST_ID, FIRST_ID + 999)
        refiller.want([missing])
        wait_for(lambda: venue.seen.requests == 1 and refiller._ready, "one page")
        refiller.want([missing])
        refiller.want([missing, Missing("BTCUSDT", FIRST_ID + 2_000, FIRST_ID + 2_001)])
        ticks, _ = gathered(refiller, lambda found, _: sum(map(len, found)) >= 1_002)
        assert venue.seen.requests == 2
    assert lacking(joined(r for x in ticks for r in x.runs()), FIRST_ID, FIRST_ID + 999) == []


def test_one_page_fills_every_hole_in_its_reach() -> None:
    """A request weighs the same for one tick as for a thousand."""
    with double() as venue, refilling(venue) as refiller:
        refiller.want(
            Missing("BTCUSDT", FIRST_ID + at, FIRST_ID + at) for at in range(0, 2_000, 10)
        )
        ticks, _ = gathered(refiller, lambda found, _: sum(map(len, found)) >= 200)
        assert venue.seen.requests == 2
    assert ids(ticks) == list(range(0, 2_000, 10))


def rest(
    venue: Double, clock: HandClock, waits: list[float], bans: Bans | None = None
) -> BinanceRest:
    def pause(seconds: float) -> bool:
        waits.append(seconds)
        clock.pass_(seconds)
        return False

    return BinanceRest(venue.settings["BINANCE_HTTP_URL"], USDM, clock, pause, bans or Bans(clock))


def test_half_of_the_weight_limit_is_left_alone() -> None:
    """Near it the next request waits for the venue's next minute."""
    clock, waits = HandClock(), list[float]()
    with double() as venue:
        asking = rest(venue, clock, waits)
        clock.pass_(12)
        venue.base_weight = 1_200 - 2 * WEIGHT
        asking.from_id("BTCUSDT", FIRST_ID)
        assert waits == []
        asking.from_id("BTCUSDT", FIRST_ID)
        asking.from_id("BTCUSDT", FIRST_ID)
        asking.close()
    assert waits == [48.0]


def test_after_a_ban_nothing_is_sent_before_its_time(tmp_path: Path) -> None:
    """``Retry-After`` is obeyed to the second, after a restart too; the caller is told how long."""
    clock, path = HandClock(), tmp_path / "bans.json"
    with double(Trouble(refuse=1.0, banned_seconds=7)) as venue:
        asking = rest(venue, clock, [], Bans(clock, path))
        while venue.seen.banned == 0:
            with pytest.raises(Unavailable) as ban:
                asking.from_id("BTCUSDT", FIRST_ID)
        assert ban.value.wait == 7.0
        asking.close()
        asked = venue.seen.requests
        for passed, left in ((0.0, 7.0), (3.0, 4.0)):
            clock.pass_(passed)
            for kept in (asking, rest(venue, clock, [], Bans(clock, path))):
                with pytest.raises(Unavailable, match="banned") as ban:
                    kept.from_id("BTCUSDT", FIRST_ID)
                assert ban.value.wait == pytest.approx(left)
            bans = Bans(clock, path)
            (reason,) = checked(["BTCUSDT"], urls(venue), clock, bans).values()
            assert "banned" in reason
        assert venue.seen.requests == asked
        clock.pass_(4.1)
        with pytest.raises(Unavailable):
            rest(venue, clock, [], Bans(clock, path)).from_id("BTCUSDT", FIRST_ID)
        assert venue.seen.requests == asked + 1


@pytest.mark.parametrize("written", ["", "{", "[1]", '{"x": "soon"}', '{"x": 1e15}'])
def test_a_file_of_bans_that_means_nothing_holds_nobody_up(tmp_path: Path, written: str) -> None:
    """Half a file, another's, or one of a clock set wrong: three days at most."""
    path = tmp_path / "bans.json"
    path.write_text(written)
    assert Bans(HandClock(), path).left("x") <= LONGEST
    assert Bans(HandClock(), path).left("y") == 0


def test_a_symbol_the_venue_does_not_know_is_an_error_that_names_it() -> None:
    """At the start, before anything is written; of the other market it is unknown too."""
    clock = HandClock()
    with double() as venue:
        assert checked(["BTCUSDT", "spot:ETHUSDT"], urls(venue), clock, Bans(clock)) == {}
        for wrong in ("NOSUCH", "spot:BTCUSDT"):
            with pytest.raises(Refused, match=f"{wrong}.*Invalid symbol"):
                checked(["BTCUSDT", wrong], urls(venue), clock, Bans(clock))


def test_a_venue_that_does_not_answer_leaves_the_symbols_unasked() -> None:
    """No network at the start is no reason not to start."""
    nowhere = dict.fromkeys((USDM, SPOT), "http://127.0.0.1:9")
    assert list(checked(["BTCUSDT"], nowhere, HandClock(), Bans(HandClock()))) == ["BTCUSDT"]


def test_time_finds_its_first_id() -> None:
    """Across hours without a trade."""
    with double() as venue:
        asking = rest(venue, HandClock(), [])
        found = asking.at_time("BTCUSDT", START_MS - 2 * 3_600_000)
        asking.close()
        assert found is not None
        assert found.agg_id.tolist() == [FIRST_ID]
        assert SPOT_WEIGHT < WEIGHT
