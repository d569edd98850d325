"""The description of the API is complete and true: schemathesis finds no other answer."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings

from adapters.api.app import Api, application
from adapters.api.guard import Guard
from adapters.api.hub import EventHub
from adapters.api.metrics import Metrics
from adapters.clock import SystemClock
from domain.commands import COMMANDS
from tests.adapters.api.fakes import TOKEN, FakeDesk, hide

DESK = FakeDesk()
HUB = EventHub(1)
APP = application(Api(DESK, HUB, Metrics(DESK), SystemClock(), hide), "1")


def schema() -> dict[str, object]:
    found: dict[str, object] = APP.openapi()
    return found


class Tireless(SystemClock):
    """A day passes between two readings: no budget is ever used up."""

    def __init__(self) -> None:
        self._now = 0.0

    def monotonic(self) -> float:
        self._now += 86_400.0
        return self._now


GUARDED = Guard(APP, token=TOKEN, hosts=frozenset({"testserver"}), clock=Tireless())  # pyright: ignore[reportArgumentType] (an ASGI application)
described = schemathesis.openapi.from_dict(schema())
described.app = GUARDED


def test_every_command_is_described_with_its_arguments() -> None:
    """Names, kinds and help come from the table."""
    paths = APP.openapi()["paths"]
    for spec in COMMANDS:
        (operation,) = paths[f"/v1/{spec.name}"].values()
        assert operation["summary"] == spec.help
        assert {"200", "401", "409", "422", "429", "504"} <= set(operation["responses"])
        assert operation["security"] == [{"HTTPBearer": []}]
    assert "security" not in paths["/healthz"]["get"]


CALM = settings(
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.filterwarnings("ignore")
@described.exclude(path="/events").parametrize()
@settings(CALM, max_examples=8, derandomize=True)
def test_answers_are_as_described(case: schemathesis.Case) -> None:
    """Status codes, content types and bodies, for requests right and wrong."""
    case.call_and_validate(headers={"Authorization": f"Bearer {TOKEN}"})


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@described.exclude(path="/events").parametrize()
@settings(CALM, max_examples=150)
def test_answers_are_as_described_whatever_is_asked(case: schemathesis.Case) -> None:
    """The long form: other requests each time."""
    case.call_and_validate(headers={"Authorization": f"Bearer {TOKEN}"})
