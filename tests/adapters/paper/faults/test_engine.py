"""What the faults of a plan decide: about requests, notifications, connections, and alone."""

import math
from collections import Counter
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.paper.faults.engine import FaultEngine
from adapters.paper.faults.fates import AT_ONCE, UNTOUCHED, Answer, Asked, Fate, Phase
from adapters.paper.faults.reading import parse_plan

START = 1_000_000
BUY = Asked(method="private/buy", label="bw.t1.entry.1", line="c1")
SELL = Asked(method="private/sell", label="bw.t1.sl.1", line="c1")
POST = Asked(method="private/buy", label="bw.t1.entry.1")


def engine(text: str, seed: int = 1) -> FaultEngine:
    return FaultEngine(parse_plan(text), seed=seed, now_ms=START)


def fault(kind: str, *keys: str) -> str:
    return "\n".join(["[[fault]]", f'kind = "{kind}"', *keys, ""])


def answers(faults: FaultEngine, *asked: Asked, at: int = START) -> list[Answer]:
    return [faults.request(each, at).answer for each in asked]


def test_without_a_fault_everything_is_as_it_was() -> None:
    """And nothing is ever due."""
    faults = engine("")
    assert faults.is_quiet
    assert faults.request(BUY, START) is UNTOUCHED
    assert faults.notification("user.orders", START) is AT_ONCE
    assert faults.connecting(START) is None
    assert faults.tick(START + 10**9) == []
    assert faults.next_ms == math.inf
    assert faults.price("btc_usd", Decimal(7), START) == 7


@pytest.mark.parametrize(
    ("text", "fate"),
    [
        (fault("request_lost"), Fate(is_run=False, answer=Answer.NOTHING)),
        (fault("reply_lost"), Fate(answer=Answer.NOTHING)),
        (fault("error", "code = 10040"), Fate(is_run=False, answer=Answer.ERROR, code=10040)),
        (fault("error", "code = 10028", "applied = true"), Fate(answer=Answer.ERROR, code=10028)),
        (fault("truncated", "keep = 0.25"), Fate(answer=Answer.PART, keep=0.25)),
        (fault("broken_off", "applied = true"), Fate(answer=Answer.BREAK)),
        (fault("broken_off", "applied = false"), Fate(is_run=False, answer=Answer.BREAK)),
        (fault("latency", "delay = { constant = 2 }"), Fate(out_ms=2000, back_ms=2000)),
        (fault("latency", 'way = "out"', "delay = { constant = 2 }"), Fate(out_ms=2000)),
        (fault("latency", 'way = "back"', "delay = { constant = 2 }"), Fate(back_ms=2000)),
    ],
)
def test_a_request_meets_its_fate(text: str, fate: Fate) -> None:
    """One fault, one verdict."""
    got = engine(text).request(BUY, START)
    assert replace(got, struck=()) == fate
    assert bool(got.struck) == (fate.answer is not Answer.WHOLE)


def test_the_first_verdict_counts_and_latencies_add_up() -> None:
    """In the order of the plan."""
    late = fault("latency", 'way = "out"', "delay = { constant = 1 }")
    plan = late + fault("reply_lost") + fault("request_lost") + late
    got = engine(plan).request(POST, START)
    assert got == Fate(out_ms=2000, answer=Answer.NOTHING, struck=("reply_lost-1",))


def test_a_page_of_html_comes_over_http_only() -> None:
    """A websocket has no status."""
    faults = engine(fault("http_error", "status = 503"))
    got = faults.request(POST, START)
    assert (got.is_run, got.answer, got.status) == (False, Answer.PAGE, 503)
    assert faults.request(BUY, START) == Fate()


def test_methods_labels_and_transport_choose() -> None:
    """Patterns on each."""
    by_method = engine(fault("reply_lost", 'methods = "private/s*"'))
    assert answers(by_method, BUY, SELL) == [Answer.WHOLE, Answer.NOTHING]
    by_label = engine(fault("reply_lost", 'labels = ["bw.*.sl.*"]'))
    assert answers(by_label, BUY, SELL) == [Answer.WHOLE, Answer.NOTHING]
    by_transport = engine(fault("reply_lost", 'transport = "http"'))
    assert answers(by_transport, BUY, POST) == [Answer.WHOLE, Answer.NOTHING]


def test_every_nth_and_at_most_so_many() -> None:
    """Only what matches is counted."""
    faults = engine(fault("reply_lost", 'methods = "private/buy"', "nth = 2", "most = 2"))
    got = answers(faults, *[BUY, SELL] * 8)[::2]
    assert [each is Answer.NOTHING for each in got] == [False, True] * 2 + [False] * 4
    assert faults.counts() == {"reply_lost-1": 2}


def test_a_window_bounds_what_matches() -> None:
    """From ``after`` on, and before ``until``."""
    faults = engine(fault("reply_lost", "after = 10", "until = 20"))
    lost = [
        at
        for at in range(0, 30_000, 5000)
        if answers(faults, BUY, at=START + at)[0] is Answer.NOTHING
    ]
    assert lost == [10_000, 15_000]


@pytest.mark.parametrize("when", ["at = [1, 3]", "every = 1.5\nuntil = 4"])
def test_moments_strike_the_first_that_matches_after_each(when: str) -> None:
    """Two moments, two requests, whenever they come."""
    faults = engine(fault("reply_lost", when))
    got = [answers(faults, BUY, at=START + at)[0] for at in (0, 999, 2000, 2001, 60_000, 60_001)]
    assert [each is Answer.NOTHING for each in got] == [False, False, True, False, True, False]


def test_a_rate_strikes_about_as_often_as_it_says() -> None:
    """Sixty an hour: about one a minute, seeded."""
    faults = engine(fault("disconnect", "rate_per_hour = 60"))
    hits = sum(len(faults.tick(START + at)) for at in range(0, 10 * 3_600_000, 1000))
    assert 500 < hits < 700


@given(st.integers(0, 2**32), st.integers(0, 2**32))
def test_a_third_is_about_a_third(seed: int, own: int) -> None:
    """And the same seed decides the same again."""
    text = fault("reply_lost", "probability = 0.333", f"seed = {own}")
    got = answers(engine(text, seed), *[BUY] * 300)
    assert 60 <= Counter(got)[Answer.NOTHING] <= 140
    assert got == answers(engine(text, seed), *[BUY] * 300)


def test_chance_does_not_depend_on_the_other_faults() -> None:
    """A plan can be made smaller and the rest happens as before."""
    lost = fault("reply_lost", 'name = "lost"', "probability = 0.3", "nth = 2")
    broken = fault("broken_off", 'name = "broken"', "probability = 0.5")
    both = parse_plan(broken + lost)
    whole = FaultEngine(both, seed=5, now_ms=START)
    small = FaultEngine(both.without("broken"), seed=5, now_ms=START)
    for _ in range(200):
        before = whole.counts()["lost"]
        whole.request(BUY, START)
        is_hit = whole.counts()["lost"] > before
        assert (small.request(BUY, START).answer is Answer.NOTHING) == is_hit


@pytest.mark.parametrize(
    "delay",
    [
        '{ exponential = "20ms", cap = "50ms" }',
        '{ lognormal = "20ms", sigma = 1, cap = "50ms" }',
        '{ uniform = ["0ms", "50ms"] }',
    ],
)
def test_delays_stay_within_their_bounds(delay: str) -> None:
    """And differ."""
    faults = engine(fault("latency", 'way = "out"', f"delay = {delay}"))
    drawn = [faults.request(POST, START).out_ms for _ in range(200)]
    assert all(0 <= each <= 50 for each in drawn)
    assert len(set(drawn)) > 50
    assert 10 < sorted(drawn)[100] < 35


def test_notifications_are_lost_doubled_delayed_and_held() -> None:
    """By channel."""
    lost = engine(fault("notification_lost", 'channels = "user.*"'))
    assert lost.notification("user.changes.any.any.raw", START).delays == ()
    assert lost.notification("ticker.BTC-PERPETUAL.100ms", START) == AT_ONCE
    doubled = engine(fault("notification_duplicated", "delay = { constant = 1 }"))
    assert doubled.notification("x", START).delays == (0, 1000)
    held = engine(fault("notification_reordered", "patience = 2"))
    assert held.notification("x", START).held_ms == 2000
    late = engine(fault("notification_delayed", "nth = 2", "delay = { constant = 1 }"))
    assert [late.notification("x", START).delays for _ in range(3)] == [(0,), (1000,), (0,)]
    assert not late.notification("x", START).in_order
    slow = engine(
        fault("notification_delayed", "in_order = true", "delay = { constant = 1 }")
    ).notification("x", START)
    assert (slow.delays, slow.in_order) == ((1000,), True)


def test_a_latency_of_everything_is_the_wires_own() -> None:
    """Notifications have it too; a latency of some methods does not touch them."""
    wire = engine(fault("latency", "delay = { constant = 1 }"))
    assert wire.notification("x", START).delays == (1000,)
    of_some = engine(fault("latency", 'methods = "private/*"', "delay = { constant = 1 }"))
    assert of_some.notification("x", START).delays == (0,)


def test_a_connection_can_be_turned_away() -> None:
    """With a status, for as long as the fault says."""
    faults = engine(fault("connection_refused", "until = 10", "status = 503"))
    assert faults.connecting(START) == 503
    assert faults.connecting(START + 10_000) is None


def test_moments_happen_by_themselves_and_missed_ones_are_one() -> None:
    """Every twenty seconds, on an absolute schedule."""
    faults = engine(fault("disconnect", "every = 20"))
    ticks = [0, 19_999, 20_000, 20_001, 95_000, 99_999, 100_000]
    happened = [len(faults.tick(START + at)) for at in ticks]
    assert happened == [0, 0, 1, 0, 1, 0, 1]
    assert faults.next_ms == START + 120_000


def test_what_lasts_begins_and_ends() -> None:
    """Maintenance refuses everything but the time and the status."""
    faults = engine(fault("maintenance", "at = 10", "lasts = 5"))
    assert faults.tick(START) == []
    (began,) = faults.tick(START + 10_000)
    assert began.phase is Phase.BEGAN
    refused = faults.request(BUY, START + 11_000)
    assert (refused.answer, refused.code, refused.is_run) == (Answer.ERROR, 11051, False)
    asked = Asked(method="public/get_time", line="c1")
    assert faults.request(asked, START + 11_000).answer is Answer.WHOLE
    (ended,) = faults.tick(START + 15_000)
    assert ended.phase is Phase.ENDED
    assert faults.request(BUY, START + 15_000).answer is Answer.WHOLE


def test_what_lasts_without_moments_lasts_through_its_window() -> None:
    """From ``after`` to ``until``; or for ever."""
    faults = engine(fault("clock_skew", "by = -2", "after = 1", "until = 3") + fault("thin_book"))
    seen: list[tuple[int, int]] = []
    for at in range(0, 5000, 1000):
        faults.tick(START + at)
        seen.append((faults.skew_ms, faults.size_percent))
    assert seen == [(0, 5), (-2000, 5), (-2000, 5), (0, 5), (0, 5)]


def test_books_are_held_in_a_state() -> None:
    """Those that match."""
    faults = engine(fault("book_state", 'state = "halted"', 'instruments = "BTC*"'))
    faults.tick(START)
    assert faults.book_state("BTC-PERPETUAL") == "halted"
    assert faults.book_state("ETH-PERPETUAL") is None


def prices(text: str, *moments: int) -> list[str]:
    faults = engine(text)
    seen: list[str] = []
    for at in moments:
        faults.tick(START + at)
        seen.append(f"{faults.price('btc_usd', Decimal(100), START + at).normalize():f}")
    return seen


def test_a_gap_stays_and_a_crash_comes_back() -> None:
    """Down in a tenth of its time, back in its second half."""
    gaps = fault("price_gap", "percent = -10", "at = [1, 2]")
    assert prices(gaps, 0, 1000, 2000, 9000) == ["100", "90", "81", "81"]
    crash = fault("flash_crash", "percent = -20", "at = 0", "lasts = 10")
    assert prices(crash, 0, 500, 1000, 4999, 7500, 10_000) == ["100", "90", "80", "80", "90", "100"]


def test_a_storm_swings_both_ways() -> None:
    """A triangle around the price."""
    storm = fault("trigger_storm", "percent = 1", "period = 4", "at = 0", "lasts = 8")
    assert prices(storm, 0, 1000, 2000, 3000, 4000, 8000) == [
        "100",
        "101",
        "100",
        "99",
        "100",
        "100",
    ]


def test_prices_walk_back_from_a_shock_that_ends_early() -> None:
    """A crash as in its second half, a storm as in a quarter of its period: nothing jumps."""
    for text, at, seen in (
        (fault("flash_crash", "percent = -20", "at = 0", "lasts = 10"), 3000, [80, 88, 96, 100]),
        (fault("trigger_storm", "percent = 8", "period = 16"), 3000, [106, 103, 100, 100]),
    ):
        faults = engine(text)
        faults.tick(START)
        faults.clear()
        moments = [START + at + each for each in (0, 2000, 4000, 6000)]
        found: list[Decimal] = []
        for moment in moments:
            faults.tick(moment)
            found.append(faults.price("btc_usd", Decimal(100), moment))
        assert found == seen
    cut_by_its_end = fault("trigger_storm", "percent = 1", "period = 4", "at = 0", "lasts = 3")
    assert prices(cut_by_its_end, 0, 2999, 3000, 3500, 4000) == [
        "100",
        "99.001",
        "99",
        "99.5",
        "100",
    ]


def test_other_indexes_are_left_alone() -> None:
    """Patterns again."""
    faults = engine(fault("price_gap", "percent = -10", 'indexes = "eth*"'))
    faults.tick(START)
    assert faults.price("btc_usd", Decimal(100), START) == 100
    assert faults.price("eth_usd", Decimal(100), START) == 90


def test_faults_come_and_go_while_it_runs() -> None:
    """What lasts ends at once; a gap of the price does not come back by itself."""
    faults = engine("")
    assert faults.add(parse_plan(fault("maintenance")), START) == ("maintenance-1",)
    with pytest.raises(ValueError, match="in force already"):
        faults.add(parse_plan(fault("maintenance")), START)
    faults.tick(START)
    assert faults.remove(["maintenance-1", "nobody"]) == ("maintenance-1",)
    (ended,) = faults.tick(START + 1)
    assert ended.phase is Phase.ENDED
    assert faults.is_quiet
    faults.add(parse_plan(fault("price_gap", "percent = 10")), START)
    faults.tick(START + 1)
    assert faults.clear() == ("price_gap-1",)
    assert faults.price("btc_usd", Decimal(100), START + 2) == 110


def test_times_of_a_fault_added_later_count_from_then() -> None:
    """``after`` is since it came into force."""
    faults = engine("")
    faults.add(parse_plan(fault("disconnect", "at = 5")), START + 60_000)
    assert faults.next_ms == START + 65_000
