"""Fifty digits, whoever calls."""

from decimal import Decimal, getcontext, localcontext

from domain.exact import exact
from tests.domain.catalogue import D


@exact
def _third() -> Decimal:
    return D(1) / 3


def test_a_poor_context_of_the_caller_does_not_reach_the_arithmetic() -> None:
    """A caller working with four digits still gets fifty."""
    with localcontext(prec=4):
        assert len(_third().as_tuple().digits) == 50


def test_the_context_of_the_caller_is_left_alone() -> None:
    """Calling exact arithmetic changes neither digits nor rounding of the caller."""
    before = (getcontext().prec, getcontext().rounding)
    _third()
    assert (getcontext().prec, getcontext().rounding) == before
