"""The transaction log: one line for whatever changes the cash, or makes a result that will.

A fill changes the cash by its fee alone; what it realised waits for the daily settlement.
"""

from decimal import Decimal

from adapters.paper import risk
from adapters.paper.catalogue import INSTRUMENTS
from adapters.paper.engine import Engine
from adapters.paper.records import LogRow, TradeRecord
from domain.orders import ZERO


def log_trade(engine: Engine, trade: TradeRecord, *, before: int, realised: Decimal) -> None:
    """Logs a fill of a position that was ``before``; one that flips it has two lines."""
    signed = trade.side.sign * trade.contracts
    closing = min(trade.contracts, abs(before)) if before * signed < 0 else 0
    opening = trade.contracts - closing
    if closing:
        left = before + trade.side.sign * closing
        _log_part(engine, trade, closing, position=left, realised=realised, to_come=opening)
    if opening:
        _log_part(engine, trade, opening, position=before + signed)


def _log_part(
    engine: Engine,
    trade: TradeRecord,
    contracts: int,
    *,
    position: int,
    realised: Decimal | None = None,
    to_come: int = 0,
) -> None:
    """``realised`` is None for the part that opens; the fee of ``to_come`` is not paid yet."""
    what = "open" if realised is None else "close"
    stake = engine.account.stakes[trade.instrument_name]
    currency = trade.instrument.settlement_currency
    fee, unpaid = (trade.fee * part / trade.contracts for part in (contracts, to_come))
    interest, stake.told = stake.funding - stake.told, stake.funding
    engine.ledger.add_log(
        LogRow(
            row_id=engine.ids.log(),
            kind="trade",
            timestamp_ms=engine.now_ms,
            currency=currency,
            change=-fee,
            cashflow=realised or ZERO,
            balance=engine.account.balances[currency] + unpaid,
            equity=risk.equity(engine, currency) + unpaid,
            side=f"{what} {trade.side.value}",
            commission=fee,
            instrument_name=trade.instrument_name,
            position=position,
            contracts=contracts,
            price=trade.price,
            mark_price=trade.mark_price,
            index_price=trade.index_price,
            trade_id=trade.trade_id,
            order_id=trade.order_id,
            is_maker=trade.is_maker,
            is_liquidation=trade.is_liquidation,
            interest_pl=interest,
        )
    )


def log_settlement(
    engine: Engine, name: str, *, realised: Decimal, floating: Decimal, funding: Decimal
) -> None:
    """Logs what the settlement of one instrument has moved into the cash.

    ``realised`` is the session's, ``funding`` included; ``floating`` what was unrealised.
    """
    market, stake = engine.markets[name], engine.account.stakes[name]
    currency = INSTRUMENTS[name].settlement_currency
    held = stake.holding.contracts
    engine.changes.cash.add(currency)
    engine.ledger.add_log(
        LogRow(
            row_id=engine.ids.log(),
            kind="settlement",
            timestamp_ms=engine.now_ms,
            currency=currency,
            change=realised + floating,
            cashflow=realised + floating,
            balance=engine.account.balances[currency],
            equity=risk.equity(engine, currency),
            side="short" if held < 0 else "long",
            instrument_name=name,
            position=held,
            contracts=abs(held),
            price=market.settlement_price,
            mark_price=market.mark,
            index_price=market.index,
            interest_pl=funding - stake.told,
            total_interest_pl=funding,
            session_rpl=realised,
            session_upl=floating,
        )
    )


def log_cash(engine: Engine, kind: str, currency: str, change: Decimal) -> None:
    """Logs cash that came or went by no trade: ``deposit``, ``correction``."""
    engine.changes.cash.add(currency)
    engine.ledger.add_log(
        LogRow(
            row_id=engine.ids.log(),
            kind=kind,
            timestamp_ms=engine.now_ms,
            currency=currency,
            change=change,
            cashflow=change,
            balance=engine.account.balances[currency],
            equity=risk.equity(engine, currency),
            commission=ZERO,
        )
    )
