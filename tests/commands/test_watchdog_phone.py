"""The watchdog's own way to Telegram: nothing is lost while it lives, the token is never told."""

from collections.abc import Iterator

import pytest

from commands.watchdog_phone import LONGEST, Phone
from tests.commands.bot_api import BotApi, bot_api
from tests.endtoend.bulwark import free_port

TOKEN = "12345678:AAcanary-canary-canary-canary"


@pytest.fixture
def api() -> Iterator[BotApi]:
    with bot_api() as double:
        yield double


def phone(url: str) -> Phone:
    return Phone(url, TOKEN, 42)


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


def test_no_connection_is_told_by_its_kind(api: BotApi) -> None:
    """The exception's own text quotes the address, and with it the token."""
    sender = phone(f"http://127.0.0.1:{free_port()}")
    sender.add("one")
    problem = sender.deliver(0.0)
    assert problem == "ConnectionError"
    assert sender.waiting == 1
