"""The real bot with a real python-telegram-bot on a Bot API of our own."""

import signal
from pathlib import Path

import pytest

from tests.adapters.telegram.double import (
    CHAT,
    TOKEN,
    USER,
    BotApi,
    cut_off,
    flood,
    hang_up,
    refuse,
    refuse_formatting,
)
from tests.endtoend.bulwark import Bot, at_exchange, market
from tests.endtoend.scripts import WIDE, script

STRANGER = 666


def with_phone(api: BotApi, **settings: object) -> dict[str, object]:
    return {
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_CHAT_ID": CHAT,
        "TELEGRAM_USER_IDS": USER,
        "TELEGRAM_API_URL": api.root,
        **settings,
    }


def takes_commands(api: BotApi) -> None:
    """Waits until what was sent before the start is dropped: another poll begins."""
    polled = api.count("getUpdates")
    api.wait_for(lambda: api.count("getUpdates") >= polled + 3 and api.pending == 0, 20)


def token_in(folder: Path) -> list[str]:
    """Files that hold the bot's token."""
    canary = TOKEN.partition(":")[2].encode()
    return [x.name for x in folder.rglob("*") if x.is_file() and canary in x.read_bytes()]


def test_a_person_with_a_phone_runs_the_bot(tmp_path: Path) -> None:
    """A trade is told, commands are answered, a stranger is not, a kill ends verified flat; what
    Telegram does wrong meanwhile costs nothing, and the token is in no file and no message.
    """
    with BotApi() as api, market(tmp_path / "exchange") as exchange:
        trades = script(tmp_path, WIDE)
        settings = with_phone(api, STRATEGIES=trades, LOG_LEVEL="DEBUG")
        api.next("sendMessage", flood(1), refuse(502, "Bad Gateway"), refuse_formatting, cut_off)
        with Bot(tmp_path, at_exchange(exchange, **settings)) as bot:
            bot.wait_for("target_placed")
            api.wait_text("Opened buy BTC-PERPETUAL [paper]", seconds=30)
            takes_commands(api)
            api.write("/positions")
            assert "BTC-PERPETUAL" in api.wait_text("stop")
            api.write("/kill", user=STRANGER)
            api.press("yes:whatever", user=STRANGER)
            bot.wait_for("stranger_refused")
            assert not bot.all("kill_switch_activated")
            api.next("sendMessage", hang_up, hang_up)
            api.write("/kill")
            bot.wait_for("flat_verified")
            api.wait_text("KILL by")
            api.wait_text("Verified flat", seconds=30)
            api.write("/settings")
            api.write("/logs 100 debug")
            api.wait_for(lambda: api.pending == 0)
            assert bot.stop() == 0
        api.wait_text("Stopping")
        assert api.texts(STRANGER) == []
        assert not any(TOKEN.partition(":")[2] in text for text in api.texts())
        assert token_in(tmp_path) == []
        handled = bot.all("command_handled", door="telegram", who=str(USER))
        assert [x["command"] for x in handled] == ["kill"]


def test_a_critical_alert_survives_kill_9_while_telegram_is_away(tmp_path: Path) -> None:
    """Raised while nothing gets through, told by the next process; what was ordered meanwhile is
    dropped and said; nothing is carried out twice.
    """
    with BotApi() as api, market(tmp_path / "exchange") as exchange:
        settings = at_exchange(exchange, **with_phone(api, STRATEGIES="none"))
        with Bot(tmp_path, settings) as bot:
            bot.ready()
            api.wait_text("Ready")
            takes_commands(api)
            api.always("sendMessage", refuse(503, "Service Unavailable"))
            api.write("/kill")
            bot.wait_for("flat_verified")
            bot.wait_for("alert_delayed")
            bot.kill()
        api.write("/resume")
        api.always("sendMessage", None)
        with Bot(tmp_path, settings) as bot:
            bot.ready()
            for word in (
                "KILL by",
                "Verified flat",
                "RESTARTED",
                "Not done, sent before the start",
            ):
                api.wait_text(word, seconds=30)
            assert not bot.all("kill_switch_activated")
            assert not bot.all("command_handled")
            assert "/resume" in api.wait_text("Not done")
            assert bot.stop() == 0
        assert token_in(tmp_path) == []


@pytest.mark.slow
def test_kill_9_again_and_again_loses_no_critical_alert(tmp_path: Path) -> None:
    """Ten processes die right after a kill; each kill and each end of one is told at least once."""
    with BotApi() as api, market(tmp_path / "exchange") as exchange:
        settings = at_exchange(exchange, **with_phone(api, STRATEGIES="none"))
        for number in range(1, 11):
            with Bot(tmp_path, settings) as bot:
                bot.ready()
                takes_commands(api)
                if number > 1:
                    bot.wait_for("flat_verified")
                    api.write("/resume")
                    api.wait_for(lambda: any(len(x.buttons) == 2 for x in api.shown), 20)
                    shown = next(x for x in reversed(api.shown) if len(x.buttons) == 2)
                    api.press(shown.buttons[0][1], message=shown.message_id)
                    bot.wait_for("kill_switch_reset")
                api.write("/kill")
                bot.wait_for("kill_switch_activated")
                bot.kill()
        with Bot(tmp_path, settings) as bot:
            bot.ready()
            api.wait_text("KILL by", 10, seconds=60)
            assert bot.stop(signal.SIGTERM) == 0
