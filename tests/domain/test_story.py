"""The whole story of an instrument: what foreign hands did to our trades."""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from domain.attribution import OpenTrade, attribute
from domain.labels import Role
from domain.orders import Fill, Side
from domain.reports import apply_fills, apply_history, retold
from domain.story import Share, is_untold, shared_out_again
from domain.trade import NETTED_BY, Trade, TradeFill
from tests.domain.builders import (
    START,
    TRADE_ID,
    a_trade,
    booked,
    entry,
    label_of,
    line,
    record,
    told,
)
from tests.domain.catalogue import BTC
from tests.domain.strategies import rule


def shares_of(fills: list[Fill], trade: Trade, position: int, **more: bool) -> tuple[Share, ...]:
    return shared_out_again(fills, [trade], position, **more).shares


def amounts(shares: tuple[Share, ...]) -> list[tuple[str, int]]:
    return [(share.trade_id, share.fill.contracts) for share in shares]


ENTRY = label_of(Role.ENTRY)


def test_a_foreign_sale_after_our_entry_closes_the_trade() -> None:
    """Long ten by us, ten sold by hand: the position is flat, and the trade is told why."""
    fills = [told(1, Side.BUY, 10, ENTRY), told(2, Side.SELL, 10)]
    shares = shares_of(fills, a_trade(), position=0)
    assert amounts(shares) == [(TRADE_ID, 10)]
    assert shares[0].is_foreign


def test_what_was_there_before_is_taken_back_first() -> None:
    """Five foreign contracts were there already: selling five by hand is not ours."""
    fills = [told(1, Side.BUY, 10, ENTRY), told(2, Side.SELL, 5)]
    assert shares_of(fills, a_trade(), position=10) == ()


def test_a_fill_larger_than_both_is_split_and_its_fee_with_it() -> None:
    """What the venue booked for the part is not known: four of it opened something."""
    fills = [told(1, Side.BUY, 10, ENTRY), told(2, Side.SELL, 14)]
    (share,) = shares_of(fills, a_trade(), position=0)
    assert share.fill.contracts == 10
    assert share.fill.fee == Decimal(10)
    assert share.fill.profit_loss is None


def test_the_exit_of_a_closed_trade_is_not_taken_for_somebody_elses() -> None:
    """The window begins in the middle of a trade that is over: its end is its own."""
    fills = [
        told(1, Side.SELL, 7, label_of(Role.STOP, trade_id="old")),
        told(2, Side.BUY, 10, ENTRY),
    ]
    assert shares_of(fills, a_trade(), position=10) == ()


def test_closing_orders_of_a_kill_belong_to_the_trades() -> None:
    """The kill closes by labels of its own; the trade learns that it is flat."""
    label = label_of(Role.CLOSE, trade_id="flat-x")
    fills = [told(1, Side.BUY, 10, ENTRY), told(2, Side.SELL, 10, label)]
    assert amounts(shares_of(fills, a_trade(), position=0)) == [(TRADE_ID, 10)]


def test_a_guard_that_fires_closes_what_it_guards() -> None:
    """Never a trade beside it, as long as there is something foreign to close."""
    label = label_of(Role.STOP, trade_id="ext-x")
    fills = [
        told(1, Side.BUY, 10, ENTRY),
        told(2, Side.BUY, 5),
        told(3, Side.SELL, 5, label),
    ]
    assert shares_of(fills, a_trade(), position=10) == ()


AGAINST = [told(1, Side.SELL, 4), told(2, Side.BUY, 7, ENTRY), told(3, Side.BUY, 3, ENTRY)]


def test_what_fills_against_a_persons_position_is_gone_once_the_venue_is_flat() -> None:
    """Four were his: they end where the entry's first fill began. Before, nothing is told."""
    assert shares_of(AGAINST, a_trade(), position=6) == ()
    closed = [*AGAINST, told(4, Side.SELL, 6, label_of(Role.TARGET))]
    (share,) = shares_of(closed, a_trade(), position=0)
    gone = share.fill
    assert (gone.side, gone.contracts, gone.price) == (Side.SELL, 4, AGAINST[1].price)
    assert (gone.order_id, gone.fee, gone.profit_loss) == (NETTED_BY, 0, 0)


def test_what_the_venue_does_not_show_yet_is_not_taken_for_netted() -> None:
    """Long ten by us, and flat: somebody's fill before the story, or our exit that is late."""
    fills = [told(1, Side.BUY, 10, ENTRY)]
    assert shares_of(fills, a_trade(), position=0) == ()
    assert amounts(shares_of(fills, a_trade(), 0, is_whole=True)) == [(TRADE_ID, 10)]


@given(
    st.lists(st.tuples(st.sampled_from(list(Side)), st.integers(1, 9), st.booleans()), max_size=12),
    st.integers(-20, 20),
)
def test_no_contract_is_invented_or_lost(steps: list[tuple[Side, int, bool]], before: int) -> None:
    """The trade never holds less than nothing, and nobody gets more than was filled."""
    trade, bought = a_trade(), 0
    fills: list[Fill] = []
    for number, (side, contracts, is_ours) in enumerate(steps, 1):
        is_entry = is_ours and side is Side.BUY
        bought += contracts if is_entry else 0
        fills.append(told(number, side, contracts, ENTRY if is_entry else ""))
    position = before + sum(x.contracts * x.side.sign for x in fills)
    shares = shares_of(fills, trade, position)
    taken = sum(share.fill.contracts for share in shares)
    assert 0 <= taken <= bought
    by_id = {x.trade_id: x for x in fills}
    for share in shares:
        original = by_id[share.fill.trade_id.removesuffix(f".{NETTED_BY}")]
        assert share.fill.contracts <= original.contracts
    netted = sum(x.fill.contracts for x in shares if x.fill.order_id == NETTED_BY)
    assert not netted or (position <= 0 and taken == bought)


FIRST, SECOND = "t1", "t2"


def entered(number: int, contracts: int, trade_id: str) -> Fill:
    return told(number, Side.BUY, contracts, label_of(Role.ENTRY, trade_id=trade_id))


def left(number: int, contracts: int, trade_id: str) -> Fill:
    return told(number, Side.SELL, contracts, label_of(Role.STOP, trade_id=trade_id))


def test_what_a_hand_closed_of_ours_stays_so_when_the_trade_beside_it_has_ended() -> None:
    """His two were the older trade's when he sold them; its neighbour closed its own ten.
    (Found by the simulation, seed 51000351: booked at the neighbour's price.)"""
    fills = [
        entered(1, 10, FIRST),
        entered(2, 10, SECOND),
        told(3, Side.SELL, 2),
        left(4, 10, SECOND),
    ]
    (share,) = shares_of(fills, a_trade(FIRST), position=8)
    assert (share.fill.trade_id, share.fill.contracts) == ("f3", 2)


def test_what_a_hand_closed_of_both_is_each_ones_part_whoever_hears_of_it_first() -> None:
    """The older one's are the first. (Seed 51000007: both were told the last.)"""
    fills = [
        entered(1, 10, FIRST),
        entered(2, 10, SECOND),
        told(3, Side.SELL, 12),
        told(4, Side.SELL, 8),
    ]
    parts = {x: shares_of(fills, a_trade(x), position=0) for x in (FIRST, SECOND)}
    assert [(x.fill.trade_id, x.fill.contracts) for x in parts[FIRST]] == [("f3", 10)]
    assert [(x.fill.trade_id, x.fill.contracts) for x in parts[SECOND]] == [("f3", 2), ("f4", 8)]


def test_what_a_trade_had_booked_when_it_ended_is_its_own() -> None:
    """It closed its ten before it heard that a person had sold two of them: those were its
    neighbour's then, and none is booked twice. (Seed 53000363.)"""
    fills = [
        entered(1, 10, FIRST),
        entered(2, 10, SECOND),
        told(3, Side.SELL, 2),
        left(4, 10, FIRST),
    ]
    came, went = (
        booked(Role.ENTRY, Side.BUY, 10, 100),
        booked(Role.STOP, Side.SELL, 10, 99, number=4),
    )
    ended = replace(a_trade(FIRST), fills=(came, went), is_finished=True)
    story = shared_out_again(fills, [a_trade(SECOND)], 8, ended=[ended])
    assert [(x.fill.trade_id, x.fill.contracts) for x in story.shares] == [("f3", 2)]
    assert (story.told, story.foreign) == ({"f1", "f2", "f3", "f4"}, {"f1", "f3", "f4"})
    his = booked(None, Side.SELL, 2, 99, number=3)
    knew = replace(ended, fills=(came, his, replace(went, contracts=8)))
    story = shared_out_again(fills, [a_trade(SECOND)], 8, ended=[knew])
    assert [(x.fill.trade_id, x.fill.contracts) for x in story.shares] == [("f4", 2)]


def test_what_a_trade_left_behind_is_taken_back_before_anything_of_ours() -> None:
    """It was given up with ten contracts: nobody's, whoever is older."""
    fills = [entered(1, 10, FIRST), entered(2, 10, SECOND)]
    assert shares_of([*fills, told(3, Side.SELL, 4)], a_trade(FIRST), position=16) == ()
    more = [*fills, told(3, Side.SELL, 13)]
    assert amounts(shares_of(more, a_trade(FIRST), position=7)) == [(FIRST, 3)]


@dataclass
class Live:
    """Trades of one instrument, all long, whose fills are shared out as they come."""

    held: dict[str, int] = field(default_factory=dict[str, int])
    shares: dict[str, list[tuple[str, int]]] = field(
        default_factory=lambda: defaultdict[str, list[tuple[str, int]]](list)
    )
    fills: list[Fill] = field(default_factory=list[Fill])
    booked: dict[str, list[TradeFill]] = field(default_factory=dict[str, list[TradeFill]])
    external: int = 0
    begun: int = 0

    @property
    def ended(self) -> list[Trade]:
        """Those that have ended, with what they have booked."""
        over = {x: y for x, y in self.booked.items() if x not in self.held and y}
        return [replace(a_trade(x), fills=tuple(y), is_finished=True) for x, y in over.items()]

    @property
    def position(self) -> int:
        return sum(x.contracts * x.side.sign for x in self.fills)

    def take(self, what: str, index: int, contracts: int) -> None:
        number, name = len(self.fills) + 1, ""
        if what == "begin":
            self.begun += 1
            name = f"t{self.begun:03d}"
            self.held[name], self.booked[name] = 0, []
        elif what in {"add", "leave"} and self.held:
            name = list(self.held)[index % len(self.held)]
        if what == "leave" and name:
            self._close(left(number, min(contracts, self.held[name]), name), name)
        elif name:
            self.fills.append(entered(number, contracts, name))
            self.held[name] += contracts
            self.booked[name].append(booked(Role.ENTRY, Side.BUY, contracts, 1, number=number))
        elif what == "sell" and self.position:
            self._close(told(number, Side.SELL, min(contracts, self.position)), "")
        elif what == "buy":
            self._close(told(number, Side.BUY, contracts), "")

    def _close(self, fill: Fill, owner: str) -> None:
        trades = [OpenTrade(x, BTC.name, Side.BUY, held) for x, held in self.held.items()]
        self.fills.append(fill)
        for part in attribute(fill, {}, {}, trades, external=self.external):
            if part.trade_id is None:
                self.external += part.contracts * fill.side.sign
                continue
            self.held[part.trade_id] -= part.contracts
            number = len(self.fills)
            took = booked(None, Side.SELL, part.contracts, 1, number=number)
            self.booked[part.trade_id].append(took)
            if part.trade_id != owner:
                self.shares[part.trade_id].append((fill.trade_id, part.contracts))
            if not self.held[part.trade_id]:
                del self.held[part.trade_id]


_events = st.tuples(
    st.sampled_from(["begin", "begin", "add", "leave", "leave", "sell", "sell", "buy"]),
    st.integers(0, 3),
    st.integers(1, 9),
)


@given(st.lists(_events, max_size=14))
def test_the_story_says_what_was_shared_out_live_whoever_has_ended_since(
    events: list[tuple[str, int, int]],
) -> None:
    """Nothing was missed: read from the oldest trade's beginning, it says the same again, and so
    it does when what the others had booked is known, of all or of some."""
    live = Live()
    for event in events:
        live.take(*event)
    if not live.held:
        return
    oldest = label_of(Role.ENTRY, trade_id=next(iter(live.held)))
    since = next(number for number, x in enumerate(live.fills) if x.label == oldest)
    trades = [a_trade(x) for x in live.held]
    for ended in ([], live.ended, live.ended[::2]):
        story = shared_out_again(live.fills[since:], trades, live.position, ended=ended)
        for name in live.held:
            again = [(x.trade_id, x.contracts) for x in story.of(name)]
            assert again == live.shares[name]


def test_what_a_leftover_fills_is_shared_as_a_hands_would_be() -> None:
    """The order of a trade that is over reduces ours: the venue booked it on our position.
    (Found by the simulation, seed 100368: taken for netted, and told live besides.)"""
    left = label_of(Role.TARGET, trade_id="old")
    fills = [told(1, Side.BUY, 10, ENTRY), told(2, Side.SELL, 4, left)]
    assert amounts(shares_of(fills, a_trade(), position=6)) == [(TRADE_ID, 4)]
    assert shares_of(fills, a_trade(), position=10) == ()


def test_an_order_of_ours_is_known_by_its_id_where_the_label_is_missing() -> None:
    """What a fired stop became need not carry the label."""
    ours = record(entry(), line(Role.STOP, order_ids=("o2",)))
    fills = [told(1, Side.BUY, 10, ENTRY), told(2, Side.SELL, 10)]
    story = shared_out_again(fills, [ours], position=0)
    assert (story.shares, story.foreign) == ((), frozenset())


def test_what_the_venue_does_not_show_yet_but_told_is_part_of_the_story() -> None:
    """The history lacks our entry: the sale by hand is the end of it nevertheless."""
    ours = apply_fills(a_trade(), [told(1, Side.BUY, 10, ENTRY)], START)
    assert amounts(shares_of([told(2, Side.SELL, 10)], ours, position=0)) == [(TRADE_ID, 10)]


def test_the_story_makes_a_share_larger_smaller_and_undone() -> None:
    """Shared out live when too little was known; what it does not tell of stays."""
    entered = apply_fills(a_trade(), [told(1, Side.BUY, 10, ENTRY)], START)
    known = [told(2, Side.SELL, 3), told(3, Side.SELL, 2), told(4, Side.SELL, 1)]
    trade = apply_fills(entered, known, START, foreign=True)
    assert trade.position == 4
    news = [told(2, Side.SELL, 5)]
    trade = retold(trade, news, {"f1", "f2", "f3"}, START)
    assert [(x.trade_id, x.contracts) for x in trade.fills] == [("f1", 10), ("f2", 5), ("f4", 1)]
    assert retold(trade, news, {"f1", "f2", "f3"}, START) == trade


def test_a_trade_that_is_bare_by_the_story_is_bare_from_now_on() -> None:
    """The hand that seemed to have closed it closed his own."""
    entered = apply_fills(a_trade(), [told(1, Side.BUY, 10, ENTRY)], START)
    trade = apply_fills(entered, [told(2, Side.SELL, 10)], START, foreign=True)
    assert (trade.position, trade.exposed_since) == (0, None)
    assert retold(trade, (), {"f1", "f2"}, START).exposed_since == START


def test_what_was_netted_is_told_anew_with_the_rest() -> None:
    """A sale that came late was most of what seemed to have been netted away."""
    entered = apply_fills(a_trade(), [told(1, Side.BUY, 10, ENTRY)], START)
    first = shares_of([told(1, Side.BUY, 10, ENTRY)], a_trade(), position=0, is_whole=True)
    trade = retold(entered, [x.fill for x in first], {"f1"}, START)
    assert (trade.position, trade.fills[-1].order_id) == (0, NETTED_BY)
    fills = [told(1, Side.BUY, 10, ENTRY), told(2, Side.SELL, 10)]
    story = shared_out_again(fills, [trade], 0)
    trade = retold(trade, story.of(TRADE_ID), story.told, START)
    assert [(x.trade_id, x.contracts) for x in trade.fills] == [("f1", 10), ("f2", 10)]


def test_a_share_of_what_turns_out_to_be_ours_gives_way_to_the_whole() -> None:
    """Taken for a hand's while its order was unknown, and only in part for this trade."""
    sale = told(2, Side.SELL, 10)
    entered = apply_fills(a_trade(), [told(1, Side.BUY, 10, ENTRY)], START)
    part = replace(sale, contracts=6)
    trade = apply_fills(entered, [part], START, foreign=True)
    ours = replace(sale, label=label_of(Role.STOP))
    assert apply_fills(trade, [ours], START).position == 0
    assert apply_fills(apply_fills(trade, [ours], START), [part], START, foreign=True).position == 0


_ENTRY, _HAND, _LEFT = ENTRY, "", label_of(Role.CLOSE, trade_id="old")
_steps = st.tuples(
    st.sampled_from(
        [(Side.BUY, _ENTRY), (Side.SELL, _HAND), (Side.BUY, _HAND), (Side.SELL, _LEFT)]
    ),
    st.integers(1, 9),
)


@rule
@given(st.lists(_steps, max_size=8), st.integers(-12, 12), st.data())
def test_whatever_was_shared_out_live_the_story_has_the_last_word(
    steps: list[tuple[tuple[Side, str], int]], before: int, data: st.DataObject
) -> None:
    """Wrong shares, missing ones, any order: afterwards trade and rest add up to the position."""
    fills = [told(n, side, size, label) for n, ((side, label), size) in enumerate(steps, 1)]
    ours = [x for x in fills if x.label == ENTRY]
    trade = apply_fills(a_trade(), ours, START)
    clean = trade
    for one in data.draw(st.permutations([x for x in fills if x.label != ENTRY])):
        guess = data.draw(st.integers(0, one.contracts))
        if guess and one.side is Side.SELL:
            trade = apply_fills(trade, [replace(one, contracts=guess)], START, foreign=True)
    position = before + sum(x.contracts * x.side.sign for x in fills)
    story = shared_out_again(fills, [trade], position)
    after = retold(trade, story.of(TRADE_ID), story.told, START)
    assert after.fills == retold(clean, story.of(TRADE_ID), story.told, START).fills
    assert 0 <= after.position <= sum(x.contracts for x in ours)


def test_what_a_hand_did_is_a_guess_until_the_story_is_told() -> None:
    """Fills of our own orders are none, nor are those of a kill."""
    entered = apply_fills(a_trade(), [told(1, Side.BUY, 10, ENTRY)], START)
    killed = told(2, Side.SELL, 4, label_of(Role.CLOSE, trade_id="flat-x"))
    trade = apply_fills(entered, [killed], START, foreign=True)
    assert not trade.rests_on_guesses
    trade = apply_fills(trade, [told(3, Side.SELL, 3)], START, foreign=True)
    assert trade.rests_on_guesses
    assert retold(trade, [told(2, Side.SELL, 4)], {"f1", "f2"}, START).rests_on_guesses
    assert not retold(trade, [told(3, Side.SELL, 3)], {"f1", "f2", "f3"}, START).rests_on_guesses


def test_what_a_hand_did_unheard_makes_the_position_a_guess_until_it_is_told() -> None:
    """He closed ours and opened as much of his own: the history shows it, the position does not.
    (Found by the simulation, seeds 606526, 606572 and 625318.)"""
    entered = apply_fills(a_trade(), [told(5, Side.BUY, 10, ENTRY)], START)
    history = [told(5, Side.BUY, 10, ENTRY), told(6, Side.SELL, 10), told(7, Side.BUY, 10)]
    trade = apply_history(entered, history, START)
    assert (trade.position, trade.rests_on_guesses) == (10, True)
    assert is_untold(history[:1], [trade])
    assert not is_untold(history, [trade])
    story = shared_out_again(history, [trade], position=10)
    assert story.until_seq == 7
    after = retold(trade, story.of(TRADE_ID), story.told, START, until_seq=story.until_seq)
    assert (after.position, after.rests_on_guesses) == (0, False)
    assert apply_history(after, history, START) == after
    assert apply_history(after, [*history, told(8, Side.SELL, 1)], START).rests_on_guesses


def test_what_can_have_closed_nothing_of_ours_is_no_reason_to_doubt() -> None:
    """Before our entry, on our side, by an order of ours, by another trade's entry, or by a guard
    (which opens nothing in place of it)."""
    entered = apply_fills(a_trade(), [told(5, Side.BUY, 10, ENTRY)], START)
    for fill in (
        told(4, Side.SELL, 10),
        told(6, Side.BUY, 10),
        told(6, Side.SELL, 4, label_of(Role.STOP)),
        told(6, Side.SELL, 4, label_of(Role.ENTRY, trade_id="other")),
        told(6, Side.SELL, 4, label_of(Role.STOP, trade_id="ext-btc")),
    ):
        assert not apply_history(entered, [fill], START).rests_on_guesses, fill
    assert not apply_history(a_trade(), [told(6, Side.SELL, 4)], START).rests_on_guesses


def test_what_a_kill_has_closed_is_ours_by_guess_as_far_as_there_was_any() -> None:
    """It closes for everybody; the story says how much of it was whose. Where the venue still
    holds something, all of ours counts as open: a guess must not take a stop's place."""
    entered = apply_fills(a_trade(), [told(5, Side.BUY, 10, ENTRY)], START)
    flat = told(6, Side.SELL, 25, label_of(Role.CLOSE, trade_id="flat-x"))
    fills = [flat, replace(flat, trade_id="f7", trade_seq=7)]
    held = apply_history(entered, fills, START)
    assert (held.position, held.rests_on_guesses) == (10, True)
    trade = apply_history(entered, fills, START, is_flat=True)
    assert (trade.position, trade.rests_on_guesses) == (0, True)
    assert [(x.contracts, x.fee) for x in trade.fills[1:]] == [(10, flat.fee * 10 / 25)]
    assert apply_history(trade, [flat], START, is_flat=True) == trade


def test_a_kill_closed_no_more_than_there_was_when_it_filled() -> None:
    """What the entry filled afterwards is open."""
    entry = [told(5, Side.BUY, 10, ENTRY), told(7, Side.BUY, 20, ENTRY, order_id="o5")]
    flat = told(6, Side.SELL, 30, label_of(Role.CLOSE, trade_id="flat-x"))
    trade = apply_history(a_trade(), [entry[0], flat, entry[1]], START, is_flat=True)
    assert trade.position == 20


def test_an_exit_of_another_trade_may_have_closed_ours() -> None:
    """It closes what there is: after its own contracts those of the next one."""
    entered = apply_fills(a_trade(), [told(5, Side.BUY, 10, ENTRY)], START)
    others = told(6, Side.SELL, 4, label_of(Role.STOP, trade_id="other"))
    assert apply_history(entered, [others], START).rests_on_guesses
