"""Bots that spend most of their time waiting: started with the first test that asks for any.

What they are judged by comes at the end of `test_outages`; until then they wait beside the
other tests instead of after them.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.endtoend.bulwark import Bot, free_port, market


@dataclass(frozen=True, slots=True)
class Patient:
    """``lonely`` has a venue nobody listens at, ``refused`` has wrong credentials."""

    lonely: Bot
    lonely_port: int
    refused: Bot


@pytest.fixture(scope="session")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Patient]:
    """Two running bots, ended with the session."""
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("lonely")
        port = free_port()
        nowhere = {
            "DERIBIT_HTTP_URL": f"http://127.0.0.1:{port}/api/v2",
            "DERIBIT_WS_URL": f"ws://127.0.0.1:{port}/ws/api/v2",
        }
        lonely = stack.enter_context(Bot(folder, nowhere))
        folder = tmp_path_factory.mktemp("refused")
        exchange = stack.enter_context(market(folder / "venue"))
        wrong = {
            "PAPER_PORT": exchange.port,
            "DERIBIT_CLIENT_ID": "somebody",
            "DERIBIT_CLIENT_SECRET": "mistyped",
        }
        refused = stack.enter_context(Bot(folder, wrong))
        yield Patient(lonely, port, refused)
