"""Reconciliation: who still has to answer, and which look may be judged."""

from dataclasses import replace

from actors.messages.watch import PortfolioObserved
from actors.reconciling import ASK_AGAIN, Reconciliation
from tests.domain.builders import START, position, stop_order
from tests.domain.catalogue import BTC

LOOK = PortfolioObserved(
    at=START, positions=(), orders=(), accounts=(), drifts=(), began_monotonic=10.0
)


def test_a_trade_is_asked_once_and_again_only_when_it_does_not_answer() -> None:
    """A busy trade is not buried under questions."""
    state = Reconciliation(["a", "b"], now=0.0)
    assert state.to_ask(0.0) == ["a", "b"]
    assert state.to_ask(1.0) == []
    state.answered("a", is_synced=True, now=2.0)
    assert state.to_ask(ASK_AGAIN + 1) == ["b"]
    state.answered("b", is_synced=False, now=ASK_AGAIN + 2)
    assert state.to_ask(ASK_AGAIN + 3) == ["b"]
    state.answered("nobody", is_synced=True, now=99.0)
    state.gone("b")
    assert state.pending == 0


def test_a_look_that_says_nothing_is_not_judged() -> None:
    """Too early, too old, or a trade changed during it."""
    state = Reconciliation(["a"], now=0.0)
    assert state.agrees(LOOK, []) is None
    state.answered("a", is_synced=True, now=11.0)
    assert state.agrees(LOOK, []) is None
    later = replace(LOOK, began_monotonic=12.0)
    assert state.agrees(replace(later, drifts=None), []) is None
    assert state.agrees(later, []) is True
    state.is_done = True
    assert state.agrees(later, []) is None


def test_a_naked_position_of_ours_is_no_agreement() -> None:
    """Somebody else's is not our business here."""
    state = Reconciliation([], now=0.0)
    naked = replace(LOOK, positions=(position(10),))
    assert state.agrees(naked, [BTC.name]) is False
    assert state.agrees(naked, []) is True
    covered = replace(naked, orders=(stop_order(10),))
    assert state.agrees(covered, [BTC.name]) is True


def test_why_it_is_not_done_is_said_in_words() -> None:
    """The first thing that is missing, for a person."""
    state = Reconciliation(["a"], now=0.0)
    assert "contract data" in state.why_not_done(has_catalogue=False)
    assert "1 trades" in state.why_not_done(has_catalogue=True)
    state.gone("a")
    assert "account" in state.why_not_done(has_catalogue=True)
    state.doubt(["b"])
    assert state.to_ask(0.0) == ["b"]
