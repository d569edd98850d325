"""The command line with a court that finds fault with every run: what fails must be seen to fail.

A program of its own, because the workers of `simulate` begin fresh: they import the main module
again, and with it this change, where a test's monkeypatch would not reach them.
"""

from decimal import Decimal

from run import main
from simulation.judging import Court


def accuse(court: Court, entries: object, tolerance: Decimal) -> None:
    """Stands in for the comparison of figures."""
    del entries, tolerance
    court.accuse("I9", "as the test wants it")


Court.figures_agree = accuse

if __name__ == "__main__":
    main()
