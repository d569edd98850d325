"""Somebody with the same account in the web interface: what they do, in the venue's requests."""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from adapters.paper.catalogue import INSTRUMENTS
from adapters.paper.faults.of_moments import (
    HumanCancelsStop,
    HumanCancelsTarget,
    HumanCloses,
    HumanMovesStop,
    HumanOpens,
    HumanOrders,
    OfHuman,
)
from domain.instruments import Instrument

Ask = Callable[[str, Mapping[str, Any]], Any]
"""Sends one request as the account's owner; raises `VenueError`."""
Json = dict[str, Any]
_STOPS = frozenset({"stop_market", "stop_limit", "trailing_stop"})
_HUNDRED = Decimal(100)


def _concerns(fault: OfHuman, name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in fault.instruments)


def _instruments(fault: OfHuman) -> Iterator[Instrument]:
    return (each for name, each in INSTRUMENTS.items() if _concerns(fault, name))


def _positions(fault: OfHuman, ask: Ask) -> list[Json]:
    rows = ask("private/get_positions", {"currency": "any"})
    return [row for row in rows if row["size"] and _concerns(fault, row["instrument_name"])]


def _orders(fault: OfHuman, ask: Ask) -> list[Json]:
    rows = ask("private/get_open_orders", {})
    return [row for row in rows if _concerns(fault, row["instrument_name"])]


def _stops(fault: OfHuman, ask: Ask) -> list[Json]:
    return [
        row
        for row in _orders(fault, ask)
        if row["order_type"] in _STOPS and row["order_state"] == "untriggered"
    ]


def _targets(fault: OfHuman, ask: Ask) -> list[Json]:
    return [
        row
        for row in _orders(fault, ask)
        if row["order_type"] == "limit" and row["reduce_only"] and row["order_state"] == "open"
    ]


def _cancel(rows: list[Json], ask: Ask) -> None:
    for row in rows:
        ask("private/cancel", {"order_id": row["order_id"]})


def _move(row: Json, percent: Decimal, ask: Ask) -> None:
    """A stop that sells is moved down, one that buys up."""
    away = percent if row["direction"] == "buy" else -percent
    instrument = INSTRUMENTS[row["instrument_name"]]
    price = instrument.floor_price(row["trigger_price"] * (1 + away / _HUNDRED))
    terms = {"order_id": row["order_id"], "amount": row["amount"], "trigger_price": price}
    ask("private/edit", terms)


def _order(
    instrument: Instrument, side: str, usd: Decimal, percent: Decimal | None, ask: Ask
) -> None:
    """At market, or at a limit so far away from the mark that it rests."""
    mark: Decimal = ask("public/ticker", {"instrument_name": instrument.name})["mark_price"]
    worth = usd if instrument.is_inverse else usd / mark
    contracts = int(worth / instrument.contract_size)
    if not contracts:
        return
    terms: Json = {"instrument_name": instrument.name, "amount": instrument.amount(contracts)}
    if percent is None:
        terms["type"] = "market"
    else:
        away = -percent if side == "buy" else percent
        terms |= {"type": "limit", "price": instrument.floor_price(mark * (1 + away / _HUNDRED))}
    ask(f"private/{side}", terms)


def _close(fault: OfHuman, ask: Ask) -> None:
    for row in _positions(fault, ask):
        name = row["instrument_name"]
        ask("private/close_position", {"instrument_name": name, "type": "market"})


def _move_stops(fault: HumanMovesStop, ask: Ask) -> None:
    for row in _stops(fault, ask):
        _move(row, fault.percent, ask)


def _open(fault: HumanOpens, ask: Ask) -> None:
    for instrument in _instruments(fault):
        _order(instrument, fault.side, fault.usd, None, ask)


def _place(fault: HumanOrders, ask: Ask) -> None:
    for instrument in _instruments(fault):
        _order(instrument, fault.side, fault.usd, fault.percent, ask)


_DOES: Mapping[type[OfHuman], Callable[[Any, Ask], None]] = {
    HumanCloses: _close,
    HumanCancelsStop: lambda fault, ask: _cancel(_stops(fault, ask), ask),
    HumanCancelsTarget: lambda fault, ask: _cancel(_targets(fault, ask), ask),
    HumanMovesStop: _move_stops,
    HumanOpens: _open,
    HumanOrders: _place,
}


def act(fault: OfHuman, ask: Ask) -> None:
    """Does what the fault says; nothing when there is nothing to do it to.

    Raises:
        VenueError: the venue refused it.
    """
    _DOES[type(fault)](fault, ask)
