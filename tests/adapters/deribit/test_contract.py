"""The client against the paper exchange over real sockets: one trade's whole life."""

import queue
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from actors.messages.base import Report
from actors.messages.venue import ChangesReport
from actors.ports import OutcomeUnknown, Rejected
from adapters.clock import SystemClock
from adapters.deribit.catalogue import Catalogue
from adapters.deribit.channels import Channels, account_channels, market_channels
from adapters.deribit.http import HttpRpc
from adapters.deribit.limits import Limiter
from adapters.deribit.server_clock import ServerClock
from adapters.deribit.session import DeribitSession
from adapters.deribit.venue import DeribitVenue
from adapters.deribit.websocket import WebSocketRpc
from adapters.paper.server import PaperServer, PaperSettings
from domain.orders import OrderRequest, OrderState, OrderType, Side, TriggerBy
from domain.venue_codes import BAD_CREDENTIALS, GONE_ALREADY, NOTHING_TO_REDUCE

WAIT = 10.0


class Client:
    """Everything between the sockets and the port."""

    def __init__(self, port: int, secret: str) -> None:
        clock = SystemClock()
        self.reports: queue.Queue[Report] = queue.Queue()
        catalogue = Catalogue()
        self.channels = Channels(catalogue, clock, self.reports.put)
        self.stream = WebSocketRpc(
            f"ws://127.0.0.1:{port}/ws/api/v2",
            clock,
            on_notification=self.channels.on_notification,
            on_lost=self.channels.on_lost,
        )
        self.http = HttpRpc(f"http://127.0.0.1:{port}/api/v2")
        server_clock = ServerClock(clock)
        self.session = DeribitSession(self.stream, self.http, server_clock, "paper", secret)
        self.venue = DeribitVenue(
            self.stream, self.http, catalogue, clock, Limiter(clock), server_clock=server_clock
        )

    def changes(self, wanted: str) -> ChangesReport:
        """The next report about an order with this label."""
        while True:
            report = self.reports.get(timeout=WAIT)
            if isinstance(report, ChangesReport) and any(
                order.label == wanted for order in report.orders
            ):
                return report


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder: Path = tmp_path_factory.mktemp("exchange")
    server = PaperServer(PaperSettings(port=0, folder=folder))
    ready: queue.Queue[int] = queue.Queue()
    thread = threading.Thread(target=server.run, args=(ready.put,), name="paper-exchange")
    thread.start()
    yield ready.get(timeout=WAIT)
    server.stop()
    thread.join(WAIT)
    assert not thread.is_alive()


@pytest.fixture
def client(port: int) -> Iterator[Client]:
    made = Client(port, secret="paper")
    made.venue.instruments()
    made.session.open((*account_channels(), *market_channels("BTC-PERPETUAL")))
    yield made
    made.session.close()


def test_a_trade_from_entry_to_flat(client: Client) -> None:
    """Entry, stop, a grown stop, a close, and the stop cancelled; everything is found again."""
    venue = client.venue
    start_ms = venue.server_now_ms() - 60_000
    instrument = venue.instruments()["BTC-PERPETUAL"]
    mark = venue.ticker(instrument.name).mark_price

    def request(label: str, kind: OrderType, side: Side, **fields: object) -> OrderRequest:
        values: dict[str, object] = {
            "instrument": instrument,
            "side": side,
            "contracts": 5,
            "order_type": kind,
            "label": label,
            "reduce_only": side is Side.SELL,
            "valid_until_ms": venue.server_now_ms() + 5000,
        }
        return OrderRequest(**(values | fields))  # type: ignore[arg-type]

    entry = venue.place(request("bw.t1.entry.1", OrderType.MARKET, Side.BUY))
    assert entry.order.filled_contracts == 5
    assert sum(fill.contracts for fill in entry.fills) == 5
    assert client.changes("bw.t1.entry.1").fills

    stop = venue.place(
        request(
            "bw.t1.sl.1",
            OrderType.STOP_MARKET,
            Side.SELL,
            trigger=TriggerBy.MARK_PRICE,
            trigger_price=instrument.floor_price(mark * Decimal("0.9")),
        )
    ).order
    assert (stop.state, stop.reduce_only) == (OrderState.UNTRIGGERED, True)
    assert (stop.trigger, stop.price) == (TriggerBy.MARK_PRICE, None)
    assert [one.order_id for one in venue.open_orders()] == [stop.order_id]

    (position,) = venue.positions()
    assert position.contracts == 5
    higher = instrument.floor_price(mark * Decimal("0.92"))
    moved = venue.edit(
        stop.order_id,
        instrument,
        label=stop.label,
        contracts=5,
        valid_until_ms=venue.server_now_ms() + 5000,
        trigger_price=higher,
    ).order
    assert (moved.order_id, moved.trigger_price) == (stop.order_id, higher)
    assert moved.reduce_only

    assert venue.close_position(instrument.name).order.filled_contracts == 5
    assert venue.positions() == ()
    with pytest.raises(Rejected) as refused:
        venue.place(request("bw.t1.close.1", OrderType.MARKET, Side.SELL))
    assert refused.value.code in NOTHING_TO_REDUCE
    if stop.order_id in {one.order_id for one in venue.open_orders()}:
        assert venue.cancel(stop.order_id).state is OrderState.CANCELLED
    with pytest.raises(Rejected) as gone:
        venue.cancel(stop.order_id)
    assert gone.value.code in GONE_ALREADY

    assert [one.order_id for one in venue.orders_by_label("bw.t1.entry.1", "BTC")] == [
        entry.order.order_id
    ]
    fills = venue.fills(instrument.name, start_ms)
    assert sum(fill.side.sign * fill.contracts for fill in fills) == 0
    assert {fill.trade_id for fill in entry.fills} <= {fill.trade_id for fill in fills}
    assert entry.order.order_id in {one.order_id for one in venue.order_history(instrument.name)}
    assert venue.trigger_history("BTC", instrument.name)


def test_every_read_is_understood(client: Client) -> None:
    """Catalogue, prices, accounts, funding, limits and clocks come through whole."""
    venue = client.venue
    assert {"BTC-PERPETUAL", "ETH-PERPETUAL", "BTC_USDC-PERPETUAL"} <= set(venue.instruments())
    for name in venue.instruments():
        ticker, book = venue.ticker(name), venue.order_book(name)
        assert ticker.min_price < ticker.mark_price < ticker.max_price
        assert book.bids[0].price < book.asks[0].price
    assert {account.currency for account in venue.accounts()} == {"BTC", "ETH", "USDC"}
    now_ms = venue.server_now_ms()
    assert venue.funding("BTC", now_ms - 3_600_000, now_ms) == ()
    assert abs(client.session.server_time_ms() - venue.server_now_ms()) < 1000
    assert not client.session.cancel_on_disconnect()
    client.session.disable_cancel_on_disconnect()
    assert client.channels.unreadable.counts == {}
    assert client.stream.oddities.counts == {}
    assert venue.skipped.counts == {}


def test_linear_positions_are_understood(client: Client) -> None:
    """A short on a USDC perpetual: coins, contracts and sign."""
    instrument = client.venue.instruments()["BTC_USDC-PERPETUAL"]
    client.venue.place(
        OrderRequest(
            instrument=instrument,
            side=Side.SELL,
            contracts=7,
            order_type=OrderType.MARKET,
            label="bw.t2.entry.1",
        )
    )
    (position,) = client.venue.positions()
    assert (position.contracts, position.size_coin) == (-7, -7 * instrument.contract_size)
    client.venue.close_position(instrument.name)
    assert client.venue.positions() == ()
    assert client.venue.cancel_all() == 0
    assert client.venue.cancel_all_by_instrument(instrument.name) == 0
    assert client.venue.cancel_by_label("bw.t2.sl.1", "USDC") == 0


def test_without_the_stream_everything_goes_over_http(client: Client) -> None:
    """After the websocket is gone, orders, reads and the token's renewal still work."""
    credentials = client.session.open(account_channels())
    credentials = client.session.refresh(credentials)
    client.stream.close()
    client.session.refresh(credentials)
    instrument = client.venue.instruments()["BTC-PERPETUAL"]
    ticker = client.venue.ticker(instrument.name)
    placed = client.venue.place(
        OrderRequest(
            instrument=instrument,
            side=Side.BUY,
            contracts=1,
            order_type=OrderType.LIMIT,
            price=instrument.ceil_price(ticker.min_price),
            label="bw.t3.entry.1",
            post_only=True,
        )
    )
    assert placed.order.state is OrderState.OPEN
    assert client.venue.order(placed.order.order_id).label == "bw.t3.entry.1"
    assert client.venue.cancel_by_label("bw.t3.entry.1", "BTC") == 1
    assert client.venue.open_orders() == ()


def test_wrong_credentials_and_unknown_channels(port: int) -> None:
    """Both stop the opening, the one by its code, the other by its name."""
    intruder = Client(port, secret="wrong")
    with pytest.raises(Rejected) as refused:
        intruder.session.open(())
    assert refused.value.code in BAD_CREDENTIALS
    client = Client(port, secret="paper")
    with pytest.raises(OutcomeUnknown, match=r"user\.nonsense"):
        client.session.open(("user.nonsense", "ticker.GONE-PERPETUAL.100ms"))
    intruder.session.close()
    client.session.close()
