"""What list methods share: order, windows and which orders a filter means."""

from collections.abc import Callable

from adapters.paper.errors import invalid
from adapters.paper.methods.call import Call
from adapters.paper.records import OrderRecord
from domain.orders import OrderType

NO_END = 1 << 62
_LONGEST_ID = 20
_SORTING = frozenset({"asc", "desc", "default"})
_STOPS = frozenset({OrderType.STOP_LIMIT, OrderType.STOP_MARKET})
_TAKES = frozenset({OrderType.TAKE_LIMIT, OrderType.TAKE_MARKET})
_TRAILS = frozenset({OrderType.TRAILING_STOP})
_TRIGGERS = _STOPS | _TAKES | _TRAILS
_ALL = frozenset(OrderType)
_FILTERS = {
    "all": _ALL,
    "limit": _ALL - _TRIGGERS,
    "trigger_all": _TRIGGERS,
    "stop": _STOPS,
    "stop_all": _STOPS,
    "stop_limit": frozenset({OrderType.STOP_LIMIT}),
    "stop_market": frozenset({OrderType.STOP_MARKET}),
    "take": _TAKES,
    "take_all": _TAKES,
    "take_limit": frozenset({OrderType.TAKE_LIMIT}),
    "take_market": frozenset({OrderType.TAKE_MARKET}),
    "trailing_all": _TRAILS,
    "trailing_stop": _TRAILS,
}
_KINDS = frozenset({"future", "option", "spot", "future_combo", "option_combo", "combo", "any"})


def ascending(call: Call) -> bool:
    """Whether rows go oldest first; the default is newest first."""
    return call.params.one_of("sorting", _SORTING, "default") == "asc"


def id_digits(trade_id: str) -> int:
    """The number in a trade id, which rises with time whatever stands before it."""
    number = trade_id.rpartition("-")[2]
    if not (number.isdecimal() and number.isascii()) or len(number) > _LONGEST_ID:
        raise invalid("start_id", "invalid format")
    return int(number)


def id_bounds(call: Call) -> tuple[int, int]:
    """``start_id`` and ``end_id``, both included."""
    first, last = call.params.text("start_id", "0"), call.params.text("end_id", str(NO_END))
    return id_digits(first), id_digits(last)


def is_of_kind(call: Call) -> bool:
    """Whether the kind asked for covers perpetuals."""
    return call.params.one_of("kind", _KINDS, "any") in {"future", "any"}


def of_type(call: Call) -> Callable[[OrderRecord], bool]:
    """The ``type`` filter of open-order reads and of the cancel family."""
    word = call.params.text("type", "all")
    if word not in _FILTERS:
        raise invalid("type", "invalid value")
    wanted = _FILTERS[word]
    return lambda order: order.order_type in wanted


def in_currency(currency: str) -> Callable[[OrderRecord], bool]:
    """Orders whose instrument settles in a currency (``any`` passes all)."""
    return lambda order: currency in {"any", order.instrument.settlement_currency}


def in_instrument(name: str) -> Callable[[OrderRecord], bool]:
    """Orders of one instrument."""
    return lambda order: order.instrument_name == name
