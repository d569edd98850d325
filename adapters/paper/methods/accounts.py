"""Positions and money."""

from collections.abc import Callable
from typing import Any

from adapters.paper import views, wire
from adapters.paper.catalogue import CURRENCIES, INSTRUMENTS
from adapters.paper.errors import invalid
from adapters.paper.methods.call import Call, Method
from adapters.paper.methods.paging import is_of_kind
from adapters.paper.wire import Json


def _one_currency(call: Call) -> str:
    currency = call.params.currency()
    if currency == "any":
        raise invalid("currency", "invalid currency")
    return currency


def _position(call: Call) -> Json:
    return views.position(call.engine, call.params.instrument().name)


def _positions(call: Call) -> list[Json]:
    """Everything traded since the session began, flat ones with direction ``zero``."""
    currency = call.params.currency(default="any")
    if not is_of_kind(call):
        return []
    return [
        views.position(call.engine, name)
        for name, stake in call.engine.account.stakes.items()
        if stake.touched and currency in {"any", INSTRUMENTS[name].settlement_currency}
    ]


def _account(call: Call) -> Json:
    summary = views.summary(call.engine, _one_currency(call)) | {"limits": views.limits()}
    return summary | views.owner() if call.params.flag("extended") else summary


def _accounts(call: Call) -> Json:
    rows = [
        views.summary(call.engine, currency) | {"limits": views.limits()} for currency in CURRENCIES
    ]
    owner = views.owner() if call.params.flag("extended") else {"id": wire.USER_ID}
    return owner | {"summaries": rows}


_PORTFOLIO = (
    "balance",
    "equity",
    "available_funds",
    "available_withdrawal_funds",
    "initial_margin",
    "maintenance_margin",
    "margin_balance",
    "spot_reserve",
    "additional_reserve",
    "locked_balance",
)


def _subaccounts(call: Call) -> list[Json]:
    account = views.owner() | {"is_password": True, "margin_model": "segregated_sm"}
    if call.params.flag("with_portfolio"):
        rows = {each: views.summary(call.engine, each) for each in CURRENCIES}
        account["portfolio"] = {
            currency.lower(): {"currency": currency.lower()}
            | {name: row[name] for name in _PORTFOLIO}
            for currency, row in rows.items()
        }
    return [account]


def _locks(_: Call) -> list[Json]:
    return [{"currency": currency, "locked": False} for currency in CURRENCIES]


def _read(run: Callable[[Call], Any], needs: str = "account:read") -> Method:
    return Method(run=run, needs=needs)


METHODS = {
    "private/get_position": _read(_position, "trade:read"),
    "private/get_positions": _read(_positions, "trade:read"),
    "private/get_account_summary": _read(_account),
    "private/get_account_summaries": _read(_accounts),
    "private/get_subaccounts": _read(_subaccounts),
    "private/get_user_locks": _read(_locks),
}
