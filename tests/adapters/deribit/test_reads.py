"""The reading half of the venue: what is made of its answers."""

from collections import deque
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import pytest

from actors.ports import OutcomeUnknown, Rejected
from adapters.deribit.catalogue import Catalogue
from adapters.deribit.limits import Limiter
from adapters.deribit.venue import DeribitVenue
from domain.instruments import Instrument
from domain.orders import Order, OrderState
from domain.watch import protects
from tests.adapters.deribit import wires
from tests.adapters.deribit.bench import UNKNOWN, Bench
from tests.adapters.deribit.fakes import ManualClock, ScriptedRpc
from tests.adapters.deribit.wires import BTC, LINEAR


def test_orders_by_label_are_exactly_those(bench: Bench) -> None:
    """The settlement currency is asked for; a longer label is not ours; none found is empty."""
    rows = [wires.order(), wires.order(order_id="2", label="bw.abc.entry.11")]
    bench.stream.answer("private/get_order_state_by_label", deque([rows]))
    found = bench.venue.orders_by_label("bw.abc.entry.1", "BTC")
    assert [one.order_id for one in found] == ["4008699030"]
    assert bench.stream.calls[0][1] == {"currency": "BTC", "label": "bw.abc.entry.1"}
    bench.stream.answer("private/get_order_state_by_label", Rejected(10004, "order_not_found"))
    assert bench.venue.orders_by_label("bw.abc.entry.1", "BTC") == ()
    bench.stream.answer("private/get_order_state_by_label", Rejected(13009, "unauthorized"))
    with pytest.raises(Rejected):
        bench.venue.orders_by_label("bw.abc.entry.1", "BTC")


def test_open_orders_include_triggers_and_skip_dated_futures(bench: Bench) -> None:
    """A person's dated future is counted and left out; everything on a perpetual is there."""
    bench.stream.answer(
        "private/get_open_orders",
        [wires.order(), wires.stop(), wires.order(instrument_name="BTC-27MAR26")],
    )
    bench.stream.answer("public/get_instruments", [wires.instrument()])
    assert [one.order_id for one in bench.venue.open_orders()] == ["4008699030", "SLMS-370"]
    assert bench.stream.calls[0][1] == {"kind": "future", "type": "all"}
    assert bench.venue.skipped.counts == {"not_a_perpetual": 1}
    bench.venue.open_orders()
    assert bench.stream.methods().count("public/get_instruments") == 1


@pytest.mark.parametrize(
    "rows",
    [
        [wires.order(order_type="odd")],
        [wires.order(label=None, order_type="odd")],
        [wires.order(order_state=None)],
        [{}],
        ["x"],
        "x",
        None,
        {"orders": []},
    ],
)
def test_one_unreadable_order_makes_the_whole_read_fail(bench: Bench, rows: Any) -> None:
    """An order of ours, or whose owner cannot be seen, is never silently left out."""
    bench.stream.answer("private/get_open_orders", rows)
    with pytest.raises(OutcomeUnknown):
        bench.venue.open_orders()


def test_an_unreadable_order_of_somebody_else_hides_none_of_ours(bench: Bench) -> None:
    """A kind of order the venue made up since, in a person's name: a kill must not wait for it."""
    strange = wires.order(order_id="7", label="", order_type="iceberg")
    bench.stream.answer("private/get_open_orders", [strange, wires.stop()])
    assert [one.order_id for one in bench.venue.open_orders()] == ["SLMS-370"]
    assert bench.venue.skipped.counts == {"foreign_order": 1}


ODD_STOP = wires.stop(order_state="suspended")


def test_an_open_order_with_a_word_of_its_own_for_its_state_protects_nothing(bench: Bench) -> None:
    """It is listed, so it may trade; whether it would fire nobody can say."""
    bench.stream.answer("private/get_open_orders", [ODD_STOP])
    (found,) = bench.venue.open_orders()
    assert found.state is OrderState.OPEN
    assert not protects(found, position=10)
    assert bench.venue.odd_words.counts == {"order_state": 1}


LOOK_UPS: list[tuple[str, Callable[[DeribitVenue], tuple[Order, ...]]]] = [
    ("private/get_order_state_by_label", lambda venue: venue.orders_by_label("bw.abc.sl.1", "BTC")),
    ("private/get_order_history_by_instrument", lambda venue: venue.order_history(BTC.name)),
]


@pytest.mark.parametrize(("method", "look"), LOOK_UPS)
@pytest.mark.parametrize(
    ("resting", "state"),
    [
        ([], OrderState.CANCELLED),
        ([ODD_STOP], OrderState.OPEN),
        ([wires.stop()], OrderState.UNTRIGGERED),
    ],
)
def test_an_order_with_a_word_of_its_own_for_its_state_is_what_the_open_ones_say(
    bench: Bench,
    method: str,
    look: Callable[[DeribitVenue], tuple[Order, ...]],
    resting: list[dict[str, Any]],
    state: OrderState,
) -> None:
    """Not among them, read after it: it has ended, whatever the venue calls that."""
    bench.stream.answer(method, [wires.stop(order_state="suspended", filled_amount=30)])
    bench.stream.answer("private/get_open_orders", resting)
    (found,) = look(bench.venue)
    assert found.state is state
    if not resting:
        assert (found.filled_contracts, found.cancel_reason) == (3, "suspended")
    methods = bench.stream.methods()
    assert methods.index("private/get_open_orders") > methods.index(method)


def test_a_word_of_its_own_is_nothing_while_the_open_ones_cannot_be_read(bench: Bench) -> None:
    """An error is not "it has ended"."""
    bench.stream.answer("private/get_order_state_by_label", [ODD_STOP])
    bench.both("private/get_open_orders", UNKNOWN)
    with pytest.raises(OutcomeUnknown):
        bench.venue.orders_by_label("bw.abc.sl.1", "BTC")


def test_a_perpetual_listed_today_is_looked_up(bench: Bench) -> None:
    """An unknown name makes the catalogue be read once; then the order is readable."""
    row = wires.instrument("SOL_USDC-PERPETUAL", instrument_type="linear", contract_size=1)
    bench.stream.answer("public/get_instruments", [row])
    bench.stream.answer(
        "private/get_open_orders", [wires.order(instrument_name="SOL_USDC-PERPETUAL", amount=3)]
    )
    assert bench.venue.open_orders()[0].contracts == 3


def test_what_does_not_fit_the_contract_size_is_read_with_that_of_now(bench: Bench) -> None:
    """The venue has made it smaller since; all of an answer counts in the same contracts."""
    row = wires.instrument("BTC-PERPETUAL", contract_size=1)
    rows = [wires.order(amount=20), wires.order(amount=7)]
    bench.stream.answer("public/get_instruments", [row])
    bench.stream.answer("private/get_open_orders", rows)
    found = bench.venue.open_orders()
    assert [(x.contracts, x.contract_size) for x in found] == [(20, 1), (7, 1)]


@pytest.mark.parametrize("change", [{"amount": -7}, {"direction": "up"}])
def test_what_is_odd_otherwise_does_not_cost_a_catalogue(
    bench: Bench, change: dict[str, object]
) -> None:
    """It is asked for dearly."""
    bench.both("private/get_user_trades_by_instrument_and_time", [])
    bench.stream.answer("private/get_order_state", wires.order(**change))
    with pytest.raises(OutcomeUnknown):
        bench.venue.order("1")
    assert "public/get_instruments" not in [method for method, _ in bench.stream.calls]


class MidMerge(Catalogue):
    """A catalogue during whose filling another thread reads the account."""

    def __init__(self) -> None:
        self.meanwhile: Callable[[], object] = lambda: None
        super().__init__()

    def merge(self, instruments: Iterable[Instrument]) -> None:
        found = list(instruments)
        if found:
            meanwhile, self.meanwhile = self.meanwhile, lambda: None
            meanwhile()
        super().merge(found)


def test_a_position_read_while_the_catalogue_is_being_filled_is_not_left_out() -> None:
    """At a start two actors read at once: what one has not learnt yet is no foreign object."""
    stream, clock, catalogue = ScriptedRpc(), ManualClock(), MidMerge()
    venue = DeribitVenue(stream, ScriptedRpc(), catalogue, clock, Limiter(clock))
    stream.answer("public/get_instruments", [wires.instrument()])
    stream.answer("private/get_positions", [wires.position()])
    seen: list[int] = []
    catalogue.meanwhile = lambda: seen.extend(one.contracts for one in venue.positions())
    venue.instruments()
    assert seen == [-10]
    assert venue.skipped.counts == {}


def test_positions_are_signed_and_flat_ones_left_out(bench: Bench) -> None:
    """All currencies in one read."""
    bench.stream.answer(
        "private/get_positions", [wires.position(), wires.position(size=0, direction="zero")]
    )
    assert [one.contracts for one in bench.venue.positions()] == [-10]
    assert bench.stream.calls[0][1] == {"currency": "any", "kind": "future"}


def test_fills_of_all_pages_and_both_stores_are_merged(bench: Bench) -> None:
    """Pages overlap by one millisecond; each trade counts once; oldest first."""
    pages = {
        True: deque([{"trades": [wires.trade(trade_id="1", timestamp=10)], "has_more": False}]),
        False: deque(
            [
                {
                    "trades": [
                        wires.trade(trade_id="3", trade_seq=3, timestamp=20),
                        wires.trade(trade_id="2", trade_seq=2, timestamp=20),
                        wires.trade(trade_id="1", trade_seq=1, timestamp=10),
                    ],
                    "has_more": True,
                },
                {
                    "trades": [
                        wires.trade(trade_id="3", trade_seq=3, timestamp=20),
                        wires.trade(trade_id="4", trade_seq=4, timestamp=30),
                    ],
                    "has_more": False,
                },
            ]
        ),
    }

    def page(params: dict[str, Any]) -> Any:
        return pages[params["historical"]].popleft()

    bench.stream.answer("private/get_user_trades_by_instrument_and_time", page)
    found = bench.venue.fills(BTC.name, 5)
    assert [one.trade_id for one in found] == ["1", "2", "3", "4"]
    assert [params["start_timestamp"] for _, params in bench.stream.calls] == [5, 5, 20]
    assert all(params["count"] == 1000 for _, params in bench.stream.calls)


def test_fills_that_do_not_move_on_are_unknown(bench: Bench) -> None:
    """A venue that announces more and sends none cannot hold us for ever."""
    page = {"trades": [], "has_more": True}
    bench.stream.answer("private/get_user_trades_by_instrument_and_time", page)
    with pytest.raises(OutcomeUnknown, match="none follow"):
        bench.venue.fills(BTC.name, 5)


def test_order_history_merges_by_id_and_the_later_update_wins(bench: Bench) -> None:
    """Unfilled and old ones are asked for, in both stores."""
    old = wires.order(last_update_timestamp=1767225600000)
    new = wires.order(order_state="filled", last_update_timestamp=1767225609000)
    other = wires.order(order_id="1", creation_timestamp=1)

    def rows(params: dict[str, Any]) -> Any:
        assert params["include_old"] is True
        assert params["include_unfilled"] is True
        return [new, other] if params["historical"] else [old]

    bench.stream.answer("private/get_order_history_by_instrument", rows)
    history = bench.venue.order_history(BTC.name)
    assert [(one.order_id, one.state.value) for one in history] == [
        ("1", "open"),
        ("4008699030", "filled"),
    ]


def test_accounts_without_equity_are_left_out_and_limits_adopted(bench: Bench) -> None:
    """Every row is readable or the read fails; the account's own rate limits count."""
    rows = [wires.account(limits=wires.LIMITS), wires.account("ETH", equity=0)]
    bench.stream.answer("private/get_account_summaries", {"summaries": rows})
    assert [one.currency for one in bench.venue.accounts()] == ["BTC"]
    bench.clock.seconds += 100
    assert bench.venue.budget_left() == 28


@pytest.mark.parametrize(
    ("limits", "left"), [(None, 28), ({}, 28), ({"limits_per_currency": True}, 18), (7, 18)]
)
def test_odd_limits_are_taken_for_the_lowest(bench: Bench, limits: Any, left: int) -> None:
    """Limits we cannot read never make the account unreadable; those left out are unchanged."""
    rows = [wires.account(limits=wires.LIMITS)], [wires.account(limits=limits)]
    answers = deque({"summaries": each} for each in rows)
    bench.stream.answer("private/get_account_summaries", answers)
    assert [len(bench.venue.accounts()) for _ in rows] == [1, 1]
    bench.clock.seconds += 100
    assert bench.venue.budget_left() == left


def test_the_catalogue_is_asked_of_http_when_the_stream_was_asked_often(bench: Bench) -> None:
    """Over a websocket five at once and one in ten seconds end the session; two are kept back."""
    bench.both("public/get_instruments", [wires.instrument()])
    for _ in range(6):
        bench.venue.instruments()
    assert bench.stream.methods().count("public/get_instruments") == 3
    assert bench.http.methods().count("public/get_instruments") == 3
    bench.clock.sleep(10)
    bench.venue.instruments()
    assert bench.stream.methods().count("public/get_instruments") == 4


def test_the_catalogue_keeps_perpetuals_and_forgets_none(bench: Bench) -> None:
    """Dated rows and one exotic row do not matter; a delisted perpetual stays readable."""
    bench.stream.answer(
        "public/get_instruments",
        [
            wires.instrument(is_active=False),
            wires.instrument("BTC-27MAR26", settlement_period="month"),
            wires.instrument("NEW-PERPETUAL", instrument_type="quanto"),
        ],
    )
    assert list(bench.venue.instruments()) == [LINEAR.name]
    assert bench.venue.skipped.counts == {"instrument": 1}
    bench.stream.answer("private/get_open_orders", [wires.order()])
    assert len(bench.venue.open_orders()) == 1
    bench.stream.answer("public/get_instruments", [])
    with pytest.raises(OutcomeUnknown, match="no perpetual"):
        bench.venue.instruments()


def test_prices(bench: Bench) -> None:
    """Ticker and book of one instrument."""
    bench.stream.answer("public/ticker", wires.ticker())
    bench.stream.answer(
        "public/get_order_book",
        {"timestamp": 1, "change_id": 2, "bids": [[97000, 10]], "asks": []},
    )
    assert bench.venue.ticker(BTC.name).mark_price == Decimal("97000.13")
    assert bench.venue.order_book(BTC.name).bids[0].contracts == 1


def test_funding_is_read_from_every_page_of_the_log(bench: Bench) -> None:
    """Oldest first; lines that book none are passed over; a log that goes nowhere is unknown."""
    line = {"instrument_name": BTC.name, "currency": "BTC", "type": "settlement"}
    first = {"logs": [{**line, "id": 9, "timestamp": 90, "interest_pl": -2}], "continuation": 5}
    second = [
        {**line, "id": 5, "timestamp": 50, "interest_pl": Decimal("0.5")},
        {"id": 4, "timestamp": 40, "type": "deposit", "interest_pl": None},
        {**line, "id": 3, "timestamp": 30, "interest_pl": 0},
    ]
    pages = deque([first, {"logs": second, "continuation": None}])
    bench.stream.answer("private/get_transaction_log", pages)
    found = bench.venue.funding("BTC", 1, 100)
    assert [(x.log_id, x.amount) for x in found] == [(5, Decimal("0.5")), (9, Decimal(-2))]
    assert bench.stream.calls[-1][1]["continuation"] == 5
    bench.both("private/get_transaction_log", {"logs": [], "continuation": 7})
    with pytest.raises(OutcomeUnknown, match="goes on after"):
        bench.venue.funding("BTC", 1, 100)
    bench.both("private/get_transaction_log", {"logs": [{"interest_pl": "x"}]})
    with pytest.raises(OutcomeUnknown):
        bench.venue.funding("BTC", 1, 100)


def test_a_long_log_is_read_slowly(bench: Bench) -> None:
    """The venue gives eight pages at once and one a second, and ends sessions that ask for more."""
    left = [*range(7, -1, -1)] * 2
    pages = deque[Any]({"logs": [], "continuation": number or None} for number in left)
    bench.stream.answer("private/get_transaction_log", pages)
    began = bench.clock.monotonic()
    assert bench.venue.funding("BTC", 1, 100) == bench.venue.funding("ETH", 1, 100) == ()
    assert not pages
    assert bench.clock.monotonic() - began >= len(left) - 8


def test_a_book_of_an_unknown_instrument_is_unknown(bench: Bench) -> None:
    """Without contract data no amount can be read."""
    bench.stream.answer("public/get_order_book", {})
    bench.stream.answer("public/get_instruments", [wires.instrument()])
    with pytest.raises(OutcomeUnknown, match="catalogue"):
        bench.venue.order_book("X-PERPETUAL")


def test_one_order_and_the_trigger_history(bench: Bench) -> None:
    """The two look-ups by id."""
    bench.stream.answer("private/get_order_state", wires.stop())
    assert bench.venue.order("SLMS-370").trigger_price == 95000
    entry_ = {
        "trigger_order_id": "SLMS-370",
        "order_state": "triggered",
        "order_id": "9",
        "instrument_name": BTC.name,
        "direction": "sell",
        "amount": 100,
        "timestamp": 5,
    }
    bench.stream.answer("private/get_trigger_order_history", {"entries": [entry_]})
    assert [one.order_id for one in bench.venue.trigger_history("BTC", BTC.name)] == ["9"]
    bench.stream.answer("private/get_trigger_order_history", [])
    with pytest.raises(OutcomeUnknown):
        bench.venue.trigger_history("BTC", BTC.name)
