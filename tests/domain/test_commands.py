"""The table of commands and the grammar of their arguments."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.arguments import Amount, BadArguments
from domain.commands import (
    BY_NAME,
    COMMANDS,
    CommandSpec,
    Door,
    Effect,
    find,
    nearest,
    parse_named,
    parse_text,
)
from domain.orders import Side


def test_names_are_unique_and_texts_complete() -> None:
    """A menu of Telegram takes names of [a-z0-9_]{1,32} and texts of at most 256 characters."""
    assert len(BY_NAME) == len(COMMANDS)
    for spec in COMMANDS:
        assert spec.name.isascii()
        assert spec.name.islower()
        assert 0 < len(spec.help) <= 256
        assert spec.example.split()[0] == spec.name


def test_what_adds_risk_is_confirmed_and_what_reduces_it_is_not() -> None:
    """The asymmetry is the point."""
    confirmed = {spec.name for spec in COMMANDS if spec.is_confirmed}
    assert confirmed == {"open", "resume", "restart"}
    assert {spec.name for spec in COMMANDS if spec.is_urgent} == {"kill", "close", "pause"}


def test_a_dashboard_may_only_read() -> None:
    """Other doors may give every command."""
    for spec in COMMANDS:
        assert spec.allows(Door.DASHBOARD) == (spec.effect is Effect.READS)
        assert spec.allows(Door.TELEGRAM)


@pytest.mark.parametrize("text", ["kill", "/kill", " KILL ", "/Kill"])
def test_a_command_is_found_however_it_is_written(text: str) -> None:
    """With a slash or without, in any case."""
    found = find(text)
    assert found is not None
    assert found.name == "kill"
    assert nearest("/posisions") == "positions"
    assert nearest("qqqqq") == ""


def test_the_arguments_of_open() -> None:
    """Positional ones in order, named ones anywhere."""
    values = parse_text(BY_NAME["open"], "sl=99000 btc-perpetual LONG 5000usd tp=101000.5 trail=9")
    assert values == {
        "instrument": "BTC-PERPETUAL",
        "side": Side.BUY,
        "qty": Amount(value=Decimal(5000), unit="usd"),
        "sl": Decimal(99000),
        "tp": Decimal("101000.5"),
        "price": None,
        "be": None,
        "trail": Decimal(9),
    }
    given = {"instrument": "BTC-PERPETUAL", "side": "buy", "qty": "0.05", "sl": "99000"}
    assert parse_named(BY_NAME["open"], given)["qty"] == Amount(value=Decimal("0.05"), unit="coin")


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("open", "", "instrument is missing"),
        ("open", "BTC-PERPETUAL buy 0.05", "sl is missing"),
        ("open", "BTC-PERPETUAL up 0.05 sl=1", "not buy or sell"),
        ("open", "BTC-27DEC24 buy 1 sl=1", "not a perpetual"),
        ("open", "BTC-PERPETUAL buy 0,05 sl=1", "not a"),
        ("open", "BTC-PERPETUAL buy -1 sl=1", "not a"),
        ("open", "BTC-PERPETUAL buy 1e3 sl=1", "not a"),
        ("open", "BTC-PERPETUAL buy 1lots sl=1", "not a quantity"),
        ("open", "BTC-PERPETUAL buy 1 sl=nan", "not a number above 0"),
        ("open", "BTC-PERPETUAL buy 1 sl=1 sl=2", "given twice"),
        ("open", "BTC-PERPETUAL buy 1 2 sl=1", "too much"),
        ("trades", "0", "whole number from 1"),
        ("trades", "501", "whole number from 1"),
        ("trades", "\u0663", "whole number from 1"),
        ("pnl", "year", "one of day, week, month"),
        ("close", "", "what is missing"),
        ("close", "BTC_PERPETUAL!", "not a trade's id"),
        ("kill", "now", "too much"),
        ("ping", "x" * 1001, "more than 1000"),
    ],
)
def test_what_is_wrong_is_said(name: str, text: str, complaint: str) -> None:
    """In words, with what was given."""
    with pytest.raises(BadArguments) as caught:
        parse_text(BY_NAME[name], text)
    assert complaint in str(caught.value)


def test_programs_cannot_give_what_does_not_exist() -> None:
    """A misspelled argument is no silent default."""
    with pytest.raises(BadArguments, match="knows no argument 'stop'"):
        parse_named(BY_NAME["open"], {"stop": "1"})


@given(spec=st.sampled_from(COMMANDS), text=st.text(max_size=60))
def test_any_text_is_read_or_refused_in_words(spec: CommandSpec, text: str) -> None:
    """No other exception, whatever is typed."""
    try:
        values = parse_text(spec, text)
    except BadArguments:
        return
    assert set(values) == {argument.name for argument in spec.arguments}
