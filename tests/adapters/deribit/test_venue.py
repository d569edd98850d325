"""The typed venue: what is sent, how often and over which transport."""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from actors.ports import NotSent, OutcomeUnknown, Rejected, Venue
from adapters.deribit import codec
from adapters.deribit.errors import Throttled
from adapters.deribit.venue import DeribitVenue
from domain.orders import (
    OrderRequest,
    OrderState,
    OrderType,
    Side,
    TimeInForce,
    TriggerBy,
)
from tests.adapters.deribit import wires
from tests.adapters.deribit.bench import UNKNOWN, Bench
from tests.adapters.deribit.fakes import ScriptedRpc
from tests.adapters.deribit.wires import BTC, LINEAR

SL = "bw.t1.sl.1"


def entry(**changes: Any) -> OrderRequest:
    fields: dict[str, Any] = {
        "instrument": BTC,
        "side": Side.BUY,
        "contracts": 10,
        "order_type": OrderType.LIMIT,
        "label": "bw.abc.entry.1",
        "price": Decimal("97000.5"),
        "valid_until_ms": 1767225603000,
    }
    return OrderRequest(**(fields | changes))


def stop(**changes: Any) -> OrderRequest:
    fields: dict[str, Any] = {
        "side": Side.SELL,
        "order_type": OrderType.STOP_MARKET,
        "label": "bw.abc.sl.1",
        "price": None,
        "trigger_price": Decimal(95000),
        "trigger": TriggerBy.MARK_PRICE,
        "reduce_only": True,
    }
    return entry(**(fields | changes))


def placed(**changes: Any) -> dict[str, Any]:
    return {"order": wires.order(**changes), "trades": [wires.trade()]}


def test_it_has_every_method_of_the_port(bench: Bench) -> None:
    """The client can stand wherever the actors ask for a venue."""
    venue: Venue = bench.venue
    names = [name for name in vars(Venue) if not name.startswith("_")]
    assert all(callable(getattr(venue, name)) for name in names)
    assert venue.server_now_ms() == int(bench.clock.now().timestamp() * 1000)


def test_a_limit_entry_on_the_wire(bench: Bench) -> None:
    """Amounts in the venue's unit, exact; the post-only flag always said."""
    bench.stream.answer("private/buy", placed())
    placement = bench.venue.place(entry(time_in_force=TimeInForce.GOOD_TIL_CANCELLED))
    assert bench.stream.calls == [
        (
            "private/buy",
            {
                "instrument_name": "BTC-PERPETUAL",
                "amount": Decimal(100),
                "type": "limit",
                "label": "bw.abc.entry.1",
                "post_only": False,
                "reduce_only": False,
                "price": Decimal("97000.5"),
                "time_in_force": "good_til_cancelled",
                "valid_until": 1767225603000,
            },
        )
    ]
    assert (placement.order.contracts, len(placement.fills)) == (10, 1)


@pytest.mark.parametrize(
    "kind", [OrderType.MARKET, OrderType.MARKET_LIMIT, OrderType.STOP_MARKET, OrderType.TAKE_MARKET]
)
def test_market_style_orders_have_no_price_and_no_time_in_force(
    bench: Bench, kind: OrderType
) -> None:
    """The venue refuses a time in force on them."""
    bench.stream.answer("private/sell", placed())
    bench.venue.place(
        stop(order_type=kind, price=Decimal(1), time_in_force=TimeInForce.FILL_OR_KILL)
    )
    params = bench.stream.calls[0][1]
    assert params.keys().isdisjoint({"price", "time_in_force"})
    assert ("trigger" in params) is (kind in {OrderType.STOP_MARKET, OrderType.TAKE_MARKET})


def test_trigger_orders_say_what_they_watch(bench: Bench) -> None:
    """Every trigger order carries the watched price, and its trigger price or offset."""
    bench.stream.answer("private/sell", placed())
    bench.venue.place(stop())
    bench.venue.place(stop(order_type=OrderType.TAKE_LIMIT, price=Decimal(99000)))
    bench.venue.place(
        stop(
            order_type=OrderType.TRAILING_STOP, trigger_price=None, trigger_offset=Decimal("150.5")
        )
    )
    first, second, third = (params for _, params in bench.stream.calls)
    assert (first["trigger"], first["trigger_price"]) == ("mark_price", Decimal(95000))
    assert second["price"] == Decimal(99000)
    assert third["trigger_offset"] == Decimal("150.5")
    assert "trigger_price" not in third


@pytest.mark.parametrize("reason", ["order_overlap", "order_overlap_another_sub"])
def test_an_order_cancelled_because_it_met_one_of_the_accounts_own_is_a_refusal(
    bench: Bench, reason: str
) -> None:
    """The venue may do either; nothing was traded, and the same again would end the same way."""
    gone = {"order_state": "cancelled", "cancel_reason": reason}
    bench.stream.answer("private/sell", {"order": wires.order(**gone), "trades": []})
    with pytest.raises(Rejected, match=reason) as caught:
        bench.venue.place(stop(order_type=OrderType.MARKET))
    assert caught.value.code == 10003
    part = {"order": wires.order(**gone, filled_amount=30), "trades": []}
    bench.stream.answer("private/sell", part)
    placed = bench.venue.place(stop(order_type=OrderType.MARKET))
    assert (placed.order.state, placed.order.filled_contracts) == (OrderState.CANCELLED, 3)


def test_linear_amounts_are_coins(bench: Bench) -> None:
    """Contracts times contract size, without a binary trace."""
    bench.stream.answer("private/buy", placed(instrument_name=LINEAR.name))
    bench.venue.place(entry(instrument=LINEAR, contracts=3, post_only=True, reject_post_only=True))
    params = bench.stream.calls[0][1]
    assert params["amount"] == Decimal("0.0003")
    assert (params["post_only"], params["reject_post_only"]) == (True, True)


@pytest.mark.parametrize(
    "request_",
    [
        stop(reduce_only=False),
        entry(label="by-hand"),
        entry(label="bw.abc.close.1"),
        entry(contracts=0),
        entry(price=None),
        stop(trigger=None),
        stop(trigger_price=None),
        stop(order_type=OrderType.TRAILING_STOP),
    ],
)
def test_what_must_never_be_sent_is_not(bench: Bench, request_: OrderRequest) -> None:
    """No order but an entry may add risk, and no order goes out half-specified."""
    with pytest.raises(ValueError, match=r"reduce-only|contracts|needs|no label"):
        bench.venue.place(request_)
    assert bench.sent() == []


@pytest.mark.parametrize("gated", [True, False])
def test_locked_entries_are_not_sent_and_protection_is(gated: bool) -> None:
    """The lock holds back what adds risk on every transport, and nothing else."""
    bench = Bench(gated=gated)
    bench.both("private/buy", placed())
    bench.both("private/sell", placed())
    bench.venue.lock_entries("kill switch")
    with pytest.raises(NotSent, match="kill switch"):
        bench.venue.place(entry())
    assert bench.venue.budget_left() == 18
    bench.venue.place(stop())
    bench.venue.unlock_entries()
    bench.venue.place(entry())
    assert [method for method, _ in bench.sent()] == ["private/sell", "private/buy"]


@pytest.mark.parametrize("gated", [True, False])
def test_a_lock_between_check_and_write_still_holds(gated: bool) -> None:
    """An entry already past the first check is stopped at the wire, on both transports."""
    bench = Bench(gated=gated)
    bench.both("private/buy", placed())
    limiter = bench.limiter
    admit = limiter.entry

    def lock_meanwhile() -> None:
        admit()
        bench.venue.lock_entries("kill switch")

    limiter.entry = lock_meanwhile  # type: ignore[method-assign]
    with pytest.raises(NotSent, match="kill switch"):
        bench.venue.place(entry())
    assert bench.sent() == []


@pytest.mark.parametrize("gated", [True, False])
@pytest.mark.parametrize("is_down", [True, False])
@pytest.mark.parametrize("request_", [entry(), stop()])
def test_that_an_order_left_is_said_once(
    gated: bool, is_down: bool, request_: OrderRequest
) -> None:
    """Over whichever transport it went in the end, protective or not."""
    bench = Bench(gated=gated)
    bench.both(f"private/{request_.side}", placed())
    if is_down:
        bench.stream.answer(f"private/{request_.side}", NotSent("down"))
    said: list[str] = []
    bench.venue.place(request_, lambda: said.append(request_.label))
    assert said == [request_.label]


@pytest.mark.parametrize("gated", [True, False])
def test_an_order_that_did_not_leave_is_not_said_to_have_left(gated: bool) -> None:
    """Held back by the lock, whenever it fell: even while it was being said."""
    bench = Bench(gated=gated)
    bench.both("private/buy", placed())
    bench.venue.lock_entries("kill switch")
    said: list[str] = []
    with pytest.raises(NotSent, match="kill switch"):
        bench.venue.place(entry(), lambda: said.append("left"))
    assert said == []


def test_a_kill_while_an_entry_is_announced_holds_it_back(bench: Bench) -> None:
    """On a transport that cannot hold the gate while it writes."""
    bench.both("private/buy", placed())
    with pytest.raises(NotSent, match="kill switch"):
        bench.venue.place(entry(), lambda: bench.venue.lock_entries("kill switch"))
    assert bench.sent() == []


@pytest.mark.parametrize("failure", [UNKNOWN, Throttled("10028"), Rejected(10009, "funds")])
def test_an_order_is_sent_once(bench: Bench, failure: Exception) -> None:
    """Neither an unknown outcome nor a refusal makes a second order, on either transport."""
    bench.both("private/buy", failure)
    bench.both("private/edit", failure)
    bench.both("private/close_position", failure)
    for send in (
        lambda: bench.venue.place(entry()),
        lambda: bench.venue.edit("1", BTC, label=SL, contracts=1, valid_until_ms=9),
        lambda: bench.venue.close_position(BTC.name),
    ):
        with pytest.raises(type(failure)):
            send()
    assert sorted(method for method, _ in bench.sent()) == [
        "private/buy",
        "private/close_position",
        "private/edit",
    ]


def test_what_protects_does_not_wait_for_a_stream_that_is_suspect(bench: Bench) -> None:
    """It may take bytes and be dead. A lost reply of whatever kind makes it so; entries wait for
    it all the same, and when HTTP is no better it is tried again."""
    bench.stream.answer("private/get_positions", UNKNOWN)
    bench.http.answer("private/get_positions", [])
    bench.venue.positions()
    bench.both("private/sell", UNKNOWN)
    bench.both("private/buy", UNKNOWN)
    for order in (stop(), stop(), entry()):
        with pytest.raises(OutcomeUnknown):
            bench.venue.place(order)
    assert bench.http.methods() == ["private/get_positions", "private/sell"]
    assert bench.stream.methods() == ["private/get_positions", "private/sell", "private/buy"]


def test_beside_an_http_that_cannot_be_reached_the_stream_is_not_suspect(bench: Bench) -> None:
    """Each order spent its time on reaching HTTP first, and none was left for the stream."""
    bench.stream.answer("private/get_positions", UNKNOWN)
    bench.http.answer("private/get_positions", [])
    bench.venue.positions()
    bench.http.answer("private/sell", NotSent("no HTTP connection"))
    bench.stream.answer("private/sell", placed())
    for _ in range(3):
        bench.venue.place(stop())
    assert bench.http.methods().count("private/sell") == 1
    assert bench.stream.methods().count("private/sell") == 3


def test_an_order_goes_over_http_only_when_nothing_left_over_the_stream(bench: Bench) -> None:
    """A stream that is down proves that nothing was sent."""
    bench.stream.answer("private/buy", NotSent("down"))
    bench.http.answer("private/buy", placed())
    assert bench.venue.place(entry()).order.contracts == 10
    assert bench.http.methods() == ["private/buy"]


def test_an_unreadable_reply_to_an_order_is_unknown(bench: Bench) -> None:
    """The order may exist; only a look-up can tell."""
    bench.stream.answer("private/buy", {"order": {}})
    with pytest.raises(OutcomeUnknown):
        bench.venue.place(entry())


def test_the_budget_keeps_room_for_protection(bench: Bench) -> None:
    """Entries stop at the reserved share; stops still go."""
    bench.both("private/buy", placed())
    bench.both("private/sell", placed())
    for _ in range(12):
        bench.venue.place(entry())
    with pytest.raises(NotSent):
        bench.venue.place(entry())
    bench.venue.place(stop())
    assert bench.venue.budget_left() == 5


def test_being_throttled_empties_the_budget(bench: Bench) -> None:
    """After 10028 our own count is not believed any more."""
    bench.stream.answer("private/buy", Throttled("10028"))
    with pytest.raises(OutcomeUnknown):
        bench.venue.place(entry())
    assert bench.venue.budget_left() == 0


def test_an_edit_sets_absolute_values(bench: Bench) -> None:
    """Total amount, new prices, a bound; flags are said, except where the venue refuses them."""
    bench.stream.answer("private/edit", placed())
    prices = {"trigger_price": Decimal(95500), "price": Decimal(1)}
    flags = {"post_only": False, "reduce_only": True}
    bench.venue.edit("SLMS-1", BTC, label=SL, contracts=12, valid_until_ms=7, **prices)
    bench.venue.edit("SLMS-1", BTC, label=SL, contracts=13, valid_until_ms=8)
    bench.venue.edit("ETH-OTO-1", BTC, label=SL, contracts=13, valid_until_ms=9)
    assert [params for _, params in bench.stream.calls] == [
        {
            "order_id": "SLMS-1",
            "amount": Decimal(120),
            "valid_until": 7,
            "price": Decimal(1),
            "trigger_price": Decimal(95500),
            **flags,
        },
        {"order_id": "SLMS-1", "amount": Decimal(130), "valid_until": 8, **flags},
        {"order_id": "ETH-OTO-1", "amount": Decimal(130), "valid_until": 9},
    ]


def test_an_edit_of_an_entry_stops_at_the_lock(bench: Bench) -> None:
    """After a kill nothing may make an entry larger; protecting goes on."""
    bench.both("private/edit", placed())
    bench.venue.lock_entries("kill switch")
    with pytest.raises(NotSent, match="kill switch"):
        bench.venue.edit("1", BTC, label="bw.t1.entry.1", contracts=20, valid_until_ms=9)
    bench.venue.edit("SLMS-1", BTC, label=SL, contracts=13, valid_until_ms=9)
    assert [params["order_id"] for _, params in bench.sent()] == ["SLMS-1"]


def test_what_is_not_ours_by_its_label_is_not_edited(bench: Bench) -> None:
    """A mistake in the code, found before a byte leaves."""
    with pytest.raises(ValueError, match="no label of ours"):
        bench.venue.edit("1", BTC, label="by hand", contracts=1, valid_until_ms=9)
    assert bench.sent() == []


def test_reads_and_cancels_fall_back_and_are_repeated(bench: Bench) -> None:
    """Stream, HTTP, a pause, and both again."""
    bench.stream.answer("private/cancel", deque([UNKNOWN, NotSent("down")]))
    bench.http.answer("private/cancel", deque([UNKNOWN, wires.order(order_state="cancelled")]))
    assert bench.venue.cancel("4008699030").order_id == "4008699030"
    assert len(bench.sent()) == 4
    assert bench.clock.slept == [0.25]
    assert bench.venue.budget_left() == 15  # four were taken, a quarter second gave one back


def test_repeats_are_bounded(bench: Bench) -> None:
    """A venue that never answers makes the read fail, and never look empty."""
    bench.both("private/get_positions", UNKNOWN)
    with pytest.raises(OutcomeUnknown):
        bench.venue.positions()
    assert len(bench.sent()) == 4


def test_a_refusal_is_not_repeated_unless_it_says_busy(bench: Bench) -> None:
    """Gone is an answer; a full queue is worth another try."""
    bench.stream.answer("private/cancel", Rejected(11044, "not_open_order"))
    with pytest.raises(Rejected):
        bench.venue.cancel("1")
    bench.stream.answer("private/cancel", deque([Rejected(10047, "queue"), wires.order()]))
    bench.venue.cancel("1")
    assert bench.stream.methods() == ["private/cancel"] * 3
    assert bench.http.calls == []


def test_a_throttled_read_does_not_hit_the_other_transport(bench: Bench) -> None:
    """The limit is the account's, not the connection's."""
    bench.stream.answer("private/get_positions", deque([Throttled("10028"), []]))
    assert bench.venue.positions() == ()
    assert bench.http.calls == []


def test_look_ups_after_an_unknown_outcome_start_over_http(bench: Bench) -> None:
    """A stream that swallowed an order is not asked first about it, for a while."""
    bench.stream.answer("private/buy", UNKNOWN)
    bench.both("private/get_order_state_by_label", [])
    with pytest.raises(OutcomeUnknown):
        bench.venue.place(entry())
    bench.venue.orders_by_label("bw.abc.entry.1", "BTC")
    assert bench.http.methods() == ["private/get_order_state_by_label"]
    bench.clock.seconds += 6
    bench.venue.orders_by_label("bw.abc.entry.1", "BTC")
    assert bench.stream.methods() == ["private/buy", "private/get_order_state_by_label"]


def silent(bench: Bench, *methods: str) -> None:
    """Nobody answers: each call takes as long as it is given."""

    def wait(rpc: ScriptedRpc) -> Callable[[Any], Exception]:
        def answer(_: Any) -> Exception:
            bench.clock.seconds += rpc.timeouts[-1]
            return OutcomeUnknown("no reply")

        return answer

    for method in methods:
        bench.stream.answer(method, wait(bench.stream))
        bench.http.answer(method, wait(bench.http))


def test_a_venue_in_a_hurry_is_waited_for_no_longer(bench: Bench) -> None:
    """All calls together; each read is tried often enough for two lost replies."""
    silent(bench, "private/get_positions")
    hurried, began = bench.venue.within(1.5), bench.clock.monotonic()
    with pytest.raises(OutcomeUnknown):
        hurried.positions()
    assert bench.clock.monotonic() - began <= 1.5
    assert len(bench.sent()) == 3
    bench.clock.seconds = began + 1.5
    with pytest.raises(NotSent, match="no time left"):
        hurried.positions()
    assert len(bench.sent()) == 3
    with pytest.raises(OutcomeUnknown):
        bench.venue.positions()
    assert len(bench.sent()) == 7


def test_an_order_in_a_hurry_has_all_the_time_there_is(bench: Bench) -> None:
    """It is sent once; what it makes of the stream is known to the venue it came from."""
    silent(bench, "private/sell")
    bench.both("private/get_positions", [])
    with pytest.raises(OutcomeUnknown):
        bench.venue.within(1.2).place(stop())
    assert bench.stream.timeouts == [pytest.approx(1.2)]
    assert bench.venue.positions() == ()
    assert bench.http.methods() == ["private/get_positions"]


@pytest.mark.parametrize(
    ("method", "send"),
    [
        ("private/cancel_all", lambda venue: venue.cancel_all()),
        (
            "private/cancel_all_by_instrument",
            lambda venue: venue.cancel_all_by_instrument("BTC-PERPETUAL"),
        ),
        ("private/cancel_by_label", lambda venue: venue.cancel_by_label("bw.a.sl.1", "BTC")),
    ],
)
def test_mass_cancels_count(bench: Bench, method: str, send: Callable[[DeribitVenue], int]) -> None:
    """They say how many; anything but a number is unknown; they cost no order budget."""
    bench.stream.answer(method, 3)
    assert send(bench.venue) == 3
    assert bench.venue.budget_left() == 18
    bench.stream.answer(method, "ok")
    with pytest.raises(OutcomeUnknown):
        send(bench.venue)


def test_a_linked_entry_is_one_request(bench: Bench) -> None:
    """Stop and target hang on it, each with its label, side and reduce-only; they have no time."""
    bench.stream.answer("private/buy", placed())
    bench.venue.place(replace(entry(), children=(stop(), target())))
    ((method, params),) = bench.stream.calls
    assert method == "private/buy"
    assert params["linked_order_type"] == "one_triggers_one_cancels_other"
    assert params["trigger_fill_condition"] == "incremental"
    first, second = params["otoco_config"]
    assert (first["label"], first["direction"], first["reduce_only"]) == (
        stop().label,
        "sell",
        True,
    )
    assert (first["type"], first["trigger"]) == ("stop_market", "mark_price")
    assert (second["type"], second["price"]) == ("limit", Decimal(104_000))
    assert not {"instrument_name", "valid_until"} & {*first, *second}
    assert codec.decode(codec.encode(1, method, params))["params"]["otoco_config"][0] == {
        **first,
        "amount": 100,
        "trigger_price": 95_000,
    }


def test_what_hangs_on_an_entry_can_only_reduce(bench: Bench) -> None:
    """A child that could add risk is never sent, nor a child of a child."""
    for child in (replace(stop(), reduce_only=False), replace(stop(), children=(target(),))):
        with pytest.raises(ValueError, match="may not hang"):
            bench.venue.place(replace(entry(), children=(child,)))
    assert bench.sent() == []


def target() -> OrderRequest:
    return replace(
        stop(), label="bw.t1.tp.1", order_type=OrderType.LIMIT, price=Decimal(104_000), trigger=None
    )
