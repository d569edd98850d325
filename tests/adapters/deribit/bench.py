"""A venue on two scripted transports, for the tests of what it sends and of what it reads."""

from typing import Any

from actors.ports import OutcomeUnknown
from adapters.deribit.catalogue import Catalogue
from adapters.deribit.limits import Limiter
from adapters.deribit.venue import DeribitVenue
from tests.adapters.deribit.fakes import GatedScriptedRpc, ManualClock, ScriptedRpc
from tests.adapters.deribit.wires import BTC, LINEAR

UNKNOWN = OutcomeUnknown("no reply")


class Bench:
    """A venue on two scripted transports."""

    def __init__(self, *, gated: bool = False) -> None:
        self.stream = GatedScriptedRpc() if gated else ScriptedRpc()
        self.http = ScriptedRpc()
        self.clock = ManualClock()
        self.limiter = Limiter(self.clock)
        self.venue = DeribitVenue(
            self.stream, self.http, Catalogue([BTC, LINEAR]), self.clock, self.limiter
        )

    def both(self, method: str, answer: Any) -> None:
        self.stream.answer(method, answer)
        self.http.answer(method, answer)

    def sent(self) -> list[tuple[str, dict[str, Any]]]:
        return self.stream.calls + self.http.calls
