"""The judges themselves, on scripts written by hand: what they must not say, and what they must."""

from decimal import Decimal

import pytest

from adapters.paper.faults.common import Delay
from adapters.paper.faults.of_moments import HumanOpens, HumanOrders
from adapters.paper.faults.of_requests import Latency
from simulation import happenings as happen
from simulation.running import play
from simulation.script import Entry, Script

BTC = "BTC-PERPETUAL"


def hand(side: str, usd: int) -> HumanOpens:
    return HumanOpens(at=(0,), most=1, instruments=(BTC,), side=side, usd=Decimal(usd))


def netted_away(*later: Entry, bracket: str) -> Script:
    """A person buys 1000 USD beside our resting entry, which then sells 500 into his."""
    opens = happen.Opens(instrument=BTC, side="sell", usd=500, stop=0.01, target=0.03, limit=0.001)
    entries = (
        Entry(at=5.0, name="open", act=opens),
        Entry(at=7.0, name="buys", act=hand("buy", 1000)),
        Entry(at=9.0, name="up", act=happen.Moves(share=0.003)),
        *later,
    )
    return Script(seed=1, hours=0.025, volatility=0.00001, bracket=bracket, entries=entries)


@pytest.mark.parametrize("bracket", ["sequential", "otoco"])
def test_what_a_person_turns_round_after_the_venue_netted_our_trade_is_his(bracket: str) -> None:
    """Our trade ended when the venue held nothing of it. That he is short later, as short as it
    was, does not bring it back. (The judge of seed 100115 said that it did.)"""
    sells = Entry(at=30.0, name="sells", act=hand("sell", 1000))
    outcome = play(netted_away(sells, bracket=bracket))
    assert outcome.violations == ()


@pytest.mark.parametrize("bracket", ["sequential", "otoco"])
def test_what_he_takes_back_at_once_leaves_ours_to_be_protected(bracket: str) -> None:
    """Before the trade has ended on disk it is ours still, stop and all."""
    sells = Entry(at=9.2, name="sells", act=hand("sell", 1000))
    outcome = play(netted_away(sells, bracket=bracket))
    assert outcome.violations == ()


def test_a_stray_that_turns_a_persons_position_is_not_the_daemons_doing() -> None:
    """The script left it at the venue, and not reduce-only. (Seed 330015 said I4.)"""
    entries = (
        Entry(at=66.0, name="stray", act=happen.Strays(instrument=BTC)),
        Entry(at=7.0, name="sells", act=hand("sell", 50)),
        Entry(at=9.0, name="down", act=happen.Moves(share=-0.03)),
    )
    script = Script(seed=1, hours=0.025, volatility=0.00001, entries=entries)
    assert play(script).violations == ()


def test_what_a_person_opens_right_after_a_kill_is_his() -> None:
    """His resting order fills two seconds after the account was verified flat: nobody closes that.
    (The judge of seed 330046 wanted it closed.)"""
    entries = (
        Entry(at=5.0, name="orders", act=HumanOrders(at=(0,), most=1, usd=Decimal(1000))),
        Entry(at=8.0, name="kill", act=happen.Kills(resume_after=1000.0)),
        Entry(at=12.0, name="down", act=happen.Moves(share=-0.02)),
    )
    outcome = play(Script(seed=1, hours=0.02, volatility=0.00001, entries=entries))
    assert outcome.violations == ()


def test_a_look_counts_from_when_the_venue_was_asked_not_from_when_the_request_left() -> None:
    """The stray comes while the reaper's first read travels, and is seen twice before it goes.
    (Seed 380072 said I2.)"""
    slow = Latency(
        until=1_000, methods=("private/get_open_orders",), delay=Delay(constant=700), way="out"
    )
    entries = (
        Entry(at=30.03, name="slow", act=slow),
        Entry(at=66.0, name="stray", act=happen.Strays(instrument=BTC)),
    )
    script = Script(seed=1, hours=0.025, volatility=0.00001, entries=entries)
    assert play(script).violations == ()


def spoilt_stop(*later: Entry, sold: int = 100) -> Script:
    """The way takes reduce-only from a stop, and the venue is away before it can be taken back.

    A person sells ``sold`` USD of its 500 meanwhile, and the price falls through the stop.
    """
    opens = happen.Opens(instrument=BTC, side="buy", usd=500, stop=0.01, target=0.03)
    entries = (
        Entry(at=5.0, name="garble", act=happen.Garbles(field="reduce_only")),
        Entry(at=5.0, name="open", act=opens),
        *later,
        Entry(at=9.0, name="sells", act=hand("sell", sold)),
        Entry(at=11.0, name="down", act=happen.Moves(share=-0.03)),
    )
    return Script(seed=1, hours=0.025, volatility=0.00001, entries=entries)


def test_a_stop_that_the_way_changed_turns_a_position_only_while_nobody_can_help_it() -> None:
    """Its cancel cannot arrive before it sells more than there is. (Seed 300126 said I4.)"""
    away = Entry(at=5.017, name="away", act=happen.Partition(lasts=20.0))
    assert play(spoilt_stop(away)).violations == ()
    assert play(spoilt_stop()).violations == ()


def test_what_a_changed_stop_opens_from_nothing_is_nobodys() -> None:
    """A person closes it; what the venue books for that is in no trade. (Seed 400019 said I9.)"""
    away = Entry(at=5.017, name="away", act=happen.Partition(lasts=20.0))
    takes_back = Entry(at=13.0, name="buys", act=hand("buy", 500))
    assert play(spoilt_stop(away, takes_back, sold=500)).violations == ()


def test_what_a_changed_stop_opened_while_nobody_was_there_holds_up_the_next_process() -> None:
    """A quarantine is a person's to look at, and he is told. (Seed 630347 said L4.)"""
    dies = Entry(at=5.015, name="crash", act=happen.Crashes(steps=0, down=10.0, power_cut=False))
    outcome = play(spoilt_stop(dies))
    assert (outcome.processes, outcome.violations) == (2, ())


@pytest.mark.parametrize("steps", range(0, 24, 2))
def test_a_resume_that_a_crash_left_unanswered_may_have_ended_the_kill(steps: int) -> None:
    """Nobody closes then what is opened after it. (Seed 651267 said I6.)"""
    opens = happen.Opens(instrument=BTC, side="buy", usd=500, stop=0.01, target=0.03)
    entries = (
        Entry(at=8.0, name="kill", act=happen.Kills(resume_after=10.0)),
        Entry(at=17.99, name="crash", act=happen.Crashes(steps=steps, down=2.0, power_cut=False)),
        Entry(at=40.0, name="open", act=opens),
    )
    script = Script(seed=1, hours=0.025, volatility=0.00001, entries=entries)
    assert play(script).violations == ()


def test_what_is_left_in_our_name_after_a_kill_is_the_reapers() -> None:
    """It takes two sightings, though the kill is judged meanwhile. (Seed 2104525 said I6.)"""
    entries = (
        Entry(at=8.0, name="kill", act=happen.Kills(resume_after=200.0)),
        Entry(at=66.0, name="stray", act=happen.Strays(instrument=BTC)),
    )
    script = Script(seed=1, hours=0.04, volatility=0.00001, entries=entries)
    assert play(script).violations == ()


def test_a_closed_trade_may_take_its_stop_along_though_the_next_ones_has_not_arrived() -> None:
    """For a moment it covered the entry beside it by chance. (Seed 51000497 said I1.)"""
    opens = happen.Opens(instrument=BTC, side="buy", usd=500, stop=0.01, target=0.03)
    entries = (
        Entry(at=5.0, name="first", act=opens),
        Entry(at=20.0, name="close", act=happen.Closes(which=0)),
        Entry(at=20.015, name="second", act=opens),
    )
    script = Script(
        seed=1, hours=0.01, volatility=0.00001, trades_per_instrument=2, entries=entries
    )
    outcome = play(script)
    assert (outcome.violations, outcome.trades) == ((), 2)


def test_a_stop_too_many_may_go_though_the_next_trades_has_not_arrived() -> None:
    """Its reply was waited for in vain, so there are two; one covered the entry beside it by
    chance. (Seed 54000627 said I1.)"""
    slow = Latency(
        until=60_000, labels=("bw.*.sl.*",), methods=("private/buy",), delay=Delay(constant=1100)
    )
    opens = happen.Opens(instrument=BTC, side="sell", usd=500, stop=0.02, target=0.03)
    entries = (
        Entry(at=4.0, name="slow", act=slow),
        Entry(at=5.0, name="first", act=opens),
        Entry(at=6.8, name="second", act=opens),
    )
    script = Script(
        seed=1, hours=0.01, volatility=0.00001, trades_per_instrument=2, entries=entries
    )
    outcome = play(script)
    assert (outcome.violations, outcome.trades) == ((), 2)
