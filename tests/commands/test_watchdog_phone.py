"""The watchdog's own way to Telegram: nothing is lost while it lives, the token is never told."""

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from commands.watchdog_phone import LONGEST, Account, Phone
from tests.commands.bot_api import BotApi, bot_api
from tests.endtoend.bulwark import free_port

TOKEN = "12345678:AAcanary-canary-canary-canary"


@pytest.fixture
def api() -> Iterator[BotApi]:
    with bot_api() as double:
        yield double


def phone(url: str) -> Phone:
    return Phone(Account(api_url=url, token=TOKEN, chat_id=42))


def test_texts_arrive_in_order(api: BotApi) -> None:
    """At the chat of the settings, over the token's own address."""
    sender = phone(api.url + "/")
    for text in ("one", "two", "x" * (LONGEST + 500)):
        sender.add(text)
    assert sender.deliver(0.0) == ""
    assert api.texts() == ["one", "two", "x" * LONGEST]
    assert {message["chat_id"] for message in api.messages} == {42}
    assert set(api.paths) == {f"/bot{TOKEN}/sendMessage"}
    assert sender.waiting == 0


def test_what_is_refused_is_tried_again_later(api: BotApi) -> None:
    """After the time Telegram names; the order stays."""
    api.answers = [(429, {"ok": False, "parameters": {"retry_after": 30}}), (502, "<html>")]
    sender = phone(api.url)
    sender.add("one")
    sender.add("two")
    assert sender.deliver(100.0) == "HTTP 429"
    assert sender.deliver(129.9) == ""
    assert api.texts() == []
    assert sender.deliver(130.0) == "HTTP 502"
    assert sender.deliver(200.0) == ""
    assert api.texts() == ["one", "two"]


def test_a_group_that_became_a_supergroup_is_followed(api: BotApi) -> None:
    """Telegram names the new number with its refusal: nothing waits for a person to correct it."""
    moved = "Bad Request: group chat was upgraded to a supergroup chat"
    api.answers = [(400, {"description": moved, "parameters": {"migrate_to_chat_id": -1001}})]
    sender = phone(api.url)
    for text in ("one", "two"):
        sender.add(text)
    with capture_logs() as logs:
        assert sender.deliver(0.0) == ""
    assert [(x["chat_id"], x["text"]) for x in api.messages] == [(-1001, "one"), (-1001, "two")]
    assert [(x["event"], x["chat_id"]) for x in logs] == [("watchdog_chat_moved", -1001)]


def test_a_text_that_is_never_taken_holds_up_no_other(api: BotApi) -> None:
    """Given three times; then the log has it, and the next one leaves."""
    api.answers = [(400, {"description": "Bad Request: message text is empty"})] * 3
    sender = phone(api.url)
    sender.add("\ud800 odd")
    sender.add("two")
    assert sender.deliver(0.0) == "HTTP 400, Bad Request: message text is empty"
    assert sender.deliver(100.0)
    with capture_logs() as logs:
        assert sender.deliver(200.0) == ""
    assert api.texts() == ["two"]
    assert [(x["event"], x["text"]) for x in logs] == [("watchdog_text_refused", "\ud800 odd")]


@pytest.mark.parametrize(
    ("code", "description"),
    [
        (403, "Forbidden: bot was blocked by the user"),
        (400, "Bad Request: chat not found"),
        (400, "Bad Request: not enough rights to send text messages to the chat"),
        (401, "Unauthorized"),
    ],
)
def test_a_chat_that_takes_nothing_loses_nothing(api: BotApi, code: int, description: str) -> None:
    """What it refuses is not the text's fault: all of it comes when a person has mended that."""
    api.answers = [(code, {"description": description})] * 9
    sender = phone(api.url)
    sender.add("one")
    sender.add("two")
    for number in range(9):
        assert sender.deliver(number * 1000.0) == f"HTTP {code}, {description}"
    assert sender.deliver(9000.0) == ""
    assert api.texts() == ["one", "two"]


def test_no_connection_is_told_by_its_kind(api: BotApi) -> None:
    """The exception's own text quotes the address, and with it the token."""
    sender = phone(f"http://127.0.0.1:{free_port()}")
    sender.add("one")
    problem = sender.deliver(0.0)
    assert problem == "ConnectionError"
    assert sender.waiting == 1
