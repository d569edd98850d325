"""Positions and money."""

from collections.abc import Callable
from typing import Any

from adapters.paper import views, wire, wire_log
from adapters.paper.account import CANCEL_MAKER, REJECT_TAKER, Stake
from adapters.paper.catalogue import CURRENCIES, INSTRUMENTS
from adapters.paper.errors import invalid
from adapters.paper.limits import Bucket
from adapters.paper.methods.call import Call, Method
from adapters.paper.methods.paging import NO_END, is_of_kind
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
        if _is_listed(call, stake) and currency in {"any", INSTRUMENTS[name].settlement_currency}
    ]


def _is_listed(call: Call, stake: Stake) -> bool:
    """What was traded stays in the list until the settlement, flat or not."""
    hides_flat = call.engine.switches.flat_positions == "hidden"
    return stake.holding.contracts != 0 or (stake.touched and not hides_flat)


def _account(call: Call) -> Json:
    summary = views.summary(call.engine, _one_currency(call)) | {"limits": views.limits()}
    return summary | views.owner(call.engine) if call.params.flag("extended") else summary


def _accounts(call: Call) -> Json:
    rows = [
        views.summary(call.engine, currency) | {"limits": views.limits()} for currency in CURRENCIES
    ]
    owner = views.owner(call.engine) if call.params.flag("extended") else {"id": wire.USER_ID}
    return owner | {"summaries": rows}


_IDENTITY = (
    "id",
    "type",
    "username",
    "system_name",
    "email",
    "security_keys_enabled",
    "login_enabled",
    "receive_notifications",
)
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
)


def _subaccounts(call: Call) -> list[Json]:
    owner = views.owner(call.engine)
    account = {name: owner[name] for name in _IDENTITY}
    account |= {"is_password": True, "margin_model": "segregated_sm"}
    if call.params.flag("with_portfolio"):
        rows = {each: views.summary(call.engine, each) for each in CURRENCIES}
        account["portfolio"] = {
            currency.lower(): {"currency": currency.lower()}
            | {name: row[name] for name in _PORTFOLIO}
            for currency, row in rows.items()
        }
    return [account]


def _subaccounts_details(call: Call) -> list[Json]:
    """The one account there is: what it holds and, when asked for, its open orders."""
    currency = _one_currency(call)
    names = [name for name, each in INSTRUMENTS.items() if each.settlement_currency == currency]
    stakes = call.engine.account.stakes
    details: Json = {
        "uid": wire.USER_ID,
        "positions": [
            views.position(call.engine, name) for name in names if stakes[name].holding.contracts
        ],
    }
    if call.params.flag("with_open_orders"):
        found = call.engine.ledger.select(lambda order: order.instrument_name in names)
        details["open_orders"] = [wire.order(order) for order in found]
    return [details]


def _no_transfers(call: Call) -> Json:
    """Nothing ever moved in or out of a paper account."""
    _one_currency(call)
    return {"count": 0, "data": []}


def _locks(call: Call) -> list[Json]:
    """A currency is locked while its positions are being liquidated.

    The description calls the flag ``enabled``, its own example ``locked``: both are there.
    """
    liquidated = call.engine.account.liquidated_ms
    return [
        {"currency": each, "locked": each in liquidated, "enabled": each in liquidated}
        for each in CURRENCIES
    ]


def _transaction_log(call: Call) -> Json:
    """Newest first, a page at a time; ``continuation`` is the line the next page begins with."""
    currency, words = _one_currency(call), call.params.text("query", "").split()
    start, end = call.params.whole("start_timestamp"), call.params.whole("end_timestamp")
    before = call.params.whole("continuation", NO_END)
    found = [
        row
        for row in reversed(call.engine.ledger.logs)
        if row.currency == currency
        and start <= row.timestamp_ms <= end
        and row.row_id <= before
        and set(words) <= wire_log.log_words(row)
    ]
    count = call.params.count(100, most=250)
    following = found[count].row_id if len(found) > count else None
    return {"logs": [wire_log.log_row(row) for row in found[:count]], "continuation": following}


def _set_self_trading(call: Call) -> str:
    """What to do with an order that would meet one of our own; there are no subaccounts."""
    mode = call.params.one_of("mode", frozenset({CANCEL_MAKER, REJECT_TAKER}))
    if "extended_to_subaccounts" not in call.params:
        raise invalid("extended_to_subaccounts", "value is required")
    call.params.flag("extended_to_subaccounts")
    call.engine.account.self_trading = mode
    call.engine.revision += 1
    return "ok"


def _read(run: Callable[[Call], Any], needs: str = "account:read") -> Method:
    return Method(run=run, needs=needs)


METHODS = {
    "private/get_position": _read(_position, "trade:read"),
    "private/get_positions": _read(_positions, "trade:read"),
    "private/get_account_summary": _read(_account),
    "private/get_account_summaries": _read(_accounts),
    "private/get_subaccounts": _read(_subaccounts),
    "private/get_subaccounts_details": _read(_subaccounts_details),
    "private/get_deposits": _read(_no_transfers, "wallet:read"),
    "private/get_withdrawals": _read(_no_transfers, "wallet:read"),
    "private/get_transfers": _read(_no_transfers, "wallet:read"),
    "private/get_user_locks": _read(_locks),
    "private/set_self_trading_config": _read(_set_self_trading, "account:read_write"),
    "private/get_transaction_log": Method(
        run=_transaction_log, needs="account:read", bucket=Bucket.TRANSACTION_LOG
    ),
}
