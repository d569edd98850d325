"""Telegram in preflight: sent, pressed, by whom; the token is never told."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.clock import SystemClock
from commands.preflight import phone
from commands.preflight.checks import Result, Verdict
from config.settings import load
from tests.commands.bot_api import BotApi, bot_api
from tests.endtoend.bulwark import free_port

TOKEN = "12345678:AAcanary-canary-canary-canary"
BUTTON = "preflight:1"
OK: tuple[int, Any] = (200, {"ok": True, "result": {}})


@pytest.fixture
def api() -> Iterator[BotApi]:
    with bot_api() as double:
        yield double


def check(url: str, wait: float = 5.0, **environ: str) -> Result:
    given = {
        "TELEGRAM_API_URL": url,
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_CHAT_ID": "42",
        "TELEGRAM_USER_IDS": "7",
        **environ,
    }
    settings = load(Path("/nonexistent/.env"), given)
    return phone.check(settings, SystemClock(), BUTTON, wait)


def pressed(data: str, user: int, number: int = 5) -> tuple[int, Any]:
    query = {"id": "q", "data": data, "from": {"id": user}}
    return 200, {"ok": True, "result": [{"update_id": number, "callback_query": query}]}


def test_a_press_by_somebody_who_may_is_green(api: BotApi) -> None:
    """The press of an older preflight is not taken for this one; Telegram hears of ours."""
    api.answers = [OK, pressed("preflight:0", 7), pressed(BUTTON, 7, 6)]
    assert check(api.url).verdict is Verdict.GREEN
    assert [path.rpartition("/")[2] for path in api.paths] == [
        "sendMessage",
        "getUpdates",
        "getUpdates",
        "answerCallbackQuery",
        "getUpdates",
    ]
    assert api.messages[-1]["offset"] == 7, "left over, it would be told as a command not done"


def test_a_press_by_a_stranger_is_red(api: BotApi) -> None:
    """With the number to list, if it was the person."""
    api.answers = [OK, pressed(BUTTON, 8)]
    result = check(api.url)
    assert result.verdict is Verdict.RED
    assert "add 8 to TELEGRAM_USER_IDS" in result.fix
    api.answers = [OK, pressed(BUTTON, 8)]
    assert check(api.url, TELEGRAM_USER_IDS="").fix == "TELEGRAM_USER_IDS=8"


def test_no_press_in_time_is_red(api: BotApi) -> None:
    """The message may have gone to another chat."""
    result = check(api.url, wait=1e-9)
    assert "was not pressed" in result.found
    assert result.verdict is Verdict.RED


def test_without_waiting_sending_is_enough_except_for_real_money(api: BotApi) -> None:
    """Who trades real money presses once."""
    assert check(api.url, wait=0).verdict is Verdict.GREEN
    live = {
        "DERIBIT_ENV": "prod",
        "DERIBIT_CLIENT_ID": "x",
        "DERIBIT_CLIENT_SECRET": "yyyy",
        "STRATEGIES": "none",
    }
    assert check(api.url, wait=0, **live).verdict is Verdict.RED
    off = dict.fromkeys(("TELEGRAM_BOT_TOKEN", "TELEGRAM_CHAT_ID", "TELEGRAM_USER_IDS"), "")
    assert check(api.url, **off, **live).found == ("nobody would hear")


def test_what_goes_wrong_is_told_without_the_token(api: BotApi) -> None:
    """What Telegram says, or the kind of failure."""
    api.answers = [(401, {"ok": False, "description": "Unauthorized"})]
    refused = check(api.url)
    assert refused.found == "sendMessage: HTTP 401 Unauthorized"
    dead = check(f"http://127.0.0.1:{free_port()}")
    assert dead.found == "sendMessage: ConnectionError"
    assert "canary" not in repr((refused, dead))


def test_on_paper_it_may_be_missing() -> None:
    """Elsewhere nobody would hear an alert."""
    settings = load(Path("/nonexistent/.env"), {})
    assert phone.check(settings, SystemClock(), BUTTON, 1).verdict is Verdict.SKIPPED
