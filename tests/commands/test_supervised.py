"""supervisor.conf and the code say the same, and the file fits every machine."""

import re
from collections.abc import Mapping
from configparser import RawConfigParser
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from actors import tree
from actors.door import HOTLINE_SECONDS
from commands.facts import is_supervised, restarted_by
from commands.plan import plan_of
from commands.supervised import FINAL, START_SECONDS
from commands.watchdog import HEALTH_TIMEOUT
from config.settings import load

CONF = Path(__file__).parents[2] / "supervisor.conf"
PROGRAMS = ("program:exchange", "program:bot", "program:collector", "eventlistener:watchdog")


def sections() -> Mapping[str, Mapping[str, str]]:
    parser = RawConfigParser(inline_comment_prefixes=(";",))
    parser.read_string(CONF.read_text("utf-8"))
    return {name: dict(parser[name]) for name in parser.sections()}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_start_counts_after_the_seconds_we_linger_for(name: str) -> None:
    """Otherwise a mistake in the settings would be tried again and again."""
    assert float(sections()[name]["startsecs"]) == START_SECONDS
    codes = {int(code) for code in sections()[name]["exitcodes"].split(",")}
    assert codes <= FINAL
    assert 78 in codes


def test_the_bot_has_every_final_code() -> None:
    """Each end that trying again does not cure."""
    assert {int(code) for code in sections()["program:bot"]["exitcodes"].split(",")} == FINAL


def test_the_file_has_no_path_of_a_machine_and_no_port() -> None:
    """Everything is relative to the file, control is a socket for the owner only."""
    text = CONF.read_text("utf-8")
    assert not [word for word in text.split() if word.startswith(("/", "=/"))]
    assert "=/" not in text
    assert "inet_http_server" not in text
    assert sections()["unix_http_server"]["chmod"] == "0700"


def test_the_bot_stops_before_the_exchange_it_trades_on() -> None:
    """supervisord stops in the reverse order of priorities."""
    found = sections()
    assert int(found["program:bot"]["priority"]) > int(found["program:exchange"]["priority"])


def test_the_bot_has_time_to_stop() -> None:
    """More than all its actors may need one after another: a stop is never cut short."""
    nothing: dict[str, Any] = {field.name: None for field in fields(tree.Ports)}
    plan = plan_of(load(Path("/nonexistent/.env"), {}), ())
    budget = sum(child.stop_budget for child in tree.children(plan, tree.Ports(**nothing)))
    assert float(sections()["program:bot"]["stopwaitsecs"]) > budget


def test_the_watchdog_hears_of_a_silent_desk_before_the_next_tick() -> None:
    """The bot needs its time to say so; looks that took longer than a tick would pile up."""
    (tick,) = re.findall(r"TICK_(\d+)", sections()["eventlistener:watchdog"]["events"])
    assert HOTLINE_SECONDS < HEALTH_TIMEOUT < float(tick)


def test_only_supervisord_makes_a_process_supervised(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person at a terminal does not wait for an error."""
    monkeypatch.delenv("SUPERVISOR_PROCESS_NAME", raising=False)
    assert not is_supervised()
    assert restarted_by() == ""
    monkeypatch.setenv("BULWARK_CONTAINER", "1")
    assert (is_supervised(), restarted_by()) == (False, "Docker")
    monkeypatch.setenv("SUPERVISOR_PROCESS_NAME", "bot")
    assert is_supervised()
    assert restarted_by() == "supervisord"
