"""Wire objects to values: tolerant of what is optional, strict about what is not."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ports import OutcomeUnknown
from adapters.deribit import parse, parse_market
from adapters.deribit.limits import Rate, Rates
from domain.instruments import Kind
from domain.orders import OrderState, OrderType, Side, TriggerBy
from tests.adapters.deribit import wires
from tests.adapters.deribit.wires import BTC, LIMITS, LINEAR


def test_a_limit_order_in_contracts() -> None:
    """Amounts become whole contracts, money stays exact, unknown fields are ignored."""
    order = parse.order(wires.order(filled_amount=Decimal("40.0"), average_price=97000), BTC)
    assert (order.contracts, order.filled_contracts, order.remaining_contracts) == (10, 4, 6)
    assert order.price == Decimal("97000.5")
    assert order.average_price == 97000
    assert (order.state, order.side, order.human) == (OrderState.OPEN, Side.BUY, False)


def test_a_resting_stop_may_lack_half_its_fields() -> None:
    """No filled amount, no average, no contracts, and a price that is a text."""
    order = parse.order(wires.stop(), BTC)
    assert (order.price, order.average_price, order.filled_contracts) == (None, None, 0)
    assert (order.trigger, order.trigger_price) == (TriggerBy.MARK_PRICE, Decimal(95000))
    assert order.order_type is OrderType.STOP_MARKET
    assert order.reduce_only


@pytest.mark.parametrize("wire", [wires.stop(reduce_only=False), wires.stop(reduce_only=None)])
def test_reduce_only_is_never_assumed(wire: dict[str, Any]) -> None:
    """A stop counts as protection only when the venue says that it is reduce-only."""
    assert not parse.order(wire, BTC).reduce_only
    assert not parse.order(wires.without(wire, "reduce_only"), BTC).reduce_only


def test_a_market_order_that_comes_back_as_limit_is_a_market_order() -> None:
    """The venue may rename it and keep the original type beside."""
    wire = wires.order(order_type="limit", original_order_type="market")
    assert parse.order(wire, BTC).order_type is OrderType.MARKET


def test_links_and_reasons_are_kept() -> None:
    """What ties an order to another, who made it, and why it ended."""
    order = parse.order(
        wires.order(
            web=True,
            oco_ref="7",
            trigger_order_id="SLMS-1",
            primary_order_id=9,
            cancel_reason="oco_other_closed",
            order_state="cancelled",
        ),
        BTC,
    )
    assert order.human
    assert (order.oco_ref, order.trigger_order_id, order.primary_order_id) == ("7", "SLMS-1", "9")
    assert order.cancel_reason == "oco_other_closed"


@pytest.mark.parametrize(
    "fields",
    [
        {"order_id": "SLMS-7", "trigger_order_id": "SLMS-7"},
        {"order_id": "OTO-1", "trigger_order_id": "SLMS-7", "is_secondary_oto": True},
        {"order_id": "OTO-2", "trigger_order_id": 122494919676, "is_secondary_oto": True},
    ],
)
def test_a_trigger_that_has_fired_is_no_child_of_itself(fields: dict[str, Any]) -> None:
    """It names itself, and a child that waits no more what it became. Only what was made of a
    trigger has a parent.
    """
    fired = parse.order(wires.stop(order_state="triggered", **fields), BTC)
    assert fired.trigger_order_id is None
    assert fired.is_secondary_oto is ("is_secondary_oto" in fields)


@pytest.mark.parametrize(
    ("wire", "why"),
    [
        (
            wires.stop(
                order_id="OTO-11031614",
                is_secondary_oto=True,
                primary_order_id=122492834239,
                oco_ref=50077,
                trigger_offset=None,
                filled_amount=Decimal("100.0"),
                order_state="rejected:price_too_high",
            ),
            "price_too_high",
        ),
        (wires.stop(order_state="rejected:reduce_direction"), "reduce_direction"),
        (wires.order(order_state="rejected"), None),
    ],
)
def test_what_is_refused_when_its_time_has_come_says_why_in_its_state(
    wire: dict[str, Any], why: str | None
) -> None:
    """A child whose stop is passed at the fill, a stop that fires in vain: they are over."""
    order = parse.order(wire, BTC)
    assert (order.state, order.cancel_reason) == (OrderState.REJECTED, why)


@pytest.mark.parametrize(
    "changes",
    [
        {"order_state": "pending"},
        {"order_state": "rejectedly"},
        {"order_type": "iceberg"},
        {"direction": "zero"},
        {"trigger": "vibes"},
        {"amount": Decimal(15)},
        {"amount": -10},
        {"amount": Decimal("1e400000")},
        {"amount": "100"},
        {"amount": True},
        {"price": "cheap"},
        {"creation_timestamp": None, "last_update_timestamp": None},
        {"creation_timestamp": Decimal("1.5")},
    ],
)
def test_an_order_that_cannot_be_read_is_an_unknown_outcome(changes: dict[str, Any]) -> None:
    """Unknown words and impossible figures never pass for an order."""
    with pytest.raises(OutcomeUnknown):
        parse.order(wires.order(**changes), BTC)


@pytest.mark.parametrize("name", ["order_id", "order_state", "order_type", "direction", "amount"])
def test_a_missing_field_is_named(name: str) -> None:
    """The error says which field is missing."""
    with pytest.raises(OutcomeUnknown, match=name):
        parse.order(wires.without(wires.order(), name), BTC)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.decimals() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    ),
    st.sampled_from(sorted(wires.order() | wires.stop())),
)
def test_nothing_but_an_outcome_escapes(junk: Any, name: str) -> None:
    """Whatever stands in a field, or in place of the object, no other exception comes out."""
    for wire in (junk, wires.order() | {name: junk}, wires.stop() | {name: junk}):
        try:
            parse.order(wire, BTC)
        except OutcomeUnknown:
            continue


def test_a_fill() -> None:
    """Fee, side and maker flag are ours; a missing profit is None."""
    fill = parse.fill(wires.trade(liquidity="M", fee=Decimal("-2.1e-7")), BTC)
    assert (fill.contracts, fill.fee, fill.is_maker) == (10, Decimal("-0.00000021"), True)
    assert fill.profit_loss is None
    assert not fill.is_liquidation


@pytest.mark.parametrize("said", [True, "true"])
def test_a_fill_is_reduce_only_in_either_spelling(said: object) -> None:
    """The schema says text, every recorded trade a yes or no."""
    assert parse.fill(wires.trade(reduce_only=said), BTC).reduce_only


@pytest.mark.parametrize("said", [False, "false", None, 1, ""])
def test_nothing_else_makes_a_fill_reduce_only(said: object) -> None:
    assert not parse.fill(wires.trade(reduce_only=said), BTC).reduce_only


@pytest.mark.parametrize(
    ("liquidity", "liquidated", "ours"),
    [
        ("T", "T", True),
        ("T", "M", False),
        ("M", "MT", True),
        ("M", "T", False),
        ("", "T", False),
        ("", None, False),
    ],
)
def test_whose_liquidation_it_was(liquidity: str, liquidated: str | None, ours: bool) -> None:
    """The trade says which side was liquidated; only our side makes it our liquidation."""
    wire = wires.trade(liquidity=liquidity, liquidation=liquidated)
    assert parse.fill(wire, BTC).is_liquidation is ours


def test_a_placement_with_its_fills() -> None:
    """The reply to an order holds the order and what it traded at once."""
    placed = parse.placement({"order": wires.order(), "trades": [wires.trade()]}, BTC)
    assert [fill.trade_id for fill in placed.fills] == ["48078936"]
    assert parse.placement({"order": wires.order()}, BTC).fills == ()


@pytest.mark.parametrize("size", [-100, 100, Decimal("100.0")])
def test_the_sign_of_a_position_comes_from_its_direction(size: Any) -> None:
    """Reports disagree on the sign of a short's size; the direction decides."""
    short = parse.position(wires.position(size=size), BTC)
    assert short is not None
    assert (short.contracts, short.size_coin) == (-10, Decimal("-0.001030928"))
    assert short.estimated_liquidation_price is None


@pytest.mark.parametrize("changes", [{"size": 0}, {"direction": "zero"}, {"size": Decimal("0.0")}])
def test_a_flat_position_is_none(changes: dict[str, Any]) -> None:
    """The venue lists flat positions until the settlement; they are no positions."""
    assert parse.position(wires.position(**changes), BTC) is None


def test_an_inverse_position_without_coins_gets_them_from_the_mark() -> None:
    """USD over mark, when ``size_currency`` is left out."""
    short = parse.position(wires.without(wires.position(), "size_currency"), BTC)
    assert short is not None
    assert short.size_coin == -Decimal(100) / Decimal(97000)


@pytest.mark.parametrize("size", [Decimal("0.05"), Decimal("4850.0"), Decimal("-0.05")])
def test_a_linear_size_may_be_coins_or_their_value(size: Decimal) -> None:
    """Either way the quantity is taken from ``size_currency``."""
    wire = wires.position(
        instrument_name=LINEAR.name, direction="buy", size=size, size_currency=Decimal("0.05")
    )
    position = parse.position(wire, LINEAR)
    assert position is not None
    assert (position.contracts, position.size_coin) == (500, Decimal("0.05"))


@pytest.mark.parametrize("changes", [{"size": 500}, {"size_currency": None}, {"size_currency": 0}])
def test_a_linear_size_that_is_neither_stops_the_read(changes: dict[str, Any]) -> None:
    """A ratio that makes no sense means we do not know the position."""
    wire = wires.position(size=Decimal("0.05"), size_currency=Decimal("0.05")) | changes
    with pytest.raises(OutcomeUnknown):
        parse.position(wire, LINEAR)


def test_a_trigger_record_says_why_a_fired_stop_failed() -> None:
    """State with its reason, and the order it became, when there is one."""
    wire = {
        "trigger_order_id": "SLMS-370",
        "order_state": "rejected:reduce_direction",
        "instrument_name": "BTC-PERPETUAL",
        "direction": "sell",
        "amount": 100,
        "trigger_price": 95000,
        "timestamp": 5,
        "last_update_timestamp": 9,
    }
    record = parse.trigger_record(wire, BTC)
    assert (record.state, record.order_id) == ("rejected:reduce_direction", None)
    assert (record.contracts, record.timestamp_ms) == (10, 9)


def test_contract_data() -> None:
    """Older field names are understood; a missing index name follows from the currencies."""
    row = wires.without(
        wires.instrument(future_type="linear", counter_currency="USDC"),
        "instrument_type",
        "quote_currency",
        "price_index",
    )
    found = parse_market.instrument(row)
    assert (found.kind, found.quote_currency) == (Kind.LINEAR, "USDC")
    assert found.price_index == "btc_usdc"


@pytest.mark.parametrize(
    "changes", [{"tick_size": 0}, {"contract_size": -1}, {"instrument_type": "quanto"}]
)
def test_senseless_contract_data_is_refused(changes: dict[str, Any]) -> None:
    """Nothing is traded on a contract without a size or of a kind we do not know."""
    with pytest.raises(OutcomeUnknown):
        parse_market.instrument(wires.instrument(**changes))


def test_a_ticker_without_a_side() -> None:
    """Price 0 means an empty side; no trade yet means no last price."""
    ticker = parse_market.ticker(wires.ticker(best_bid_price=0, last_price=None))
    assert (ticker.best_bid, ticker.last_price) == (None, None)
    assert ticker.best_ask == 97001
    assert ticker.current_funding == Decimal("0.0001423")


def test_a_book_in_contracts() -> None:
    """Levels are price and whole contracts, best first."""
    book = parse_market.order_book(
        {
            "timestamp": 1,
            "change_id": 7,
            "bids": [[Decimal("97000.5"), Decimal("120.0")]],
            "asks": [[97001, 10]],
        },
        BTC,
    )
    assert (book.bids[0].contracts, book.asks[0].price) == (12, 97001)
    with pytest.raises(OutcomeUnknown):
        parse_market.order_book({"timestamp": 1, "change_id": 7, "bids": [[1]], "asks": []}, BTC)


def test_an_account_to_the_last_digit() -> None:
    """Twelve decimals survive."""
    assert parse_market.account(wires.account()).equity == Decimal("1.000366076123")


@pytest.mark.parametrize(("said", "shares"), [(None, False), (False, False), (True, True)])
def test_an_account_says_whether_others_stand_in_for_it(said: bool | None, shares: bool) -> None:
    """Not said is no."""
    changes = {} if said is None else {"cross_collateral_enabled": said}
    assert parse_market.account(wires.account(**changes)).shares_collateral is shares


def test_rate_limits_of_the_account() -> None:
    """The common shape is adopted, the stricter group counts, nonsense is refused."""
    assert parse_market.rates(LIMITS) == Rates(
        matching=Rate(per_second=10, burst=30),
        mass_cancel=Rate(per_second=6, burst=21),
        other=Rate(per_second=40, burst=200),
    )
    trading = {"total": {"rate": 100, "burst": 150}, "perpetuals": {"rate": 10, "burst": 20}}
    matching = LIMITS["matching_engine"] | {"trading": trading}
    stricter = parse_market.rates(LIMITS | {"matching_engine": matching})
    assert stricter is not None
    assert stricter.matching == Rate(per_second=10, burst=20)
    assert parse_market.rates({"limits_per_currency": True}) is None
    with pytest.raises(OutcomeUnknown):
        parse_market.rates(LIMITS | {"non_matching_engine": {"rate": 0, "burst": 1}})
