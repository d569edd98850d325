"""Arithmetic of money: fifty digits, whatever decimal context the calling thread has.

Every actor runs in its own thread and every thread starts with 28 digits; averages and
margins divide repeatedly, so they are worked out with room to spare and rounded by nobody.
"""

from collections.abc import Callable
from decimal import (
    ROUND_HALF_EVEN,
    Context,
    DivisionByZero,
    InvalidOperation,
    Overflow,
    getcontext,
    localcontext,
)
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

DIGITS = 50
_CONTEXT = Context(
    prec=DIGITS, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow]
)


def exact(function: Callable[P, R]) -> Callable[P, R]:
    """Runs ``function`` with fifty digits and leaves the caller's context as it was."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        if getcontext().prec == DIGITS:  # called by one that has seen to it
            return function(*args, **kwargs)
        with localcontext(_CONTEXT):
            return function(*args, **kwargs)

    return run
