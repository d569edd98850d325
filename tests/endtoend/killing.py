"""A bot that is killed with ``kill -9`` again and again while it trades, and the judge of it."""

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapters.clock import SystemClock
from adapters.storage.chain import read, verify
from tests.endtoend.bulwark import Bot, Exchange, at_exchange, wait_for
from tests.endtoend.observer import Books, Observer, disagreement
from tests.endtoend.scripts import script
from tests.endtoend.weather import Weather

MOMENTS = (
    "session_opened",
    "ready",
    "signal_raised",
    "intent_recorded",
    "entry_sent",
    "entry_filled",
    "stop_placed",
    "trade_opened",
    "target_placed",
    "trade_closed",
)
"""Log events after which the bot is killed, besides moments during its start."""

SPEED = 5
ENDS = frozenset({"trade_closed", "trade_abandoned"})
LONGEST_START = 0.9
AGREE_SECONDS = 10.0
DEADLINE_MS = 3_000
"""The default of PROTECTION_DEADLINE_SECONDS."""

TIGHT = tuple(
    {
        "instrument_name": name,
        "direction": side,
        "quantity": quantity,
        "stop_loss": stop,
        "take_profit": target,
        "label": "drill",
    }
    for name, side, quantity, stop, target in (
        ("BTC-PERPETUAL", "buy", "0.05", "-0.08%", "+0.12%"),
        ("ETH-PERPETUAL", "sell", "1.5", "+0.08%", "-0.12%"),
    )
)
"""Trades that end within seconds."""


def settings(folder: Path) -> Mapping[str, object]:
    """Two instruments, a trade at once after every start, and breakouts from then on."""
    return {
        "STRATEGIES": f"breakout,{script(folder, *TIGHT)}",
        "PAPER_SPEED": SPEED,
        "MAX_OPEN_TRADES": 2,
        "MAX_NOTIONAL_USD": 1_000_000,
        "RISK_PER_TRADE_PCT": "0.00001",
        "ORPHAN_SWEEP_SECONDS": 1,
        "POSITION_POLL_SECONDS": 1,
    }


@dataclass(slots=True)
class Tally:
    """What the kills amounted to; times in seconds."""

    kills: Counter[str] = field(default_factory=Counter[str])
    to_ready: list[float] = field(default_factory=list[float])
    down: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """When nobody looked after the trades: from a kill to the next ready, epoch milliseconds."""


class Drill:
    """Kills and restarts one bot in ``folder`` and judges it from the venue's side.

    Between the judgements the venue has the ``weather`` given; while it is looked at, it is kind.
    """

    def __init__(
        self, folder: Path, exchange: Exchange, seed: int, weather: Weather | None = None
    ) -> None:
        self._folder = folder
        self._weather = weather or Weather(exchange.port)
        self._settings = at_exchange(exchange, **settings(folder))
        self._chance = random.Random(seed)  # noqa: S311 - moments, repeatable as far as time is
        self._clock = SystemClock()
        self.observer = Observer(exchange.port)
        self.registry = folder / "data" / "paper" / "registry.json"
        self.tally = Tally()

    def run(self, kills: int) -> None:
        """Kills so many times; after each, the file parses; after each ready, all agrees."""
        moments = self._moments(kills)
        killed_at: float | None = None
        for moment in moments:
            self._weather.breaks()
            with Bot(self._folder, self._settings) as bot:
                if moment == "start":
                    self._clock.sleep(self._chance.uniform(0, LONGEST_START))
                else:
                    bot.wait_for("ready", self._weather.ready_seconds)
                    killed_at = self._was_ready(killed_at)
                    with self._weather.calm():
                        self.check()
                        if len(self.tally.to_ready) % 10 == 0:
                            assert self.observer.entered_twice() == {}
                    self._await(bot, moment)
                self._clock.sleep(self._chance.choice((0, 0.0005, 0.002, 0.006, 0.03)))
                bot.kill()
            if killed_at is None:
                killed_at = self._clock.now().timestamp()
            self.tally.kills[moment] += 1
            if self.registry.exists():
                Books.read(self.registry)
        self._wind_up(killed_at)

    def _moments(self, kills: int) -> Iterator[str]:
        """Every kind of moment as often as the others, in random order; a fifth while starting."""
        pool: list[str] = []
        for number in range(kills):
            if number % 5 == 2:
                yield "start"
                continue
            if not pool:
                pool = list(MOMENTS)
                self._chance.shuffle(pool)
            yield pool.pop()

    def _await(self, bot: Bot, moment: str) -> None:
        """Until this bot has logged it for the ``n``-th time, or it has had time enough."""
        nth = self._chance.choice((1, 1, 2))
        try:
            wait_for(lambda: len(bot.all(moment)) >= nth, moment, 4.0)
        except AssertionError:
            assert bot.is_running, bot.printed()

    def _was_ready(self, killed_at: float | None) -> None:
        if killed_at is not None:
            now = self._clock.now().timestamp()
            self.tally.to_ready.append(now - killed_at)
            self.tally.down.append((int(killed_at * 1000), int(now * 1000)))

    def check(self) -> None:
        """I1, I2, I3 and I5, judged by the second client as soon as the account stands still."""
        found = [""]

        def agrees() -> bool:
            found[0] = disagreement(self.observer, self.registry)
            return not found[0]

        try:
            wait_for(agrees, "book and venue agree, every position under its stop", AGREE_SECONDS)
        except AssertionError as error:
            raise AssertionError(f"{error}; the last finding: {found[0]}") from None

    def _wind_up(self, killed_at: float | None) -> None:
        """A bot that opens nothing sees every trade to its end, and stops in order."""
        self._weather.ends()
        with Bot(self._folder, {**self._settings, "STRATEGIES": "none"}) as bot:
            bot.ready()
            self._was_ready(killed_at)
            self.check()
            # A crash that ends at once may leave a trade far from its stop and its target.
            self._weather.closes_what_is_left()
            wait_for(lambda: not Books.read(self.registry).trades, "every trade ends", 90.0)
            wait_for(lambda: not self.observer.open_orders(), "no order outlives its trade", 10.0)
            assert self.observer.positions() == {}
            assert bot.stop() == 0

    # -- the whole story -----------------------------------------------------------------------

    def journal(self) -> list[Mapping[str, Any]]:
        """Everything the bots wrote down; its chain must be whole."""
        folder = self._folder / "data" / "paper" / "journal"
        result = verify(folder)
        assert result.ok, result
        return list(read(folder))

    def unended(self) -> dict[str, int]:
        """Intents that ended never or more than once, by trade id with the number of ends."""
        ends = Counter(
            {x["trade_id"]: 0 for x in self.journal() if x["event"] == "intent_recorded"}
        )
        for entry in self.journal():
            if entry["event"] in ENDS:
                ends[entry["trade_id"]] += 1
        return {trade_id: count for trade_id, count in ends.items() if count != 1}

    def unintended(self) -> set[str]:
        """Trades the venue has fills of, and the journal no intent for."""
        intents = {x["trade_id"] for x in self.journal() if x["event"] == "intent_recorded"}
        return {x["label"].split(".")[1] for x in our_fills(self.observer)} - intents

    def exposures(self) -> dict[str, int]:
        """Milliseconds each trade stood without its stop while a bot was there to place it."""
        return {
            trade_id: end - start
            for trade_id, (start, end) in unprotected_spans(self.observer).items()
            if not any(start <= back and gone <= end for gone, back in self.tally.down)
        }


def our_fills(observer: Observer) -> list[dict[str, Any]]:
    """Fills of our orders; what a person closes by hand has no label."""
    return [x for x in observer.fills() if x.get("label", "").startswith("bw.")]


def unprotected_spans(observer: Observer) -> dict[str, tuple[int, int]]:
    """Per trade: its first entry fill, and its stop's acceptance (or its end, if sooner)."""
    fills: dict[str, list[dict[str, Any]]] = {}
    for fill in our_fills(observer):
        fills.setdefault(fill["label"].split(".")[1], []).append(fill)
    stops = stops_placed(observer)
    spans: dict[str, tuple[int, int]] = {}
    for trade_id, mine in fills.items():
        opened = min(x["timestamp"] for x in mine if ".entry." in x["label"])
        ended = max(x["timestamp"] for x in mine)
        spans[trade_id] = (opened, min(stops.get(trade_id, ended), ended))
    return spans


def stops_placed(observer: Observer) -> dict[str, int]:
    """When the venue took each trade's first stop, by its trigger history."""
    taken: dict[str, int] = {}
    for currency in ("BTC", "ETH"):
        rows = observer.call("private/get_trigger_order_history", currency=currency, count=1000)
        for row in rows["entries"]:
            trade_id = row["label"].split(".")[1]
            if row["order_state"] == "new":
                at = row["timestamp"]
                taken[trade_id] = min(at, taken.get(trade_id, at))
    return taken
