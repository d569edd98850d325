"""The transaction log as the venue writes it, and the words by which it is searched."""

from decimal import Decimal

from adapters.paper.catalogue import INSTRUMENTS
from adapters.paper.records import LogRow
from adapters.paper.wire import USER_ID, Json, money


def log_row(row: LogRow) -> Json:
    """One line; figures that a kind does not have are null or left out."""
    shown: Json = {
        "id": row.row_id,
        "user_seq": row.row_id,
        "user_id": USER_ID,
        "username": "paper",
        "timestamp": row.timestamp_ms,
        "type": row.kind,
        "currency": row.currency,
        "change": money(row.change),
        "cashflow": money(row.cashflow),
        "balance": money(row.balance),
        "equity": money(row.equity),
        "commission": _money(row.commission),
        "instrument_name": row.instrument_name,
        "side": row.side,
        "position": _amount(row, row.position),
        "price": row.price,
        "trade_id": row.trade_id,
        "order_id": row.order_id,
        "interest_pl": _money(row.interest_pl),
    }
    return shown | _of_kind(row)


def _of_kind(row: LogRow) -> Json:
    match row.kind:
        case "trade":
            role = "maker" if row.is_maker else "taker"
            return {
                **_sizes(row),
                "mark_price": row.mark_price,
                "index_price": row.index_price,
                "user_role": role,
                "fee_role": role,
                "profit_as_cashflow": False,
                "info": "Source: liquidation" if row.is_liquidation else "Source: api",
            }
        case "settlement":
            return {
                **_sizes(row),
                "mark_price": row.mark_price,
                "index_price": row.index_price,
                "session_rpl": _money(row.session_rpl),
                "session_upl": _money(row.session_upl),
                "total_interest_pl": _money(row.total_interest_pl),
                "info": {"settlement_price": row.price, "floating_pl": _money(row.session_upl)},
            }
        case _:
            return {"info": {}}


def _sizes(row: LogRow) -> Json:
    quote = INSTRUMENTS[row.instrument_name or ""].quote_currency
    amount = _amount(row, row.contracts)
    return {"amount": amount, "contracts": row.contracts, "price_currency": quote}


def _amount(row: LogRow, contracts: int | None) -> Decimal | None:
    if contracts is None or row.instrument_name is None:
        return None
    return INSTRUMENTS[row.instrument_name].amount(contracts)


def _money(value: Decimal | None) -> Decimal | None:
    return None if value is None else money(value)


def log_words(row: LogRow) -> set[str]:
    """The words of a ``query`` that find the line."""
    words = {row.kind, *row.side.split()}
    if row.instrument_name is not None:
        words.add("future")
    if row.kind == "trade":
        words.add("maker" if row.is_maker else "taker")
    if row.is_liquidation:
        words.add("liquidation")
    return words
