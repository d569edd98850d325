"""The Desk as a door meets it, on virtual time."""

from typing import Any

from actors.door import DeskDoor
from actors.messages.desk import CommandReply
from actors.tree import Plan
from domain.commands import Door
from tests.scenarios.scene import Scene


class Counter:
    """A person at a door. ``who`` is known at the doors of the API unless a test says otherwise."""

    def __init__(self, scene: Scene, door: Door = Door.API, who: str = "operator") -> None:
        self.scene = scene
        self.door = door
        self.who = who

    @property
    def desk(self) -> DeskDoor:
        return DeskDoor(self.scene.daemon.system)

    def say(self, text: str, **more: Any) -> CommandReply:
        """Types a command."""
        name, _, rest = text.partition(" ")
        return self.desk.run(self.door, self.who, name, text=rest, **more)

    def confirm(self, reply: CommandReply) -> CommandReply:
        """Presses the button under a reply."""
        assert reply.confirmation is not None, reply
        return self.desk.confirm(self.door, self.who, reply.confirmation.token)

    def sure(self, text: str) -> CommandReply:
        """Types a command and presses its button."""
        return self.confirm(self.say(text))


def words(reply: CommandReply) -> str:
    """The lines of a reply as one text."""
    return "\n".join(reply.content.lines)


def rows(reply: CommandReply, key: str) -> list[dict[str, Any]]:
    """A table of a reply, each row by column."""
    (table,) = [x for x in reply.content.tables if x.key == key]
    names = [column.key for column in table.columns]
    return [dict(zip(names, row, strict=True)) for row in table.rows]


def scene_for(seed: int = 1, plan: Plan | None = None) -> Scene:
    return Scene(seed, plan=plan).ready()
