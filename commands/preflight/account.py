"""Reading the account for the checks, with the daemon's own client."""

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from actors.messages.base import Report
from actors.ports import REBUILDING, Clock, NotSent, OutcomeUnknown, Rejected
from actors.registry import check_book
from adapters.deribit.channels import account_channels
from adapters.deribit.connect import Login, connect
from adapters.storage.book import BookTooNew, read_book
from commands.common import words
from commands.preflight.checks import (
    Account,
    Result,
    cancel_on_disconnect,
    clock,
    collateral,
    equity,
    foreign,
    instruments,
    key_rights,
    red,
    skipped,
)
from config.settings import Settings
from domain.trade import Trade

CHECKS = (
    "key",
    "clock",
    "instruments",
    "equity",
    "collateral",
    "cancel on disconnect",
    "foreign orders and positions",
)
STABLE = frozenset({"USD", "USDC", "USDT"})


def check(settings: Settings, clock_: Clock) -> list[Result]:
    """Logs in, reads, logs out; every check of the account."""
    if settings.embeds_exchange:
        return [skipped(name, "the paper exchange; the drill trades on it") for name in CHECKS]
    try:
        account = read(settings, clock_)
    except Rejected as error:
        fix = f"check DERIBIT_CLIENT_ID and _SECRET: they must be of {settings.deribit_env}"
        found = [red("key", f"the venue refuses: {error}", fix)]
    except (NotSent, OutcomeUnknown) as error:
        found = [red("key", f"the venue cannot be read: {error}", "check the network, try again")]
    else:
        return [
            key_rights(account),
            clock(account),
            instruments(settings, account),
            equity(settings, account),
            collateral(account),
            cancel_on_disconnect(account),
            foreign(account),
        ]
    return [*found, *(skipped(name, "needs the log-in") for name in CHECKS[1:])]


def read(settings: Settings, clock_: Clock) -> Account:
    """The account, through one session that is closed again.

    Raises:
        Rejected, NotSent, OutcomeUnknown: it could not be read.
    """
    secret = settings.deribit_client_secret
    login = Login(
        http_url=settings.http_url,
        ws_url=settings.ws_url,
        client_id=settings.deribit_client_id or "",
        client_secret=secret.get_secret_value() if secret else "",
        session_name="bulwark-preflight",
    )
    venue, session = connect(login, clock_, _nobody, settings.instruments)
    try:
        credentials = session.open(account_channels())
        sent = clock_.now().timestamp() * 1000
        server = session.server_time_ms()
        skew = (sent + clock_.now().timestamp() * 1000) / 2 - server
        listed = venue.instruments()
        traded = [listed[name] for name in settings.instruments if name in listed]
        # As Risk counts it: what the traded contracts settle in, and nothing beside.
        currencies = {each.settlement_currency for each in traded}
        total, others = Decimal(0), list[str]()
        for one in venue.accounts():
            if one.currency in currencies:
                total += one.equity * _index(venue, one.currency)
            elif one.shares_collateral:
                others.append(one.currency)
        ours, no_book = _ours(settings.data_folder / "registry.json")
        return Account(
            scope=frozenset(credentials.scope.split()),
            skew_ms=skew,
            equity_usd=total,
            cancels_on_disconnect=session.cancel_on_disconnect(),
            orders=venue.open_orders(),
            positions=venue.positions(),
            ours=ours,
            no_book=no_book,
            other_collateral=tuple(others),
            unlisted=tuple(name for name in settings.instruments if name not in listed),
        )
    finally:
        session.close()


def _index(venue: Any, currency: str) -> Decimal:
    """USD per coin. A currency without a perpetual of its own does not count."""
    if currency in STABLE:
        return Decimal(1)
    try:
        return venue.ticker(f"{currency}-PERPETUAL").index_price
    except Rejected:
        return Decimal(0)


def _ours(registry: Path) -> tuple[Mapping[str, int], str]:
    """The book's contracts, and what is wrong with a book that is there."""
    try:
        return ledger(registry), ""
    except NoBook as error:
        return {}, str(error)


class NoBook(Exception):
    """There is no book that says which trades are open. The text says why; none: it is missing,
    or the next start has to rebuild it first.
    """


def ledger(registry: Path) -> Mapping[str, int]:
    """Signed contracts our open trades hold, per instrument.

    Raises:
        NoBook: nothing is known by it.
    """
    held: Counter[str] = Counter()
    for trade in open_trades(registry):
        held[trade.plan.instrument_name] += trade.signed_position
    return held


def open_trades(registry: Path) -> Sequence[Trade]:
    """The book's trades, those whose entry only rests among them.

    The book is read, not opened: it may belong to a running bot.

    Raises:
        NoBook: nothing is known by it.
    """
    table, owed = REBUILDING
    try:
        tables = read_book(registry)
        check_book(tables)
    except FileNotFoundError:
        raise NoBook("") from None
    except OSError as error:
        raise NoBook(words(error)) from error
    except BookTooNew as error:
        raise NoBook(str(error)) from error
    except ValueError as error:
        raise NoBook(f"{registry} is damaged: {str(error).partition(chr(10))[0]}") from error
    if owed in tables.get(table, {}):
        raise NoBook("")
    adapter = TypeAdapter(Trade)
    return [adapter.validate_python(row) for row in tables.get("trades", {}).values()]


def _nobody(_: Report) -> None:
    """What the venue pushes meanwhile is not needed."""
