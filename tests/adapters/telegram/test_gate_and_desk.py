"""Telegram's gate and the real Desk together: on the double with the real library, and fuzzed.

The Desk lives on virtual time in the test's own thread; what Telegram's threads ask of it waits
until the test serves it.
"""

import asyncio
import queue
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.desk import CONFIRM_WITHIN
from actors.desk_sources import DeskFacts
from actors.door import DeskDoor
from actors.messages.base import Event, Message
from actors.messages.desk import CommandHandled, Status, StrangerRefused
from actors.messages.trading import KillSwitchActivated, Ready
from adapters.telegram.door import TelegramDoor
from adapters.telegram.incoming import understood
from adapters.telegram.line import Account, TelegramLine
from adapters.telegram.texts import Line, as_plain, parts_of
from domain.commands import COMMANDS
from simulation.daemon import default_plan
from tests.adapters.telegram.double import CHAT, TOKEN, USER, BotApi
from tests.scenarios.scene import BTC, ETH, Scene

LISTED = default_plan(desk=DeskFacts(telegram_users=frozenset({str(USER)}), env="paper"))
OPEN = f"/open {BTC} buy 0.05 sl=99000 tp=101000"


class ServedDesk:
    """`actors.ports.Desk` for other threads; `serve` answers them in this one."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._waiting: queue.Queue[tuple[Callable[[], Any], Future[Any]]] = queue.Queue()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def asked(*arguments: Any, **more: Any) -> Any:
            answer: Future[Any] = Future()
            desk = DeskDoor(self._scene.daemon.system)
            self._waiting.put((lambda: getattr(desk, name)(*arguments, **more), answer))
            return answer.result(timeout=20)

        return asked

    def serve(self) -> None:
        """Answers whoever waits."""
        while not self._waiting.empty():
            call, answer = self._waiting.get()
            try:
                answer.set_result(call())
            except Exception as error:  # noqa: BLE001 (it belongs to who asked)
                answer.set_exception(error)


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene(plan=LISTED).ready()
    yield made
    made.end()


class Chat:
    """The real library on a double, the gate, and a Desk."""

    def __init__(self, api: BotApi, scene: Scene, folder: Path) -> None:
        self.api = api
        self.scene = scene
        self.desk = ServedDesk(scene)
        account = Account(
            token=TOKEN, chat_id=CHAT, users=frozenset({USER}), root=api.root, env="paper"
        )
        self.line = TelegramLine(
            account,
            clock=scene.daemon.system.clock,
            desk=self.desk,  # pyright: ignore[reportArgumentType] - it has what is asked for
            publish=lambda _: None,
            tell=lambda _: None,
            handled_file=folder / "telegram.json",
        )
        self.line.start()
        api.wait_for(lambda: api.count("getUpdates") >= 2)

    def until(self, look: Callable[[], object]) -> None:
        def looked() -> object:
            self.desk.serve()
            return look()

        self.api.wait_for(looked)

    def asked(self) -> str:
        """Gives a command that must be confirmed; its button."""
        before = len(self.api.shown)
        self.api.write(OPEN)
        self.until(lambda: any(len(x.buttons) == 2 for x in self.api.shown[before:]))
        return next(x for x in self.api.shown[before:] if len(x.buttons) == 2).buttons[0][1]

    def press(self, data: str) -> str:
        """Presses a button; what the person reads then."""
        before = len(self.api.texts())
        self.api.press(data)
        self.until(lambda: len(self.api.texts()) > before)
        return self.api.texts()[before]


@pytest.fixture
def chat(scene: Scene, tmp_path: Path) -> Iterator[Chat]:
    with BotApi() as api:
        made = Chat(api, scene, tmp_path)
        yield made
        made.line.close()


def test_late_double_and_stale_presses_do_nothing_and_say_so(chat: Chat) -> None:
    """The first press in time opens the trade; no other press ever opens one."""
    late = chat.asked()
    chat.scene.run(CONFIRM_WITHIN.total_seconds() + 1)
    assert "came too late; nothing was done" in chat.press(late)
    assert "Nothing waits for this confirmation" in chat.press(late)
    assert chat.scene.position(BTC) == 0
    in_time = chat.asked()
    assert "nothing was done" not in chat.press(in_time)
    chat.scene.until(lambda: chat.scene.position(BTC) == 500)
    assert "it was used, or it is from before" in chat.press(in_time)
    from_before = chat.asked()
    chat.scene.crash()
    chat.scene.boot()
    chat.scene.wait(Ready)
    assert "it was used, or it is from before" in chat.press(from_before)
    assert chat.scene.position(BTC) == 500


# -- whatever is typed or sent ---------------------------------------------------------------------


class Screen:
    """What the person reads; every text can be sent."""

    chat_id = CHAT

    def __init__(self) -> None:
        self.said: list[str] = []

    async def say(self, lines: list[Line], **_: Any) -> None:
        self.said += [as_plain(part) for part in parts_of(lines)]


class Quiet:
    """A bot whose every call succeeds."""

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, bool]]:
        async def called(*_: Any, **__: Any) -> bool:
            return True

        return called


class Gate:
    """The door with a served Desk, without the library: many updates a second."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.desk = ServedDesk(scene)
        self.screen = Screen()
        self.published: list[Event] = []
        self.told: list[Message] = []
        self.failures: list[Any] = []

    def send(self, update: Any) -> list[str]:
        """One update through all of it; what the person reads."""
        self.screen.said.clear()
        with structlog.testing.capture_logs() as logs:
            asyncio.run(self._send(update))
        bad = ("telegram_command_failed", "command_failed", "telegram_reply_lost")
        self.failures += [x for x in logs if x["event"] in bad]
        return self.screen.said

    async def _send(self, update: Any) -> None:
        meant = understood(update, "bot")
        if meant is None:
            return
        door = TelegramDoor(
            Quiet(),  # pyright: ignore[reportArgumentType] - it has what is called
            self.screen,  # pyright: ignore[reportArgumentType]
            self.desk,  # pyright: ignore[reportArgumentType]
            users=frozenset({USER}),
            clock=self.scene.daemon.system.clock,
            publish=self.published.append,
            tell=self.told.append,
            wait=asyncio.sleep,
        )
        await door.take(meant)
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            self.desk.serve()
            await asyncio.wait(others, timeout=0.001)
        door.close()


@pytest.fixture(scope="module")
def gate() -> Iterator[Gate]:
    made = Scene(plan=LISTED).ready()
    made.bracket(BTC)
    yield Gate(made)
    made.end()


ODD_WORDS = (
    *(BTC, ETH, "buy", "sell", "1e400", "NaN", "-Infinity", "-1", "0", "9" * 400, "sl=", "sl=NaN"),
    *("sl=-1", "tp=1e-400", "\u0661\u0662", "0x10", "\u202e", "\ud800", "A" * 4096, "\0", "'; --"),
    *("BTC-29DEC26", "SOL_USDC-PERPETUAL", "sl=99000", "tp=101000", "0.05", "day", "@", "/kill"),
)
ODD = st.sampled_from(ODD_WORDS)
COMMAND = st.sampled_from([x.name for x in COMMANDS if x.effect != "reduces risk"])
TEXTS = st.builds(
    lambda name, words, gap: f"/{name}{gap}{gap.join(words)}",
    COMMAND | st.text(max_size=40),
    st.lists(ODD | st.text(max_size=30) | st.decimals().map(str), max_size=8),
    st.sampled_from((" ", "  ", "\n", "\u00a0")),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
SENDERS = st.sampled_from(((USER, CHAT), (666, CHAT), (USER, 666), (0, 0), ("7001", CHAT)))
_SETTINGS = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def update_of(text: Any, sender: tuple[Any, Any], number: int, **more: Any) -> dict[str, Any]:
    user, chat = sender
    message = {"text": text, "from": {"id": user}, "chat": {"id": chat}, "date": 1, **more}
    return {"update_id": number, "message": message}


@_SETTINGS
@given(TEXTS, SENDERS, st.integers(0, 10**9))
def test_no_text_of_anybody_breaks_anything_or_trades(
    gate: Gate, text: str, sender: tuple[Any, Any], number: int
) -> None:
    """The listed person is always answered, others never; nothing is done without a press."""
    handled = len(gate.scene.events(CommandHandled))
    said = gate.send(update_of(text, sender, number))
    assert bool(said) == (sender == (USER, CHAT))
    assert all(len(x.encode("utf-16-le")) // 2 <= 4096 for x in said)
    assert not gate.failures
    assert gate.scene.position(BTC) == 500
    assert gate.scene.position(ETH) == 0
    new = gate.scene.events(CommandHandled)[handled:]
    done = [x for x in new if x.status in {Status.ACCEPTED, Status.DONE}]
    assert {x.command for x in done} <= {"test"}


@_SETTINGS
@given(JSON, JSON, st.sampled_from(("message", "callback_query", "edited_message", "poll")))
def test_no_update_of_any_shape_breaks_anything(
    gate: Gate, inner: Any, value: Any, kind: str
) -> None:
    """Whatever a broken or hostile server sends: nothing is carried out, nothing fails."""
    shapes = (
        {"update_id": 5, kind: inner},
        {"update_id": 6, kind: {"text": inner, "data": value, "from": value, "chat": inner}},
        update_of(inner, (USER, CHAT), 7, date=value, message_id=value),
        {"update_id": value, kind: {"data": "yes:abc", "from": {"id": USER}, "message": inner}},
    )
    for update in shapes:
        gate.send(update)
    assert not gate.failures
    assert gate.scene.events(KillSwitchActivated) == []
    assert gate.scene.position(BTC) == 500


@_SETTINGS
@given(st.sampled_from(("kill", "pause", "close BTC-PERPETUAL", "resume", "restart")), SENDERS)
def test_a_stranger_reaches_nothing_whatever_he_writes(
    gate: Gate, text: str, sender: tuple[Any, Any]
) -> None:
    """One of chat and person is not enough; the stranger is noted and hears nothing."""
    if sender == (USER, CHAT):
        return
    handled = len(gate.scene.events(CommandHandled))
    assert gate.send(update_of(f"/{text}", sender, 1)) == []
    assert len(gate.scene.events(CommandHandled)) == handled
    assert any(isinstance(x, StrangerRefused) for x in gate.published)
    assert gate.scene.position(BTC) == 500
