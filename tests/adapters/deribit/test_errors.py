"""The outcome policy: only a proof counts as a refusal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ports import OutcomeUnknown, Rejected
from adapters.deribit.errors import PROVEN_REFUSALS, Throttled, failure
from domain import venue_codes


@pytest.mark.parametrize(
    "code", [10001, 10028, 10040, 10049, 10050, 11031, 11094, 13008, 13028, 13888, -32603, 0]
)
def test_codes_that_prove_nothing_leave_the_outcome_open(code: int) -> None:
    """A busy, failing or late engine may still have executed the order."""
    assert isinstance(failure("m", {"code": code, "message": "x"}), OutcomeUnknown)


@pytest.mark.parametrize("code", [10004, 10009, 10041, 10047, 11030, 11035, 11036, 13009, -32602])
def test_codes_that_prove_the_refusal_are_rejections(code: int) -> None:
    """A refusal keeps its code, reason and data."""
    fault = failure("m", {"code": code, "message": "why", "data": {"reason": "r", "param": "p"}})
    assert isinstance(fault, Rejected)
    assert (fault.code, fault.reason, fault.data) == (code, "why", "reason: r, param: p")


@given(st.integers().filter(lambda code: code not in PROVEN_REFUSALS))
def test_an_unlisted_code_is_never_a_rejection(code: int) -> None:
    """The table is an allow-list: a code of tomorrow is an unknown outcome."""
    assert isinstance(failure("m", {"code": code, "message": "x"}), OutcomeUnknown)


@given(st.recursive(st.none() | st.text() | st.integers() | st.booleans(), st.lists, max_leaves=5))
def test_any_shape_of_error_is_an_outcome(error: object) -> None:
    """Whatever stands where the error should be, one of the two outcomes comes out."""
    assert isinstance(failure("m", error), OutcomeUnknown)
    assert isinstance(failure("m", {"code": 10009, "message": error, "data": error}), Rejected)


def test_throttling_is_told_apart() -> None:
    """Over the limit is unknown, and recognisable, so that the budget can be emptied."""
    assert isinstance(failure("m", {"code": 10028, "message": "too_many_requests"}), Throttled)


def test_every_code_actors_act_upon_can_reach_them() -> None:
    """Each named code set of the domain consists of proven refusals."""
    sets = [value for value in vars(venue_codes).values() if isinstance(value, frozenset)]
    assert len(sets) > 8
    assert frozenset().union(*sets) <= PROVEN_REFUSALS
