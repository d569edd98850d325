"""Preflight as a person runs it: against a venue, with the drill; and the start it clears."""

import json
from pathlib import Path

from tests.commands.bot_api import bot_api
from tests.endtoend.bulwark import Bot, LogFile, Process, free_port, market, wait_for

SECRET = "canary-secret-of-prod"


def test_preflight_against_a_venue_and_the_real_start(tmp_path: Path) -> None:
    """A paper exchange stands for Deribit: all is checked, the drill recovers, secrets stay in."""
    with market(tmp_path / "venue") as exchange, bot_api() as api:
        settings = {
            "DERIBIT_ENV": "testnet",
            "DERIBIT_HTTP_URL": f"http://127.0.0.1:{exchange.port}/api/v2",
            "DERIBIT_CLIENT_ID": "paper",
            "DERIBIT_CLIENT_SECRET": "paper",
            "INITIAL_EQUITY": 1,
            "TELEGRAM_BOT_TOKEN": "12345678:AAcanary-canary-canary-canary",
            "TELEGRAM_CHAT_ID": 42,
            "TELEGRAM_API_URL": api.url,
        }
        command = ("preflight", "--json", "--button", "0")
        with Process(tmp_path, command, settings) as preflight:
            assert preflight.wait(90) == 1  # the account has more than one dollar
            printed = preflight.printed()
        found = {x["check"]: x for x in json.loads(printed)["results"]}
        reds = {name for name, x in found.items() if x["verdict"] == "red"}
        assert reds == {"equity"}, reds
        assert "ready again after" in found["drill"]["found"]
        assert found["key"]["verdict"] == "green"
        assert "INITIAL_EQUITY=" in found["equity"]["fix"]
        assert "canary" not in printed
        assert api.texts() == ["Bulwark preflight: this is how alerts arrive."]


def test_real_money_does_not_start_without_a_preflight(tmp_path: Path) -> None:
    """Exit 76 before a socket opens; an override starts, and is in the journal with its reason."""
    nowhere = free_port()
    settings = {
        "DERIBIT_ENV": "prod",
        "DERIBIT_CLIENT_ID": "somebody",
        "DERIBIT_CLIENT_SECRET": SECRET,
        "DERIBIT_HTTP_URL": f"http://127.0.0.1:{nowhere}/api/v2",
        "STRATEGIES": "none",
        "API_PORT": free_port(),
    }
    with Bot(tmp_path, settings) as bot:
        assert bot.wait() == 76
        (refused,) = bot.all("not_started")
        assert refused["reason"] == "preflight has never run here"
        assert refused["fix"] == "python run.py preflight"
    override = ("--without-preflight", "a drill")
    with Process(tmp_path, override, settings) as bold:
        journal = tmp_path / "data" / "prod" / "journal"
        entry = LogFile(tmp_path / "logs" / "bot.log").wait("preflight_passed_over")
        assert entry["reason"] == "preflight has never run here: a drill"
        pulse = tmp_path / "data" / "prod" / "pulse"
        wait_for(pulse.exists, "the bot has taken the signals over")
        assert bold.stop() == 0
    kept = "".join(path.read_text("utf-8") for path in journal.glob("*.jsonl"))
    assert '"event":"preflight_passed_over"' in kept
    assert SECRET not in kept
