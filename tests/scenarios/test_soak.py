"""Minutes of everything at once: moving prices, lost requests, refusals, broken lines, crashes.

Whatever happened, when the world is kind again every trade is closed or under its stop, the book
equals the venue, nothing of ours is left over, no entry was made twice, every alert was heard,
and the journal's PnL is the account's.
"""

import random
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from actors.messages.risk import Denied
from actors.messages.trading import Ready
from simulation.venue import Fate, Refusal
from tests.scenarios.conftest import Stage
from tests.scenarios.scene import BTC, ETH, LINEAR, PLACE, Scene

pytestmark = pytest.mark.no_cover
"""Measuring lines triples the time of long runs, and the lines are measured elsewhere."""

WRITES = frozenset({*PLACE, "private/edit", "private/cancel"})
REFUSALS = (10009, 10028, 10040, 10041, 10047, 11030, 11035, 11036, 11050, 13009, 13888)
RATES = (0.005, 0.03, 0.08)
"""Probabilities of each kind of fault, one in fair weather, one in a storm."""
CURRENCIES = {BTC: "BTC", ETH: "ETH", LINEAR: "USDC"}


class Weather:
    """Bad luck for requests, by chance. ``rate`` is the probability of each kind."""

    def __init__(self, dice: random.Random, rate: float) -> None:
        self._dice = dice
        self._rate = rate

    def __call__(self, method: str, params: Mapping[str, Any]) -> Fate | Refusal | None:
        del params
        draw = self._dice.random()
        for fate in Fate:
            draw -= self._rate
            if draw < 0:
                return fate
        if method in WRITES and draw < self._rate:
            return Refusal(self._dice.choice(REFUSALS))
        return None


class Life:
    """What a restless operator, a nervous market and a bad machine do to the daemon."""

    def __init__(self, scene: Scene, seed: int) -> None:
        self.scene = scene
        self.dice = random.Random(seed)  # noqa: S311 (a seed that fails must fail again)
        self.price = 100_000.0
        self.refused = 0
        scene.market.faults = Weather(self.dice, RATES[seed % len(RATES)])

    def live(self, seconds: float) -> None:
        """One beat a second, each with its mishaps."""
        end = self.scene.world.monotonic() + seconds
        while self.scene.world.monotonic() < end:
            self._market()
            for chance, act in self._acts():
                if self.dice.random() < chance:
                    act()
            self.scene.run(self.dice.uniform(0.3, 1.7))

    def _acts(self) -> tuple[tuple[float, Any], ...]:
        return (
            (0.40, self.wish),
            (0.08, self.close_one),
            (0.02, self.scene.market.hang_up),
            (0.01, self.partition),
            (0.02, self.deafness),
            (0.012, self.crash),
            (0.01, self.crash_at_once),
            (0.01, self.full_disk),
            (0.01, self.silence),
            (0.02, self.meddle),
            (0.004, self.kill_and_resume),
        )

    def _market(self) -> None:
        shock = self.dice.random() < 0.01
        self.price *= 1 + self.dice.gauss(0, 0.006 if shock else 0.0004)
        self.price += (100_000 - self.price) * 0.002
        self.scene.market.move(
            btc_usd=round(Decimal(self.price), 2), eth_usd=round(Decimal(self.price / 31), 2)
        )

    def wish(self) -> None:
        name = self.dice.choice(list(CURRENCIES))
        side = self.dice.choice(["buy", "sell"])
        sign = 1 if side == "buy" else -1
        mark = self.price / 31 if name == ETH else self.price
        answer = self.scene.open(
            name,
            side,
            "1.5" if name == ETH else "0.05",
            str(round(mark * (1 - sign * self.dice.uniform(0.001, 0.01)))),
            str(round(mark * (1 + sign * self.dice.uniform(0.001, 0.01)))),
            **self._entry(round(mark * (1 - sign * 0.0005))),
        )
        self.refused += isinstance(answer, Denied)

    def _entry(self, price: int) -> dict[str, Any]:
        is_limit = self.dice.random() < 0.3
        return {"entry_type": "limit", "price": Decimal(price)} if is_limit else {}

    def close_one(self) -> None:
        if self.scene.booked:
            self.scene.close_trade(self.dice.choice(sorted(self.scene.booked)))

    def later(self, seconds: float, act: Any) -> None:
        self.scene.world.at(self.scene.world.monotonic() + seconds, act)

    def partition(self) -> None:
        market = self.scene.market
        market.is_partitioned = True

        def heal() -> None:
            market.is_partitioned = False

        self.later(self.dice.uniform(1, 20), heal)
        self.later(self.dice.uniform(0, 5), market.hang_up)

    def deafness(self) -> None:
        market = self.scene.market
        market.lost_notifications = True

        def hear() -> None:
            market.lost_notifications = False

        self.later(self.dice.uniform(0.01, 5), hear)

    def crash(self) -> None:
        self.scene.run(self.dice.uniform(0, 0.1))
        self.scene.crash()
        self.scene.run(self.dice.uniform(0, 10))
        self.scene.boot()
        self.scene.run(0.5)

    def crash_at_once(self) -> None:
        """In the middle of whatever a wish and a close set going."""
        self.wish()
        self.close_one()
        last = self.scene.world.steps + self.dice.randrange(120)
        self.scene.world.run_until(lambda: self.scene.world.steps >= last, 0.2)
        self.scene.crash()
        self.scene.run(self.dice.uniform(0, 4))
        self.scene.boot()

    def full_disk(self) -> None:
        self.scene.disk.is_full = True

        def free() -> None:
            self.scene.disk.is_full = False

        self.later(self.dice.uniform(0.1, 5), free)

    def silence(self) -> None:
        self.scene.phone.is_off = True

        def back() -> None:
            self.scene.phone.is_off = False

        self.later(self.dice.uniform(1, 60), back)

    def meddle(self) -> None:
        """A person cancels one of our orders."""
        ours = self.scene.live()
        if ours:
            order = self.dice.choice(sorted(ours, key=lambda x: x.order_id))
            self.scene.market.ask("private/cancel", order_id=order.order_id)

    def kill_and_resume(self) -> None:
        self.scene.kill()
        for _ in range(10):
            self.scene.run(self.dice.uniform(1, 5))
            if self.scene.resume():
                return


def survives(scene: Scene, seed: int, seconds: float) -> None:
    before = {currency: scene.wealth(currency) for currency in CURRENCIES.values()}
    scene.ready()
    life = Life(scene, seed)
    life.live(seconds)
    scene.kind()
    scene.market.lost_notifications = False
    scene.run(60)
    if scene.daemon.finished.is_set:
        scene.boot()
        scene.run(20)
    assert scene.events(Ready)
    scene.settled()
    for trade_id in list(scene.booked):
        scene.close_trade(trade_id)
    scene.run(70)
    scene.settled()
    assert scene.booked == []
    assert scene.positions() == {}
    assert scene.disk.tables.get("outbox", {}) == {}
    account = {currency: scene.wealth(currency) - was for currency, was in before.items()}
    journal = dict.fromkeys(before, Decimal(0))
    for entry in scene.disk.lines:
        if entry["event"] == "trade_closed":
            journal[entry["currency"]] += Decimal(entry["net_coin"])
    for currency, change in account.items():
        assert abs(change - journal[currency]) <= Decimal("1e-9"), (currency, change, journal)


@pytest.mark.parametrize("seed", range(4))
def test_a_few_minutes_of_everything_end_well(stage: Stage, seed: int) -> None:
    """The short form: some seeds, three virtual minutes each."""
    survives(stage(seed), seed, 180)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 140))
def test_ten_minutes_of_everything_end_well(stage: Stage, seed: int) -> None:
    """The long form: forty seeds, ten virtual minutes each."""
    survives(stage(seed), seed, 600)
