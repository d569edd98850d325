"""A rig per test, closed afterwards."""

from collections.abc import Iterator

import pytest

from tests.actors.kernel.support import Rig


@pytest.fixture
def rig() -> Iterator[Rig]:
    """A rig with the default policy; the test declares the children."""
    made = Rig()
    yield made
    made.close()
