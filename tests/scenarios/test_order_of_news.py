"""Events come in the order in which a person understands them: the cause before what it led to."""

from actors.messages.trading import EmergencyBegan, EmergencyClosed, StopFailed, TradeAccepted
from domain.labels import Role
from simulation.venue import Refusal
from tests.scenarios.conftest import Stage
from tests.scenarios.scene import PLACE, Once


def test_a_refused_stop_is_told_before_the_emergency_it_leads_to(stage: Stage) -> None:
    """Who reads the log from top to bottom sees why the position is being closed."""
    scene = stage().ready()
    scene.fault(Once(Refusal(11036), *PLACE, role=Role.STOP))
    assert isinstance(scene.open(), TradeAccepted)
    scene.wait(EmergencyClosed)
    kinds = {StopFailed, EmergencyBegan, EmergencyClosed}
    told = [type(x) for x in scene.daemon.system.events if type(x) in kinds]
    assert told == [StopFailed, EmergencyBegan, EmergencyClosed]
