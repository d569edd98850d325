"""Rounds of flattening against a venue that only remembers what it was asked."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from actors.flattening import NEWS_SECONDS, ORDER_SECONDS, ROUND_SECONDS, Flattening
from actors.ports import OutcomeUnknown, Venue
from domain.labels import MAX_ATTEMPT, Role, parse
from domain.orders import Order, OrderRequest, OrderState, Position
from simulation.runtime import VirtualWorld
from tests.domain.builders import position, report, stop_order
from tests.domain.catalogue import BTC, ETH


@dataclass
class Account:
    """Positions that stay; the part of `Venue` that a round without orders needs."""

    held: Sequence[Position] = ()
    placed: list[OrderRequest] = field(default_factory=list[OrderRequest])

    def within(self, seconds: float) -> "Account":
        return self

    def positions(self) -> tuple[Position, ...]:
        return tuple(self.held)

    def open_orders(self) -> tuple[Order, ...]:
        return ()

    def server_now_ms(self) -> int:
        return 0

    def place(self, request: OrderRequest) -> None:
        self.placed.append(request)


@dataclass
class Mute(Account):
    """Answers no order: each takes what one may, and stays as it was."""

    world: VirtualWorld = field(default_factory=VirtualWorld)
    orders: Sequence[Order] = ()
    began: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])

    def open_orders(self) -> tuple[Order, ...]:
        return tuple(self.orders)

    def cancel(self, order_id: str) -> None:
        self._lose(order_id)

    def place(self, request: OrderRequest) -> None:
        self._lose(request.instrument.name)

    def _lose(self, what: str) -> None:
        self.began.append((what, self.world.monotonic()))
        self.world.run_for(ORDER_SECONDS)
        raise OutcomeUnknown("no reply")

    @property
    def asked(self) -> list[str]:
        return [what for what, _ in self.began]


def targets(number: int) -> list[Order]:
    """Orders that are to go before their position, or nearly so."""
    return [
        report(Role.TARGET, OrderState.OPEN, order_id=f"t{index}", label=f"bw.t{index}.tp.1")
        for index in range(number)
    ]


def test_cancels_that_are_not_answered_hold_no_close_up() -> None:
    """One is waited for; the others come after the closes, as long as the round lasts."""
    account = Mute((position(10), position(-5, ETH.name)), orders=targets(30))
    rounds = flattening(account, account.world)
    rounds.round({x.name: x for x in (BTC, ETH)})
    assert account.asked[:4] == ["t0", BTC.name, ETH.name, "t1"]
    assert account.world.monotonic() < ROUND_SECONDS + ORDER_SECONDS


def test_what_had_no_turn_in_a_round_is_first_in_the_next() -> None:
    """Orders and positions both: nobody waits for what does not answer."""
    account = Mute((position(10), position(-5, ETH.name)), orders=targets(20))
    rounds = flattening(account, account.world)
    for _ in range(20):
        rounds.round({x.name: x for x in (BTC, ETH)})
    times = Counter(account.asked)
    assert {times[x] for x in (BTC.name, ETH.name)} == {20}
    assert {times[x.order_id] for x in account.orders} == {2}


def test_what_could_add_risk_goes_first() -> None:
    """An entry that rests between targets."""
    orders = [*targets(3), report(Role.ENTRY, OrderState.OPEN, order_id="e")]
    account = Mute((position(10),), orders=orders)
    flattening(account, account.world).round({BTC.name: BTC})
    assert account.asked[0] == "e"


def test_no_stop_goes_before_the_position_is_seen_flat() -> None:
    """However long the others take; then they go last."""
    account = Mute((position(10),), orders=[stop_order(order_id="s"), *targets(2)])
    rounds = flattening(account, account.world)
    for _ in range(4):
        rounds.round({BTC.name: BTC})
    assert "s" not in account.asked
    account.held = ()
    account.began.clear()
    rounds.round({BTC.name: BTC})
    assert account.asked[0] != "s"
    assert "s" in account.asked


def flattening(account: Account, world: VirtualWorld) -> Flattening:
    venue: Venue = account  # type: ignore[assignment]
    return Flattening(venue, "x", world, structlog.get_logger())


def test_every_position_is_closed_with_a_label_of_its_own() -> None:
    """Reduce-only, at market, each round another attempt."""
    account, world = Account((position(10), position(-5, ETH.name))), VirtualWorld()
    rounds = flattening(account, world)
    catalogue = {x.name: x for x in (BTC, ETH)}
    outcome = rounds.round(catalogue)
    assert not outcome.is_flat
    rounds.round(catalogue)
    labels = [request.label for request in account.placed]
    assert labels == [f"bw.flat-x.close.{number}" for number in range(1, 5)]
    assert [request.side.value for request in account.placed[:2]] == ["sell", "buy"]
    assert all(request.reduce_only for request in account.placed)


def test_labels_are_ours_however_long_it_takes() -> None:
    """The grammar ends at 9999; an order beyond would be nobody's, and stay after the kill."""
    account, world = Account((position(10),)), VirtualWorld()
    rounds = flattening(account, world)
    for _ in range(MAX_ATTEMPT + 2):
        rounds.round({BTC.name: BTC})
    assert [str(parse(x.label)) for x in account.placed] == [x.label for x in account.placed]
    assert len(account.placed) == MAX_ATTEMPT + 2


def test_a_position_without_contract_data_is_named() -> None:
    """Delisted: nothing can be sent, so a person must look."""
    rounds = flattening(Account((position(10),)), VirtualWorld())
    outcome = rounds.round({})
    assert "not a perpetual we know" in outcome.reason
    assert outcome.positions == ("BTC-PERPETUAL +10",)


def test_news_come_after_some_seconds_and_then_ever_more_rarely() -> None:
    """The first rounds say nothing; a kill that takes long is told at 10, 20 and 40 seconds."""
    world = VirtualWorld()
    rounds = flattening(Account((position(10),)), world)
    told = []
    for _ in range(int(4 * NEWS_SECONDS)):
        world.run_for(1.0)
        told.append(rounds.round({}).is_news)
    assert told.count(True) == 3


def test_flat_is_not_believed_while_an_entry_may_arrive() -> None:
    """An empty account says nothing about what is on the wire."""
    rounds = flattening(Account(), VirtualWorld())
    assert not rounds.round({}, coming=["a"]).is_flat
    assert rounds.round({}).is_flat
