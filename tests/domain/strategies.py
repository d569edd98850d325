"""What the rules of the domain are tried on: instruments, sides, sizes and prices on a tick."""

from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st

from domain.orders import Side
from tests.domain.catalogue import ALL, D

# Time limits per example say more about the machine than about the rule.
rule = settings(max_examples=200)

instruments = st.sampled_from(ALL)
sides = st.sampled_from(Side)
contracts = st.integers(min_value=1, max_value=1_000_000)
prices: st.SearchStrategy[Decimal] = st.integers(min_value=1_000, max_value=4_000_000).map(
    lambda halves: D(halves) / 2
)
any_prices: st.SearchStrategy[Decimal] = st.decimals(
    min_value=D("0.01"), max_value=D(10_000_000), places=8
)
trades = st.tuples(sides, contracts, prices)
