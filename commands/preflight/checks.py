"""The checks that need nothing but what was read before: pure, one function each."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from config.kinds import Env
from config.settings import Settings, SettingsInvalid
from domain import labels
from domain.orders import Order, Position

CAUTIOUS_LOSS = Decimal("0.02")
CAUTIOUS_TRADES = 1
FIRST_DAYS = 5
EQUITY_TOLERANCE = Decimal("0.2")
LONGEST_SKEW_MS = 1000
TRADE_RIGHT, WALLET_WRITE = "trade:read_write", "wallet:read_write"
ACCOUNT_RIGHTS = frozenset({"account:read", "account:read_write"})


class Verdict(StrEnum):
    """Green: as it must be. Red: not. Skipped: does not apply here."""

    GREEN = "green"
    RED = "red"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One check. ``fix`` says what a person does about a red one."""

    check: str
    verdict: Verdict
    found: str
    fix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The account as the venue shows it.

    Equity is in USD, of what the traded contracts settle in; ``other_collateral`` are currencies
    beside those that would stand in for their losses. ``ours`` are the book's contracts,
    ``no_book`` is why it cannot be read; ``unlisted`` are the wanted instruments that the venue
    does not have.
    """

    scope: frozenset[str]
    skew_ms: float
    equity_usd: Decimal
    cancels_on_disconnect: bool
    orders: tuple[Order, ...]
    positions: tuple[Position, ...]
    ours: Mapping[str, int]
    no_book: str = ""
    unlisted: tuple[str, ...] = ()
    other_collateral: tuple[str, ...] = ()


def green(check: str, found: str) -> Result:
    return Result(check=check, verdict=Verdict.GREEN, found=found)


def red(check: str, found: str, fix: str) -> Result:
    return Result(check=check, verdict=Verdict.RED, found=found, fix=fix)


def skipped(check: str, why: str) -> Result:
    return Result(check=check, verdict=Verdict.SKIPPED, found=why)


# -- settings --------------------------------------------------------------------------------------


def settings_invalid(error: SettingsInvalid) -> Iterator[Result]:
    """Each mistake is a red line of its own; nothing else can be checked."""
    for problem in error.problems:
        yield red("settings", str(problem), f"correct {problem.key} in .env")


def venue(settings: Settings) -> Result:
    """Which venue this is about, in words nobody misreads."""
    env, money = settings.deribit_env, settings.deribit_env is Env.PROD
    what = "REAL MONEY" if money else "no real money"
    return green("venue", f"DERIBIT_ENV is {env}: {what}; {settings.http_url}")


def limits(settings: Settings, days_traded: int) -> Result:
    """Small limits while it is new; afterwards they are the person's own business."""
    loss, trades = settings.max_daily_loss_pct, settings.max_open_trades
    found = f"MAX_DAILY_LOSS_PCT={loss}, MAX_OPEN_TRADES={trades}, day {days_traded + 1} here"
    if days_traded >= FIRST_DAYS or (loss <= CAUTIOUS_LOSS and trades <= CAUTIOUS_TRADES):
        return green("limits", found)
    return red(
        "limits",
        found,
        f"for the first {FIRST_DAYS} days: MAX_DAILY_LOSS_PCT at most {CAUTIOUS_LOSS}, "
        f"MAX_OPEN_TRADES at most {CAUTIOUS_TRADES}",
    )


# -- the account -----------------------------------------------------------------------------------


def key_rights(account: Account) -> Result:
    """The key may trade and read the account, and may not move money away."""
    lacks = [] if TRADE_RIGHT in account.scope else [TRADE_RIGHT]
    if not account.scope & ACCOUNT_RIGHTS:
        lacks.append("account:read")
    if lacks:
        return red("key", f"logged in, without {', '.join(lacks)}", "make a key with these scopes")
    if WALLET_WRITE in account.scope:
        return red(
            "key", f"it may withdraw money ({WALLET_WRITE})", "make a key with wallet:none or read"
        )
    return green("key", f"logged in; {TRADE_RIGHT}, no {WALLET_WRITE}")


def clock(account: Account) -> Result:
    """Whether the machine's clock and the venue's agree."""
    found = f"{account.skew_ms:+.0f} ms to the venue's"
    if abs(account.skew_ms) <= LONGEST_SKEW_MS:
        return green("clock", found)
    return red("clock", found, f"keep it within {LONGEST_SKEW_MS} ms: switch on time sync (NTP)")


def instruments(settings: Settings, account: Account) -> Result:
    """Whether the venue lists what is to be traded."""
    if account.unlisted:
        found = f"the venue does not list {', '.join(account.unlisted)}"
        return red("instruments", found, "correct INSTRUMENTS")
    return green("instruments", f"listed: {', '.join(settings.instruments)}")


def equity(settings: Settings, account: Account) -> Result:
    """Whether the equity that the day's limit is a fraction of is about the account's."""
    have, told = account.equity_usd, settings.initial_equity
    if told is None:
        return red(
            "equity",
            f"{have:.2f} USD; INITIAL_EQUITY is not set: each day's limit would follow the equity",
            f"INITIAL_EQUITY={have:.0f}",
        )
    found = f"{have:.2f} USD, INITIAL_EQUITY={told}"
    if abs(have - told) <= told * EQUITY_TOLERANCE:
        return green("equity", found)
    return red("equity", found, f"they differ by more than 20 %: INITIAL_EQUITY={have:.0f}")


def collateral(account: Account) -> Result:
    """A loss that another currency makes good does not show in the equity it is measured by."""
    if not account.other_collateral:
        return green("collateral", "losses show in the currencies that are traded")
    others = ", ".join(account.other_collateral)
    return red(
        "collateral",
        f"cross collateral is on: the venue would make losses good out of {others}, and "
        "MAX_DAILY_LOSS_PCT would not see them",
        "switch the account to a segregated margin model, or hold only what is traded",
    )


def cancel_on_disconnect(account: Account) -> Result:
    """It would take the stops away with the connection."""
    if not account.cancels_on_disconnect:
        return green("cancel on disconnect", "off, stops outlive the connection")
    return red(
        "cancel on disconnect",
        "on: the venue would cancel our stops when the line drops",
        "switch it off in the account's API settings",
    )


def foreign(account: Account) -> Result:
    """Orders and positions that the book does not know."""
    if account.no_book:
        return red(
            "foreign orders and positions",
            f"what is ours is not known: {account.no_book}",
            "move the book away and keep it: the next start rebuilds it from the journal. "
            "One of a later version: install that",
        )
    strange = [
        f"{order.order_type} order {order.order_id} on {order.instrument_name}"
        for order in account.orders
        if not order.label.startswith(f"{labels.PREFIX}.")
    ]
    strange += [
        f"{each.contracts - account.ours.get(each.instrument_name, 0):+d} contracts of "
        f"{each.instrument_name}"
        for each in account.positions
        if each.contracts != account.ours.get(each.instrument_name, 0)
    ]
    held = {each.instrument_name for each in account.positions}
    strange += [
        f"{-size:+d} contracts of {name}"
        for name, size in account.ours.items()
        if size and name not in held
    ]
    if not strange:
        return green("foreign orders and positions", "none")
    return red(
        "foreign orders and positions",
        "not of our trades: " + "; ".join(strange),
        "close them, or use an account of its own",
    )
