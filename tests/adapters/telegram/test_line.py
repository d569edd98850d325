"""A real python-telegram-bot on the double: deliveries, commands, buttons, trouble."""

import asyncio
import queue
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from actors.messages.alerts import AcknowledgeAlerts, DeliveryReport
from actors.messages.base import Event, Message
from actors.messages.desk import CommandReply, Confirmation, Refusal, Status, StrangerRefused
from actors.messages.telegram import (
    CommandsDropped,
    PollingConflicted,
    PollingResumed,
    TelegramLost,
    TelegramRestored,
)
from actors.ports import Clock, DeskSilent, Notice
from adapters.clock import SystemClock
from adapters.telegram import line, polling
from adapters.telegram.door import STRANGERS_KEPT
from adapters.telegram.line import Account, TelegramLine
from domain.commands import COMMANDS, Door
from domain.content import Content
from tests.adapters.telegram.double import (
    BOT_NAME,
    CHAT,
    TOKEN,
    USER,
    BotApi,
    Odd,
    broken,
    cut_off,
    flood,
    hang_up,
    refuse,
    refuse_formatting,
)

STRANGER, OTHER = 666, 7002
LONG = "\n".join(f"line {n} " + "\U0001f600" * 30 for n in range(200))
"""More than a message holds."""
OLD_CHAT = -5
MOVED = {
    "event": "telegram_chat_moved",
    "log_level": "warning",
    "actor": "telegram",
    "chat_id": CHAT,
    "do": "set TELEGRAM_CHAT_ID to it",
}


class FakeDesk:
    """Writes down what it is given; ``open`` asks for confirmation, ``slow`` says nothing."""

    def __init__(self) -> None:
        self.given: list[tuple[str, str, str]] = []
        self.requests: list[str] = []
        self.confirmed: list[str] = []
        self.dismissed: list[str] = []

    def run(self, door: Door, who: str, name: str, **more: Any) -> CommandReply:
        assert door is Door.TELEGRAM
        self.given.append((who, name, more["text"]))
        self.requests.append(more["request_id"])
        if name == "slow":
            raise DeskSilent("the Desk did not answer within 5 s")
        if name == "logs":
            return self._reply(name, Status.DONE, LONG)
        if name != "open":
            return self._reply(name, Status.DONE, f"{name} done")
        now = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
        confirmation = Confirmation(
            token="t0ken", effect="Buy 0.05 BTC <now>", expires_at=now + timedelta(seconds=60)
        )
        return self._reply(name, Status.NEEDS_CONFIRMATION, confirmation.effect, confirmation)

    def _reply(
        self,
        name: str,
        status: Status,
        text: str,
        confirmation: Confirmation | None = None,
        reason: str = "",
    ) -> CommandReply:
        return CommandReply(
            at=datetime(2026, 1, 5, 9, 0, tzinfo=UTC),
            request_id="1",
            command=name,
            status=status,
            reason=reason,
            content=Content(lines=(text,)),
            confirmation=confirmation,
        )

    def confirm(self, door: Door, who: str, token: str, *, request_id: str = "") -> CommandReply:
        del door, who, request_id
        if token in self.confirmed:
            reason = Refusal.UNKNOWN_CONFIRMATION.value
            return self._reply("confirm", Status.REFUSED, "was used", reason=reason)
        self.confirmed.append(token)
        return self._reply("open", Status.ACCEPTED, "opening")

    def dismiss(self, door: Door, who: str, token: str, *, request_id: str = "") -> CommandReply:
        del door, who, request_id
        self.dismissed.append(token)
        return self._reply("open", Status.DONE, "open is not done.")

    def vitals(self) -> Any:
        raise DeskSilent("not here")


class Rig:
    """A line on a double, and what comes out of it."""

    def __init__(
        self, api: BotApi, folder: Path, clock: Clock | None = None, **account: Any
    ) -> None:
        self.api = api
        self.desk = FakeDesk()
        self.events: list[Event] = []
        self.told: list[Message] = []
        self.reports: queue.Queue[DeliveryReport] = queue.Queue()
        settings = {
            "token": TOKEN,
            "chat_id": CHAT,
            "users": frozenset({USER}),
            "root": api.root,
            "env": "paper",
        }
        self.line = TelegramLine(
            Account(**{**settings, **account}),
            clock=clock or SystemClock(),
            desk=self.desk,
            publish=self.events.append,
            tell=self.told.append,
            handled_file=folder / "telegram.json",
        )

    def start(self) -> "Rig":
        self.line.start()
        return self

    def polling(self) -> "Rig":
        """Started, and past the dropping of what was there before."""
        self.start()
        self.api.wait_for(lambda: self.api.count("getUpdates") >= 2)
        return self

    def deliver(self, text: str, number: int = 1, **more: Any) -> DeliveryReport:
        notice = Notice(number=number, text=text, **{"is_critical": False, **more})
        self.line.send(notice, self.reports.put)
        return self.reports.get(timeout=15)

    def heard(self, kind: type[Event]) -> list[Any]:
        return [x for x in self.events if isinstance(x, kind)]


@pytest.fixture
def api() -> Iterator[BotApi]:
    with BotApi() as double:
        yield double


@pytest.fixture
def rig(api: BotApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    monkeypatch.setattr(polling, "FIRST_WAIT", 0.02)
    monkeypatch.setattr(polling, "CONFLICT_WAIT", 0.05)
    made = Rig(api, tmp_path)
    yield made
    made.line.close()


# -- deliveries ------------------------------------------------------------------------------------


def test_an_alert_arrives_with_its_headline_and_its_venue(rig: Rig) -> None:
    """Bold headline, the venue in brackets, details below; figures and signs as they are."""
    report = rig.start().deliver("NO STOP: BTC-PERPETUAL\n-5 < 0 & rising", is_critical=True)
    assert report.error == ""
    (shown,) = rig.api.shown
    assert shown.text == "\U0001f6a8 NO STOP: BTC-PERPETUAL [paper]\n-5 < 0 & rising"
    assert shown.markup.startswith("<b>")
    assert shown.buttons == []


@pytest.mark.parametrize(
    ("odd", "is_unknown", "retry_after"),
    [
        (flood(17), False, 17.0),
        (refuse(403, "Forbidden: bot was blocked by the user"), False, 0.0),
        (refuse(401, "Unauthorized"), False, 0.0),
        (refuse(500, "Internal Server Error"), True, 0.0),
        (refuse(502, "Bad Gateway"), True, 0.0),
        (broken(b"<html>oops"), True, 0.0),
        (broken(b'{"ok": true}'), True, 0.0),
        (broken(b'{"ok": true, "result": {"message_id": "x"}}'), True, 0.0),
        (broken(b"[1, 2]"), True, 0.0),
        (broken(b"", 503), True, 0.0),
        (cut_off, True, 0.0),
        (hang_up, True, 0.0),
    ],
)
def test_what_became_of_a_delivery_is_told_truly(
    rig: Rig, odd: Odd, is_unknown: bool, retry_after: float
) -> None:
    """Refused by Telegram is proof; a reply that is missing, broken or a 5xx is none."""
    rig.api.next("sendMessage", odd)
    report = rig.start().deliver("hello")
    assert report.error
    assert (report.is_unknown, report.retry_after_seconds) == (is_unknown, retry_after)
    assert TOKEN not in report.error
    assert rig.deliver("hello").error == ""


def test_no_connection_is_known_not_to_have_delivered(
    api: BotApi, tmp_path: Path, rig: Rig
) -> None:
    """Nobody listens there; and a name that does not exist."""
    for root in ("http://127.0.0.1:9", "http://no-such-host.invalid"):
        other = Rig(api, tmp_path, root=root, users=frozenset()).start()
        report = other.deliver("hello")
        other.line.close()
        assert report.error
        assert not report.is_unknown
        assert TOKEN not in report.error
    assert rig.api.shown == []


def test_refused_formatting_falls_back_to_plain_text(rig: Rig) -> None:
    """The same words without tags."""
    rig.api.next("sendMessage", refuse_formatting, refuse_formatting)
    assert rig.start().deliver("Opened <b>\n1 & 2").error == ""
    (shown,) = rig.api.shown
    assert (shown.text, shown.mode) == ("Opened <b> [paper]\n1 & 2", "")


def test_a_text_that_no_form_helps_is_refused_but_a_missing_chat_is_not_its_fault(
    rig: Rig,
) -> None:
    """What tells an odd text from a wrong setting."""
    bad = refuse(400, "Bad Request: whatever")
    rig.api.next("sendMessage", bad, bad)
    assert rig.start().deliver("hello").is_refused
    rig.api.next("sendMessage", refuse(400, "Bad Request: chat not found"))
    assert not rig.deliver("hello").is_refused


def test_a_long_alert_comes_in_parts_and_goes_on_where_it_failed(rig: Rig) -> None:
    """Split at line breaks; a part that arrived is not sent again."""
    rig.start()
    rig.api.next("sendMessage", rig.api.serve, flood(1))
    assert rig.deliver(LONG, number=5).retry_after_seconds == 1.0
    assert rig.deliver(LONG, number=5).error == ""
    assert whole(rig.api.texts()).replace(" [paper]", "") == LONG


def whole(texts: list[str]) -> str:
    """Several parts, each of them once and in order, as one text."""
    assert len(texts) > 2
    assert all(f"({n}/{len(texts)})" in x for n, x in enumerate(texts, 1))
    return "\n".join(x.rpartition("\n")[0] for x in texts)


@pytest.mark.parametrize("text", ["", "\n\n", "\ud800 lone", "a\x00b\x07c", "\u202e", "x" * 9000])
def test_odd_texts_arrive(rig: Rig, text: str) -> None:
    """Whatever an event puts into an alert, it is not lost for its characters."""
    assert rig.start().deliver(text).error == ""
    assert rig.api.shown


def test_a_group_that_became_a_supergroup_is_followed(api: BotApi, tmp_path: Path) -> None:
    """Telegram names the chat's new number: alerts go there, commands come from there."""
    rig = Rig(api, tmp_path, chat_id=OLD_CHAT).polling()
    api.next("sendMessage", lambda call: call.fail(400, "upgraded", migrate_to_chat_id=CHAT))
    with capture_logs() as logs:
        assert rig.deliver("hello").error == ""
        assert api.texts(CHAT) == ["hello [paper]"]
        api.write("/ping")
        api.wait_text("ping done")
        rig.line.close()
    assert [x for x in logs if x["event"] == "telegram_chat_moved"] == [MOVED]


@pytest.mark.parametrize(
    ("chat", "said"),
    [(OLD_CHAT, {"migrate_to_chat_id": CHAT}), (CHAT, {"migrate_from_chat_id": OLD_CHAT})],
)
@pytest.mark.parametrize("is_pending", [False, True])
def test_the_news_of_a_supergroup_is_enough(
    api: BotApi, tmp_path: Path, chat: int, said: dict[str, int], is_pending: bool
) -> None:
    """Who made it one is no stranger, and the next command counts; also from before a start."""
    rig = Rig(api, tmp_path, chat_id=OLD_CHAT)
    with capture_logs() as logs:
        if not is_pending:
            rig.polling()
        api.write("", chat=chat, user=STRANGER, **said)
        if is_pending:
            rig.start()
        api.wait_for(lambda: api.pending == 0 and api.count("getUpdates") >= 3)
        api.write("/ping")
        api.wait_text("ping done")
        rig.line.close()
    assert rig.heard(StrangerRefused) == rig.heard(CommandsDropped) == []
    assert [x for x in logs if x["event"] == "telegram_chat_moved"] == [MOVED]


def test_a_session_that_fails_leaves_the_new_number_to_the_next(
    api: BotApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill from the new group is no stranger's, before anything was sent there again too."""
    usual, has_moved = polling.Polling.run, threading.Event()

    async def fails_first(self: polling.Polling) -> None:
        if has_moved.is_set():
            return await usual(self)
        while not has_moved.is_set():
            await asyncio.sleep(0.01)
        raise RuntimeError("nobody has thought of this")

    monkeypatch.setattr(polling.Polling, "run", fails_first)
    monkeypatch.setattr(line, "RESTART_SECONDS", 0.02)
    rig = Rig(api, tmp_path, chat_id=OLD_CHAT).start()
    api.next("sendMessage", lambda call: call.fail(400, "upgraded", migrate_to_chat_id=CHAT))
    assert rig.deliver("hello").error == ""
    has_moved.set()
    api.wait_for(lambda: api.count("getUpdates") >= 2)
    api.write("/ping")
    api.wait_text("ping done")
    rig.line.close()
    assert rig.heard(StrangerRefused) == []


def test_nobody_elses_chat_is_followed(rig: Rig) -> None:
    """Another group that moves has nothing to do with ours."""
    rig.polling()
    rig.api.write("", chat=77, migrate_to_chat_id=STRANGER)
    rig.api.write("", chat=STRANGER, migrate_from_chat_id=77)
    rig.api.write("/ping", chat=STRANGER)
    rig.api.write("/ping")
    rig.api.wait_text("ping done")
    assert rig.api.texts(STRANGER) == []
    assert rig.deliver("hello").error == ""


def test_what_must_be_acknowledged_has_a_button(rig: Rig) -> None:
    """Pressed, it tells the Alerter who has seen what, and goes away."""
    rig.polling().deliver("KILL", number=77, is_critical=True, can_be_acknowledged=True)
    ((label, data),) = rig.api.shown[0].buttons
    assert "Seen" in label
    rig.api.press(data, message=1)
    rig.api.wait_for(lambda: rig.api.shown[0].buttons == [])
    (told,) = [x for x in rig.told if isinstance(x, AcknowledgeAlerts)]
    assert (told.by, told.up_to) == (f"telegram:{USER}", 77)
    assert rig.desk.given == []


def test_last_words_leave_before_the_process_does(rig: Rig) -> None:
    """And with nobody there they cost seconds, no exception."""
    rig.start().line.shout("GIVING UP")
    assert rig.api.texts() == ["\U0001f6a8 GIVING UP [paper]"]
    rig.line.close()
    rig.line.shout("again")
    with pytest.raises(OSError, match="ended"):
        rig.deliver("x")


# -- commands --------------------------------------------------------------------------------------


def test_a_command_is_given_to_the_desk_and_answered(rig: Rig) -> None:
    """With its arguments as typed; a request id of its own; the alerts are acknowledged."""
    rig.polling()
    number = rig.api.write(f"/Close@{BOT_NAME}  BTC-PERPETUAL ")
    rig.api.wait_text("close done")
    assert rig.desk.given == [(str(USER), "close", "BTC-PERPETUAL")]
    assert rig.desk.requests == [f"tg-{number}"]
    assert [x.up_to for x in rig.told if isinstance(x, AcknowledgeAlerts)] == [0]
    rig.api.wait_for(lambda: rig.api.pending == 0)


def test_an_ordinary_text_acknowledges_nothing(rig: Rig) -> None:
    """Only commands and the button say that the alerts were seen."""
    rig.polling()
    rig.api.write("good morning")
    rig.api.wait_text("Commands begin with /")
    assert [x for x in rig.told if isinstance(x, AcknowledgeAlerts)] == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("/Kill.", "nothing was done. Did you mean /kill?"),
        ("/\u043a\u0438\u043b\u043b", "nothing was done. /help lists them."),
    ],
)
def test_what_looks_like_a_command_and_is_none_is_not_taken_for_one(
    rig: Rig, text: str, said: str
) -> None:
    """A keyboard puts a full stop behind it at night: nobody must believe that a kill runs."""
    rig.polling()
    rig.api.write(text)
    rig.api.wait_text(f"No command is called so: {said}")
    assert rig.desk.given == []


def test_the_menu_names_every_command_in_this_chat_only(rig: Rig) -> None:
    """Strangers see none."""
    rig.polling()
    rig.api.wait_for(lambda: rig.api.menu)
    assert [x["command"] for x in rig.api.menu] == [spec.name for spec in COMMANDS]
    (scope,) = [x["scope"] for name, x in rig.api.calls if name == "setMyCommands"]
    assert str(CHAT) in scope


@pytest.mark.parametrize(
    ("user", "chat"), [(STRANGER, STRANGER), (STRANGER, CHAT), (USER, STRANGER), (0, 0)]
)
def test_strangers_hear_nothing_and_reach_nothing(rig: Rig, user: int, chat: int) -> None:
    """The chat and the person must both be listed; one event, however often they try."""
    rig.polling()
    rig.api.write("/kill", user=user, chat=chat)
    rig.api.press("yes:t0ken", user=user, chat=chat)
    rig.api.write("hello", user=user, chat=chat)
    rig.api.write("/ping")
    rig.api.wait_text("ping done")
    assert rig.desk.given == [(str(USER), "ping", "")]
    assert rig.desk.confirmed == []
    assert rig.api.texts(STRANGER) == []
    assert len(rig.api.texts()) == 1
    assert rig.api.answered == []
    (event,) = rig.heard(StrangerRefused)
    assert (event.who, event.command) == (f"user {user} in chat {chat}", "kill")


def test_a_crowd_of_strangers_does_not_fill_the_journal(rig: Rig) -> None:
    """So many are told of in a minute, and no more; who is listed is heard all the same."""
    rig.polling()
    for number in range(STRANGERS_KEPT + 20):
        rig.api.write("/kill", user=STRANGER + number, chat=STRANGER + number)
    rig.api.write("/ping")
    rig.api.wait_text("ping done")
    assert len(rig.heard(StrangerRefused)) == STRANGERS_KEPT
    assert rig.desk.given == [(str(USER), "ping", "")]


def test_without_a_list_of_users_nobody_is_asked_for_commands(api: BotApi, tmp_path: Path) -> None:
    """Alerts only: not even a poll."""
    rig = Rig(api, tmp_path, users=frozenset()).start()
    assert rig.deliver("hello").error == ""
    rig.line.close()
    assert api.count("getUpdates") == 0


def test_what_was_sent_before_the_start_is_dropped_and_told(rig: Rig, tmp_path: Path) -> None:
    """Not carried out, confirmed so that it does not come again; strangers' are not counted."""
    rig.api.write("/kill")
    rig.api.write("/open BTC-PERPETUAL buy 1")
    rig.api.press("yes:t0ken")
    rig.api.write("/kill", user=STRANGER)
    done = rig.api.write("/ping")
    (tmp_path / "telegram.json").write_text(f"[{done}]", "utf-8")
    rig.line.close()
    again = Rig(rig.api, tmp_path)
    again.polling()
    rig.api.write("/status")
    rig.api.wait_text("status done")
    assert again.desk.given == [(str(USER), "status", "")]
    (event,) = again.heard(CommandsDropped)
    assert (event.number, event.commands) == (3, ("/kill", "/open", "a button"))
    again.line.close()


def test_an_update_that_comes_again_is_not_carried_out_again(rig: Rig) -> None:
    """The confirmation got lost: Telegram repeats it."""
    rig.polling()
    rig.api.next("getUpdates", *[refuse(502, "Bad Gateway")] * 2)
    number = rig.api.write("/close BTC-PERPETUAL")
    rig.api.wait_text("close done")
    rig.api._updates[number] = {  # pyright: ignore[reportPrivateUsage] (as if unconfirmed)
        "update_id": number,
        "message": {
            "text": "/close BTC-PERPETUAL",
            "chat": {"id": CHAT},
            "from": {"id": USER},
            "date": 1,
        },
    }
    rig.api.write("/ping")
    rig.api.wait_text("ping done")
    assert [name for _, name, _ in rig.desk.given] == ["close", "ping"]


def test_numbers_that_begin_anew_are_taken(rig: Rig) -> None:
    """After a quiet week Telegram may count from somewhere lower."""
    rig.polling()
    rig.api.write("/ping")
    rig.api.wait_text("ping done")
    rig.api._next = 17  # pyright: ignore[reportPrivateUsage] (as after a week)
    rig.api.wait_for(lambda: rig.api.pending == 0)
    rig.api.write("/status")
    rig.api.wait_text("status done")


def test_the_desk_that_does_not_answer_is_said(rig: Rig) -> None:
    """The person does not wait in vain."""
    rig.polling()
    rig.api.write("/slow")
    assert "did not answer" in rig.api.wait_text("no answer yet")


@pytest.mark.parametrize("text", ["hello", "/", "//kill", "/kill@another_bot", "kill"])
def test_what_is_no_command_does_nothing(rig: Rig, text: str) -> None:
    """At most a hint."""
    rig.polling()
    rig.api.write(text)
    rig.api.write("/ping", forward_date=1)
    rig.api.write("/ping")
    rig.api.wait_text("ping done")
    assert rig.desk.given == [(str(USER), "ping", "")]


def test_replies_survive_a_flood_and_a_broken_line(rig: Rig) -> None:
    """An answer is tried again."""
    rig.polling()
    rig.api.next("sendMessage", flood(1), hang_up)
    rig.api.write("/ping")
    rig.api.wait_text("ping done")


def test_a_long_reply_goes_on_where_it_failed(rig: Rig) -> None:
    """The parts that arrived do not come again; the next reply begins at its beginning."""
    rig.polling()
    rig.api.next("sendMessage", rig.api.serve, rig.api.serve, flood(1), rig.api.serve, flood(1))
    rig.api.write("/logs 500")
    rig.api.wait_for(lambda: any("(4/4)" in x for x in rig.api.texts()))
    assert whole(rig.api.texts()) == LONG
    rig.api.write("/logs 500")
    rig.api.wait_for(lambda: sum("(4/4)" in x for x in rig.api.texts()) == 2)
    assert whole(rig.api.texts()[4:]) == LONG


# -- confirmations ---------------------------------------------------------------------------------


def test_a_confirmation_names_the_effect_and_works_once(rig: Rig) -> None:
    """The button goes away; pressed again from another device, nothing happens."""
    rig.polling()
    rig.api.write("/open BTC-PERPETUAL buy 0.05 sl=1")
    rig.api.wait_text("Buy 0.05 BTC <now>")
    shown = rig.api.shown[-1]
    (yes, data), (no, _) = shown.buttons
    assert "Buy 0.05 BTC <now>" in yes
    assert len(data.encode()) <= 64
    assert no == "Cancel"
    rig.api.press(data, message=shown.message_id)
    rig.api.wait_text("opening")
    assert shown.buttons == []
    rig.api.press(data, message=shown.message_id)
    rig.api.wait_text("was used")
    assert rig.desk.confirmed == ["t0ken"]


def test_only_who_asked_presses_the_buttons_away(api: BotApi, tmp_path: Path) -> None:
    """Another listed person hears that it is not his to confirm; who asked still can."""
    rig = Rig(api, tmp_path, users=frozenset({USER, OTHER})).polling()
    rig.api.write("/open BTC-PERPETUAL buy 0.05 sl=1")
    rig.api.wait_text("Buy 0.05 BTC <now>")
    (shown,) = rig.api.shown
    for _, data in shown.buttons:
        rig.api.press(data, user=OTHER, message=shown.message_id)
    rig.api.wait_for(lambda: len(rig.api.answered) == 2)
    rig.api.wait_for(lambda: rig.api.pending == 0)
    assert len(shown.buttons) == 2
    texts = [x.get("text", "") for name, x in rig.api.calls if name == "answerCallbackQuery"]
    assert texts == ["Only who gave the command can answer this."] * 2
    assert rig.desk.confirmed == rig.desk.dismissed == []
    rig.api.press(shown.buttons[0][1], message=shown.message_id)
    rig.api.wait_text("opening")
    assert shown.buttons == []
    rig.line.close()


def test_cancelled_is_not_done(rig: Rig) -> None:
    """The other button."""
    rig.polling()
    rig.api.write("/open x")
    rig.api.wait_for(lambda: rig.api.shown)
    rig.api.press(rig.api.shown[-1].buttons[1][1], message=1)
    rig.api.wait_text("not done")
    assert (rig.desk.confirmed, rig.desk.dismissed) == ([], ["t0ken"])


@pytest.mark.parametrize(
    "data", ["", "yes:", "yes:DROP", "no", "kill", "seen:x", "yes:" + "a" * 99, "yes:a:b", "yes:a:"]
)
def test_buttons_of_nobody_do_nothing(rig: Rig, data: str) -> None:
    """Callback data is what a client says it is."""
    rig.polling()
    rig.api.press(data)
    rig.api.write("/ping")
    rig.api.wait_text("ping done")
    assert rig.desk.confirmed == rig.desk.dismissed == []


class Leaping(SystemClock):
    """Clocks that leap: the wall clock alone while a machine sleeps, or is set back."""

    def __init__(self) -> None:
        self.wall = timedelta(0)
        self.seconds = 0.0

    def now(self) -> datetime:
        return super().now() + self.wall

    def monotonic(self) -> float:
        return super().monotonic() + self.seconds


@pytest.mark.parametrize(
    ("wall", "seconds", "age"),
    [(7200, 0, 7100), (7200, 7200, 7100), (-7200, 7200, 100), (10, 10, 5), (7200, 0, 5)],
)
def test_what_was_sent_during_an_outage_is_not_carried_out(
    rig: Rig, tmp_path: Path, wall: int, seconds: int, age: int
) -> None:
    """Nor while the machine slept, when only the wall clock goes on; what is fresh is."""
    clock = Leaping()
    woken = Rig(rig.api, tmp_path, clock=clock).polling()

    def wake(call: Any) -> None:
        clock.wall, clock.seconds = timedelta(seconds=wall), float(seconds)
        rig.api.write("/close BTC-PERPETUAL", date=int(clock.now().timestamp()) - age)
        call.double.serve(call)

    rig.api.next("getUpdates", wake)
    rig.api.wait_for(lambda: woken.desk.given or woken.heard(CommandsDropped))
    woken.line.close()
    if age < polling.OUTAGE_SECONDS:
        assert woken.desk.given == [(str(USER), "close", "BTC-PERPETUAL")]
    else:
        assert woken.desk.given == []
        assert [x.commands for x in woken.heard(CommandsDropped)] == [("/close",)]


# -- trouble with polling --------------------------------------------------------------------------


def test_another_poller_is_told_once_and_alerts_go_on(rig: Rig) -> None:
    """409: commands wait, messages do not; when it ends, that is told too."""
    rig.api.always("getUpdates", refuse(409, "Conflict: terminated by other getUpdates request"))
    rig.start()
    rig.api.wait_for(lambda: rig.api.count("getUpdates") > 3)
    assert rig.deliver("hello").error == ""
    assert len(rig.heard(PollingConflicted)) == 1
    rig.api.always("getUpdates", None)
    rig.api.wait_for(lambda: rig.heard(PollingResumed))


def test_a_webhook_in_the_way_is_removed(rig: Rig) -> None:
    """Set by somebody earlier, it would keep commands away for ever."""
    webhook = refuse(409, "Conflict: can't use getUpdates method while webhook is active")
    rig.api.next("getUpdates", webhook)
    rig.api.next("deleteWebhook", lambda call: call.reply(True))
    rig.start()
    rig.api.wait_for(lambda: rig.heard(PollingResumed))
    assert rig.api.count("deleteWebhook") == 1


@pytest.mark.parametrize(
    "odd",
    [
        refuse(502, "Bad Gateway"),
        flood(1),
        hang_up,
        lambda call: call.raw(200, b"{"),
        lambda call: call.raw(200, b'{"ok":true,"result":7}'),
        lambda call: call.raw(200, b'{"ok":true}'),
    ],
)
def test_polling_outlives_whatever_the_line_does(rig: Rig, odd: Odd) -> None:
    """Lost, told once, restored, told; and commands come through again."""
    rig.polling()
    rig.api.next("getUpdates", odd)
    rig.api.wait_for(lambda: rig.heard(TelegramRestored))
    assert len(rig.heard(TelegramLost)) == 1
    rig.api.write("/ping")
    rig.api.wait_text("ping done")


def test_updates_that_make_no_sense_hold_up_nobody(rig: Rig) -> None:
    """One odd update in a batch must not come again for ever."""
    rig.polling()
    for content in (
        {"message": 7},
        {"message": {"chat": 1, "from": [], "text": {}, "date": "x"}},
        {"callback_query": {"from": None, "message": "x", "data": 7}},
        {"edited_message": {"text": "/kill"}},
        {},
    ):
        rig.api.update(**content)
    rig.api.write("/ping")
    rig.api.wait_text("ping done")
    rig.api.wait_for(lambda: rig.api.pending == 0)
    assert [name for _, name, _ in rig.desk.given] == ["ping"]
