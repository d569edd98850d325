"""News of an order that stand in for the reply to it."""

from adapters.deribit.news import replies

CHANNEL = "user.changes.BTC-PERPETUAL.raw"
STOP = {"order_id": "SLMB-1", "label": "bw.t1.sl.1", "order_state": "triggered"}
MARKET = {
    "order_id": "7",
    "label": "bw.t1.sl.1",
    "order_state": "filled",
    "trigger_order_id": "SLMB-1",
}


def test_news_of_an_order_come_with_its_own_fills_alone() -> None:
    """As the reply to placing it would have them."""
    order = {"order_id": "5", "label": "bw.t1.entry.1"}
    mine, other = {"order_id": "5", "trade_id": "a"}, {"order_id": "6", "trade_id": "b"}
    told = {"orders": [order], "trades": [mine, other]}
    assert list(replies(CHANNEL, told)) == [("bw.t1.entry.1", {"order": order, "trades": [mine]})]


def test_the_market_order_of_a_stop_that_fires_at_once_is_not_what_was_placed() -> None:
    """It has the stop's label; taken for the reply it would be cancelled as another order."""
    found = list(replies(CHANNEL, {"orders": [STOP, MARKET], "trades": []}))
    assert found == [("bw.t1.sl.1", {"order": STOP, "trades": []})]


def test_what_is_no_news_of_orders_says_nothing() -> None:
    """Other channels, orders without a label, rows of another shape."""
    assert list(replies("ticker.BTC-PERPETUAL.raw", {"orders": [STOP]})) == []
    assert list(replies(CHANNEL, {"orders": [{"order_id": "5"}, "x", None]})) == []
    assert list(replies(CHANNEL, None)) == []
