"""An exchange under a plan, in process: the market, the people, the venue's own state."""

from decimal import Decimal
from typing import Any

import pytest

from adapters.paper import jsontext
from adapters.paper.errors import VenueError
from adapters.paper.faults.fates import Answer, Fate
from adapters.paper.faults.reading import parse_plan
from adapters.paper.faults.weather import Weather
from tests.adapters.paper.harness import INVERSE, NOON, Bench

FAR = 50_000


class Storm:
    """A bench in bad weather; `run` moves it on, second by second."""

    def __init__(self, *faults: str, seed: int = 7) -> None:
        self.bench = Bench(seed=seed)
        text = "".join(f"[[fault]]\n{each}\n" for each in faults)
        self.weather = Weather(self.bench.exchange, parse_plan(text), seed=seed, now_ms=NOON)
        self.hang_ups = 0
        self.run(0)

    def run(self, seconds: int = 1) -> None:
        for _ in range(max(1, seconds)):
            self.bench.now_ms += 1000 if seconds else 0
            moved = self.weather.advance(self.bench.now_ms, {})
            self.hang_ups += moved.hangs_up

    def price(self, index: str = "btc_usd") -> Decimal:
        return self.bench.exchange.prices()[index]


def protected(storm: Storm) -> Any:
    """A long position of 1000 USD with a stop and a target; the stop."""
    storm.bench.buy(1000)
    mark = storm.bench.exchange.overview()[0].mark
    target = (mark * Decimal("1.01")).quantize(Decimal(1))
    storm.bench.sell(1000, price=target, reduce_only=True)
    return storm.bench.stop(1000, FAR)


def test_a_person_closes_the_position() -> None:
    """At market; stop and target stay behind, as they would on the venue."""
    storm = Storm('kind = "human_closes"\nat = 3')
    stop = protected(storm)
    storm.run(2)
    assert storm.bench.position()["size"] == 1000
    storm.run(1)
    assert storm.bench.position()["size"] == 0
    assert storm.bench.state(stop["order_id"])["order_state"] == "untriggered"


def test_a_person_cancels_the_stop_and_leaves_the_rest() -> None:
    """Only what waits for its trigger."""
    storm = Storm('kind = "human_cancels_stop"\nat = 1')
    stop = protected(storm)
    storm.run(1)
    assert storm.bench.state(stop["order_id"])["order_state"] == "cancelled"
    assert [x["order_type"] for x in storm.bench.open()] == ["limit"]


def test_a_person_cancels_the_target_and_leaves_the_rest() -> None:
    """Only reduce-only limits."""
    storm = Storm('kind = "human_cancels_target"\nat = 1')
    protected(storm)
    storm.bench.buy(10, price=90_000)
    storm.run(1)
    left = {(x["order_type"], x["reduce_only"]) for x in storm.bench.open()}
    assert left == {("stop_market", True), ("limit", False)}


@pytest.mark.parametrize(("percent", "moved"), [(10, 45_000), (-10, 55_000)])
def test_a_person_moves_the_stop(percent: int, moved: int) -> None:
    """Away from the market, or nearer."""
    storm = Storm(f'kind = "human_moves_stop"\nat = 1\npercent = {percent}')
    stop = protected(storm)
    storm.run(1)
    assert storm.bench.state(stop["order_id"])["trigger_price"] == moved


def test_a_person_opens_a_position() -> None:
    """Of a size in USD, where told."""
    storm = Storm('kind = "human_opens"\nat = 1\nside = "sell"\nusd = 505')
    storm.run(1)
    assert storm.bench.position()["size"] == -500
    linear = Storm('kind = "human_opens"\nat = 1\nusd = 100\ninstruments = "BTC_USDC*"')
    linear.run(1)
    assert linear.bench.position("BTC_USDC-PERPETUAL")["size"] == Decimal("0.0010")
    assert linear.bench.position()["size"] == 0


def test_a_person_places_an_order_that_rests() -> None:
    """Without a label, away from the market."""
    storm = Storm('kind = "human_orders"\nat = 1\nusd = 100\npercent = 2')
    storm.run(1)
    (order,) = storm.bench.open()
    assert (order["order_state"], order["label"], order["amount"]) == ("open", "", 100)
    assert order["price"] < storm.price() * Decimal("0.985")


def test_a_person_who_is_refused_has_tried_in_vain() -> None:
    """An exchange does not end over it."""
    storm = Storm('kind = "human_opens"\nat = 1\nusd = 900000000')
    storm.run(2)
    assert storm.bench.position()["size"] == 0


def test_a_gap_moves_the_index_and_the_mark_follows() -> None:
    """For good; other coins stay."""
    storm = Storm('kind = "price_gap"\npercent = -10\nat = 1\nindexes = "btc*"')
    before, ether = storm.price(), storm.price("eth_usd")
    storm.run(1)
    assert storm.price() == before * Decimal("0.9")
    assert storm.price("eth_usd") == ether
    assert storm.bench.exchange.overview()[0].mark < before * Decimal("0.91")


def test_a_storm_fires_triggers_on_both_sides() -> None:
    """Within a period."""
    storm = Storm('kind = "trigger_storm"\npercent = 3\nperiod = 4\nat = 1\nlasts = 8')
    mark = storm.bench.exchange.overview()[0].mark.quantize(Decimal(1))
    storm.bench.stop(10, mark * Decimal("0.98"), reduce_only=False)
    storm.bench.buy(
        10, type="stop_market", trigger="mark_price", trigger_price=mark * Decimal("1.02")
    )
    storm.run(9)
    assert storm.bench.open() == []


def test_a_thin_book_fills_in_part_and_is_deep_again_afterwards() -> None:
    """A hundredth of the usual size."""
    storm = Storm('kind = "thin_book"\nsize_percent = 1\nat = 1\nlasts = 3')

    def deep() -> Decimal:
        book = storm.bench.call("public/get_order_book", instrument_name=INVERSE, depth=20)
        return sum((amount for _, amount in book["asks"]), Decimal(0))

    usual = deep()
    storm.run(2)
    assert deep() < usual / 20
    storm.run(3)
    assert deep() > usual / 2


def test_books_are_halted_and_opened_again() -> None:
    """10012 meanwhile."""
    storm = Storm('kind = "book_state"\nstate = "halted"\nat = 1\nlasts = 3')
    storm.run(1)
    assert storm.bench.refused("buy", instrument_name=INVERSE, amount=10).code == 10012
    storm.run(3)
    assert storm.bench.buy(10)["order"]["order_state"] == "filled"


def test_an_exchange_that_ended_in_a_halt_begins_open() -> None:
    """A fault does not outlive its process."""
    storm = Storm('kind = "book_state"\nstate = "halted"')
    storm.bench.restart()
    with pytest.raises(VenueError):
        storm.bench.buy(10)
    Weather(storm.bench.exchange, parse_plan(""), seed=7, now_ms=NOON)
    assert storm.bench.buy(10)["order"]["order_state"] == "filled"


def test_maintenance_is_told_before_the_lines_break() -> None:
    """On ``platform_state``, and in the status; and again when it is over."""
    storm = Storm('kind = "maintenance"\nat = 1\nlasts = 3')
    storm.bench.subscribe("platform_state")
    storm.run(1)
    assert storm.hang_ups == 1
    assert storm.bench.call("public/status")["locked"] == "true"
    storm.run(3)
    told = [x.data for x in storm.bench.exchange.drain() if "maintenance" in x.data]
    assert told == [{"maintenance": True}, {"maintenance": False}]
    assert storm.hang_ups == 1
    assert storm.bench.call("public/status")["locked"] == "false"


def test_revoked_tokens_need_a_new_log_in() -> None:
    """Refresh tokens die with them."""
    storm = Storm('kind = "tokens_revoked"\nat = 1')
    storm.run(1)
    assert storm.bench.refused("get_positions").code == 13009
    storm.bench.session = storm.bench.logged_in()
    assert storm.bench.call("get_positions") == []


def test_a_wrong_clock_dates_everything_wrong() -> None:
    """Ahead for a while; set back, it stands still until it is caught up."""
    storm = Storm('kind = "clock_skew"\nby = "2s"\nafter = 1\nuntil = 3')

    def told() -> int:
        storm.run(1)
        index = storm.bench.call("public/get_order_book", instrument_name=INVERSE)["timestamp"]
        return int(index) - storm.bench.now_ms

    assert [told() for _ in range(6)] == [2000, 2000, 1000, 0, 0, 0]


@pytest.mark.parametrize("is_run", [True, False])
def test_a_code_that_leaves_things_open_comes_with_or_without_the_deed(is_run: bool) -> None:
    """Both are the venue's."""
    storm = Storm()
    fate = Fate(is_run=is_run, answer=Answer.ERROR, code=10040)
    with pytest.raises(VenueError) as caught:
        storm.weather.carry_out(fate, lambda: storm.bench.buy(10))
    assert (caught.value.code, caught.value.message) == (10040, "retry")
    assert storm.bench.position()["size"] == (10 if is_run else 0)


def test_a_refusal_of_the_venue_is_told_unless_a_fault_speaks() -> None:
    """A reply that is lost loses its refusal too; a code covers it."""
    storm = Storm()
    with pytest.raises(VenueError) as caught:
        storm.weather.carry_out(Fate(), lambda: storm.bench.buy(1))
    assert caught.value.code == -32602
    with pytest.raises(VenueError) as caught:
        storm.weather.carry_out(Fate(answer=Answer.ERROR, code=13009), lambda: storm.bench.buy(1))
    assert caught.value.code == 13009


NASTY = (
    'kind = "reply_lost"\nprobability = 0.3',
    'kind = "flash_crash"\npercent = -8\nevery = 20\nlasts = 10',
    'kind = "human_cancels_stop"\nrate_per_hour = 300',
    'kind = "human_opens"\nrate_per_hour = 300\nusd = 100',
    'kind = "error"\ncode = 10028\napplied = "random"\nprobability = 0.2',
)


def _bytes(seed: int) -> bytes:
    """Everything a minute of trading in that weather brings forth."""
    storm, out = Storm(*NASTY, seed=seed), list[Any]()
    storm.bench.subscribe("user.changes.any.any.raw", "ticker.BTC-PERPETUAL.100ms")
    for number in range(60):
        storm.run(1)
        fate = storm.weather.fate("private/buy", {"label": f"n{number}"}, "c1", storm.bench.now_ms)
        try:
            out.append(storm.weather.carry_out(fate, lambda: storm.bench.buy(10)))
        except VenueError as error:
            out.append(str(error))
        out += [fate.answer.value, *(x.data for x in storm.bench.exchange.drain())]
    return jsontext.encode([out, storm.bench.exchange.snapshot()])


def test_the_same_seed_plan_and_requests_give_the_same_bytes() -> None:
    """And another seed gives others."""
    assert _bytes(3) == _bytes(3)
    assert _bytes(3) != _bytes(4)
