"""The bench the venue is tried on."""

import pytest

from tests.adapters.deribit.bench import Bench


@pytest.fixture
def bench() -> Bench:
    return Bench()
