"""The doors' way to the Desk, for threads that are no actors: Telegram's, the API's.

What reduces risk is told to the hotline first, and only then is the reply asked for: whatever
becomes of the asking, the command is carried out.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from actors.kernel import AskFailed, System
from actors.messages.desk import (
    CancelConfirmation,
    CommandReply,
    ConfirmCommand,
    GetReply,
    GetVitals,
    RunCommand,
    VitalsSnapshot,
)
from actors.ports import DeskSilent
from domain.commands import Door, find

ANSWER_SECONDS = 5.0
HOTLINE_SECONDS = 3.0
COMMAND_LIFE = timedelta(seconds=10)


class DeskDoor:
    """Implements `actors.ports.Desk` over the actors of a process."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._desk = system.address("desk")
        self._hotline = system.address("hotline")

    def run(
        self,
        door: Door,
        who: str,
        name: str,
        *,
        text: str = "",
        arguments: Mapping[str, str] | None = None,
        request_id: str = "",
    ) -> CommandReply:
        """Gives a command. Raises `DeskSilent` when there is no answer in time."""
        now = self._system.clock.now()
        spec = find(name)
        is_urgent = spec is not None and spec.is_urgent
        command = RunCommand(
            at=now,
            expires_at=None if is_urgent else now + COMMAND_LIFE,
            door=door,
            who=who,
            name=name,
            text=text,
            arguments=tuple((arguments or {}).items()),
            request_id=request_id or self._system.entropy.new_id(),
        )
        if is_urgent:
            return self._urgent(command)
        try:
            return self._replied(self._desk.ask(command, timeout=ANSWER_SECONDS))
        except AskFailed as error:
            raise DeskSilent(str(error)) from error

    def _urgent(self, command: RunCommand) -> CommandReply:
        self._hotline.tell(command)
        question = GetReply(
            at=command.at,
            door=command.door,
            who=command.who,
            name=command.name,
            request_id=command.request_id,
        )
        try:
            return self._replied(self._hotline.ask(question, timeout=HOTLINE_SECONDS))
        except AskFailed as error:
            what = f"{command.name} is given, but not answered yet ({error})"
            raise DeskSilent(what) from error

    def confirm(self, door: Door, who: str, token: str, *, request_id: str = "") -> CommandReply:
        """Confirms a proposal. Raises `DeskSilent`."""
        now = self._system.clock.now()
        message = ConfirmCommand(
            at=now,
            expires_at=now + COMMAND_LIFE,
            door=door,
            who=who,
            token=token,
            request_id=request_id or self._system.entropy.new_id(),
        )
        try:
            return self._replied(self._desk.ask(message, timeout=ANSWER_SECONDS))
        except AskFailed as error:
            raise DeskSilent(str(error)) from error

    def dismiss(self, door: Door, who: str, token: str, *, request_id: str = "") -> CommandReply:
        """Makes a confirmation void. Raises `DeskSilent`."""
        message = CancelConfirmation(
            at=self._system.clock.now(),
            door=door,
            who=who,
            token=token,
            request_id=request_id or self._system.entropy.new_id(),
        )
        try:
            return self._replied(self._desk.ask(message, timeout=ANSWER_SECONDS))
        except AskFailed as error:
            raise DeskSilent(str(error)) from error

    def vitals(self) -> VitalsSnapshot:
        """What health and metrics are made of. Raises `DeskSilent`."""
        question = GetVitals(at=self._system.clock.now())
        try:
            answer = self._hotline.ask(question, timeout=HOTLINE_SECONDS)
        except AskFailed as error:
            raise DeskSilent(str(error)) from error
        if not isinstance(answer, VitalsSnapshot):
            raise DeskSilent("no vitals")
        return answer

    def _replied(self, answer: Any) -> CommandReply:
        if not isinstance(answer, CommandReply):
            raise DeskSilent("the Desk was restarted meanwhile")
        return answer
