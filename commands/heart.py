"""The dead man's switch of the bot: what keeps it silent, and its start."""

from contextlib import ExitStack

from actors.door import DeskDoor
from actors.kernel import System
from actors.ports import DeskSilent
from adapters.heartbeat import Heartbeat
from config.settings import Settings
from domain.health import verdict


def start_heartbeat(settings: Settings, system: System, stack: ExitStack) -> None:
    """Pings ``HEARTBEAT_URL`` while the health verdict is good; ends with ``stack``."""
    if settings.heartbeat_url is None:
        return
    desk = DeskDoor(system)

    def complaint() -> str:
        try:
            judged = verdict(desk.vitals().vitals)
        except DeskSilent:
            return "the Desk does not answer"
        return ", ".join(fault.code for fault in judged.faults)

    heart = Heartbeat(settings.heartbeat_url.get_secret_value(), complaint)
    heart.start()
    stack.callback(heart.close)
