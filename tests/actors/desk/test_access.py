"""Deny by default, and nothing a stranger or a madman types does any harm."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.desk_sources import DeskFacts
from actors.messages.desk import CommandHandled, Refusal, Status, StrangerRefused
from domain.commands import COMMANDS, Door
from simulation.daemon import default_plan
from tests.actors.desk.support import Counter, words
from tests.scenarios.scene import BTC, Scene

LISTED = default_plan(desk=DeskFacts(telegram_users=frozenset({"7001"}), env="paper"))


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    made = Scene(plan=LISTED).ready()
    made.bracket(BTC)
    yield made
    made.end()


def test_a_stranger_on_telegram_gets_nothing(scene: Scene) -> None:
    """Not even an answer to ping; it is noted once a minute, by desk and hotline each."""
    stranger = Counter(scene, Door.TELEGRAM, "666")
    for text in ("ping", "kill", "positions", "open BTC-PERPETUAL buy 1 sl=1"):
        reply = stranger.say(text)
        assert (reply.status, reply.reason) == (Status.REFUSED, Refusal.NOT_ALLOWED)
        assert (reply.content.lines, reply.content.tables) == ((), ())
    noted = [x.command for x in scene.events(StrangerRefused) if x.who == "666"]
    assert noted == ["ping", "kill"]
    assert scene.position(BTC) == 500


def test_without_a_list_nobody_on_telegram_may() -> None:
    """An empty list is nobody, not everybody."""
    made = Scene().ready()
    assert Counter(made, Door.TELEGRAM, "7001").say("ping").reason == Refusal.NOT_ALLOWED
    made.end()


def test_a_stranger_cannot_confirm_nor_see_what_another_was_told(scene: Scene) -> None:
    """Tokens and request ids are bound to their person."""
    owner = Counter(scene, Door.TELEGRAM, "7001")
    reply = owner.say("restart", request_id="r1")
    thief = Counter(scene, Door.TELEGRAM, "666")
    assert thief.confirm(reply).reason == Refusal.UNKNOWN_CONFIRMATION
    assert thief.say("ping", request_id="r1").reason == Refusal.NOT_ALLOWED
    assert Counter(scene).say("ping", request_id="r1").command == "ping"


def test_a_dashboard_only_reads(scene: Scene) -> None:
    """Everything that acts is refused there, and audited."""
    board = Counter(scene, Door.DASHBOARD)
    assert board.say("positions").status is Status.DONE
    for spec in COMMANDS:
        reply = board.say(spec.example)
        assert (reply.reason == Refusal.READ_ONLY_DOOR) == (spec.effect != "reads")
    assert scene.position(BTC) == 500


def test_a_slip_is_answered_with_what_was_perhaps_meant(scene: Scene) -> None:
    """The nearest command; the usage and an example when arguments are wrong."""
    desk = Counter(scene)
    assert "Did you mean positions?" in words(desk.say("postions"))
    wrong = desk.say(f"open {BTC} buy 0,05 sl=99000")
    assert wrong.reason == Refusal.BAD_ARGUMENTS
    assert "'0,05' is not a" in words(wrong)
    assert "Example: open" in words(wrong)
    assert "Nothing was done." in words(desk.say("kill now"))
    assert "nothing was done" in words(desk.say("kil"))
    assert "sl is missing" in words(desk.say(f"open {BTC} buy 0.05")).lower()


NAMES = st.sampled_from([spec.name for spec in COMMANDS]) | st.text(max_size=12)
WORDS = (
    st.sampled_from(
        (BTC, "buy", "sell", "0.05", "1e9", "NaN", "-1", "sl=99000", "sl=", "tp=101000", "day")
    )
    | st.text(max_size=20)
    | st.integers().map(str)
    | st.decimals().map(str)
)


@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(name=NAMES, words_=st.lists(WORDS, max_size=7), door=st.sampled_from(Door))
def test_no_text_breaks_the_desk_or_moves_money(
    scene: Scene, name: str, words_: list[str], door: Door
) -> None:
    """Whatever is typed: an answer, no failure of ours, and never an entry without a button."""
    acts = name.strip().removeprefix("/").lower() in {"kill", "close", "pause", "resume"}
    if acts and door is not Door.DASHBOARD:
        return
    reply = Counter(scene, door, "7001").say(f"{name} {' '.join(words_)}")
    assert reply.reason != Refusal.FAILED, reply
    assert scene.position(BTC) == 500
    handled = scene.events(CommandHandled)
    assert all(x.status is not Status.ACCEPTED for x in handled)
