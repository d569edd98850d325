"""Each check of preflight: green when it must be, red with the fix when not."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from commands.preflight import checks
from commands.preflight.checks import Account, Result, Verdict
from config.settings import Settings, SettingsInvalid, load
from domain.labels import Role
from tests.domain.builders import label_of, position, stop_order

LIVE = {
    "DERIBIT_ENV": "prod",
    "DERIBIT_CLIENT_ID": "id-12345",
    "DERIBIT_CLIENT_SECRET": "canary-secret",
    "STRATEGIES": "none",
}


def settings(**environ: str) -> Settings:
    return load(Path("/nonexistent/.env"), {**LIVE, **environ})


def account(**changes: Any) -> Account:
    fields: dict[str, Any] = {
        "scope": frozenset({"trade:read_write", "account:read", "wallet:read"}),
        "skew_ms": 12.0,
        "equity_usd": Decimal(1000),
        "cancels_on_disconnect": False,
        "orders": (),
        "positions": (),
        "ours": {},
    }
    return Account(**{**fields, **changes})


def is_red(result: Result, *said: str) -> None:
    assert result.verdict is Verdict.RED
    assert result.fix
    for words in said:
        assert words in f"{result.found} {result.fix}"


def is_green(result: Result) -> None:
    assert result.verdict is Verdict.GREEN, result


def test_collateral_that_would_hide_a_loss_is_red() -> None:
    """Cross collateral with money in what is not traded; without it nothing is hidden."""
    is_green(checks.collateral(account()))
    is_red(checks.collateral(account(other_collateral=("USDC", "ETH"))), "USDC, ETH", "segregated")


def test_each_mistake_in_the_settings_is_a_red_line() -> None:
    """With the setting's name as the fix; secrets are not quoted."""
    with pytest.raises(SettingsInvalid) as caught:
        settings(MAX_OPEN_TRADES="0", DERIBIT_CLIENT_SECRET="canary secret")
    found = list(checks.settings_invalid(caught.value))
    assert len(found) == 2
    for result in found:
        is_red(result, "in .env")
    assert "canary" not in repr(found)


def test_the_venue_is_named_so_that_nobody_misreads_it() -> None:
    """Real money is said in capitals."""
    assert "REAL MONEY" in checks.venue(settings()).found
    assert "no real money" in checks.venue(settings(DERIBIT_ENV="testnet")).found


@pytest.mark.parametrize(
    ("environ", "days", "ok"),
    [
        ({}, 0, True),
        ({"MAX_OPEN_TRADES": "2"}, 0, False),
        ({"MAX_DAILY_LOSS_PCT": "0.021"}, 0, False),
        ({"MAX_DAILY_LOSS_PCT": "0.021", "MAX_OPEN_TRADES": "9"}, checks.FIRST_DAYS, True),
        ({"MAX_OPEN_TRADES": "2"}, checks.FIRST_DAYS - 1, False),
    ],
)
def test_limits_are_small_in_the_first_days(environ: dict[str, str], days: int, ok: bool) -> None:
    """Afterwards they are the person's own business."""
    result = checks.limits(settings(**environ), days)
    is_green(result) if ok else is_red(result, "MAX_OPEN_TRADES at most 1")


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        ("account:read trade:read", "without trade:read_write"),
        ("trade:read_write", "without account:read"),
        ("account:read_write trade:read_write wallet:read_write", "may withdraw money"),
    ],
)
def test_a_key_with_other_rights_is_red(scope: str, said: str) -> None:
    """Too few and too many."""
    is_red(checks.key_rights(account(scope=frozenset(scope.split()))), said)


def test_a_key_that_may_trade_and_read_is_green() -> None:
    """Reading the wallet harms nobody."""
    is_green(checks.key_rights(account()))


@pytest.mark.parametrize(
    ("skew", "ok"), [(0.0, True), (-1000.0, True), (1001.0, False), (-1001.0, False)]
)
def test_the_clock_may_be_a_second_off(skew: float, ok: bool) -> None:
    """In either direction."""
    result = checks.clock(account(skew_ms=skew))
    is_green(result) if ok else is_red(result, "NTP")


def test_what_is_traded_has_to_be_listed() -> None:
    """A mistyped name is seen before the first signal."""
    is_green(checks.instruments(settings(), account()))
    is_red(checks.instruments(settings(), account(unlisted=("XYZ-PERPETUAL",))), "XYZ-PERPETUAL")


def test_equity_is_compared_with_what_was_told() -> None:
    """Unset is red: losses would be measured anew each day. The fix can be copied."""
    is_red(checks.equity(settings(), account()), "INITIAL_EQUITY=1000")
    is_green(checks.equity(settings(INITIAL_EQUITY="1200"), account()))
    is_green(checks.equity(settings(INITIAL_EQUITY="850"), account()))
    is_red(checks.equity(settings(INITIAL_EQUITY="10000"), account()), "differ by more than 20 %")


def test_cancel_on_disconnect_is_red() -> None:
    """It would take the stops away with the connection."""
    is_green(checks.cancel_on_disconnect(account()))
    is_red(checks.cancel_on_disconnect(account(cancels_on_disconnect=True)), "switch it off")


def test_what_the_book_knows_is_not_foreign() -> None:
    """Our orders by their label, our positions by their contracts."""
    ours = stop_order(label=label_of(Role.STOP))
    held = position(10)
    is_green(checks.foreign(account()))
    is_green(
        checks.foreign(account(orders=(ours,), positions=(held,), ours={held.instrument_name: 10}))
    )


def test_what_it_does_not_know_is_named() -> None:
    """A person's order, a position of somebody else, and one of ours that is gone."""
    strange = stop_order(label="by hand", order_id="SLMS-77")
    is_red(checks.foreign(account(orders=(strange,))), "SLMS-77", "an account of its own")
    held = position(-7)
    name = held.instrument_name
    is_red(checks.foreign(account(positions=(held,))), f"-7 contracts of {name}")
    is_red(checks.foreign(account(positions=(held,), ours={name: 3})), "-10 contracts")
    is_red(checks.foreign(account(ours={name: 5})), f"-5 contracts of {name}")


def test_a_book_that_cannot_be_read_is_red() -> None:
    """What is ours is not known then: nothing is called foreign, and nothing ours."""
    damaged = account(positions=(position(10),), no_book="registry.json is damaged: no book")
    is_red(checks.foreign(damaged), "registry.json is damaged", "rebuilds it from the journal")
