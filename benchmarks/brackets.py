"""How long positions lack their stop at the venue: one after another against one linked order.

Virtual time over the paper exchange: only the venue's latency takes time, so a figure is a number
of round trips. Looked at from the venue's own side at every change: from a fill to the stop that
covers it, whatever the daemon believes. Market entries, and limit entries that fill in parts.
"""

import statistics
from collections.abc import Callable, Iterable
from decimal import Decimal

from actors.messages.trading import CloseTrade, OpenTrade, TradeAccepted, TradeClosed
from adapters.paper.market import BookShape
from benchmarks.measuring import Effort
from benchmarks.rows import Row
from benchmarks.virtual import ROUND_TRIP, Stage, stage
from domain.orders import STOP_TYPES, OrderState

BRACKETS = 40
_BTC = "BTC-PERPETUAL"
_THIN = BookShape(premium_bps=0, size_pct=2, levels=4)


class Gaps:
    """The seconds a position was without enough stop, one figure for each fill or gap."""

    def __init__(self, made: Stage) -> None:
        self._made = made
        self._since: float | None = None
        self._held = 0
        self.seconds: list[float] = []
        made.market.onlookers.append(self._look)

    def _look(self) -> None:
        engine = self._made.market.exchange._engine  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - the venue's own side
        held = abs(engine.account.contracts(_BTC))
        orders = engine.ledger.live.values()
        cover = sum(
            x.remaining
            for x in orders
            if x.state is OrderState.UNTRIGGERED
            and x.order_type in STOP_TYPES
            and not x.is_secondary_oto
        )
        now = self._made.world.monotonic()
        if held > cover and self._since is None:
            self._since = now
        elif held <= cover and (self._since is not None or held > self._held):
            self.seconds.append(0.0 if self._since is None else now - self._since)
            self._since = None
        self._held = held


def run(effort: Effort) -> list[Row]:
    """Both ways, for entries at market and in parts."""
    count = effort.calls(BRACKETS)
    ways: tuple[tuple[str, Callable[[Stage], None], BookShape | None], ...] = (
        ("market entry", _at_market, None),
        ("limit entry, filled in parts", _in_parts, _THIN),
    )
    rows: list[Row] = []
    for what, play, shape in ways:
        trips = {x: _measured(x, play, shape, count) for x in ("sequential", "otoco")}
        rows += [_row(f"unprotected, {what}, {x}", seen) for x, seen in trips.items()]
    return rows


def _measured(
    bracket: str, play: Callable[[Stage], None], shape: BookShape | None, count: int
) -> list[float]:
    """Every gap in round trips."""
    with stage(bracket=bracket, shape=shape) as made:
        gaps = Gaps(made)
        for _ in range(count):
            play(made)
        return sorted(x / ROUND_TRIP for x in gaps.seconds)


def _at_market(made: Stage) -> None:
    _ended(made, _opened(made, "market", None))


def _in_parts(made: Stage) -> None:
    trade_id = _opened(made, "limit", Decimal(99_990))
    for _ in range(4):
        made.world.run_for(1)
        made.market.move(btc_usd=99_985)
        made.market.move(btc_usd=100_000)
    made.world.run_for(1)
    _ended(made, trade_id)


def _opened(made: Stage, entry_type: str, price: Decimal | None) -> str:
    answer = made.daemon.ask(
        "execution",
        OpenTrade(
            at=made.world.now(),
            instrument=_BTC,
            side="buy",
            quantity=Decimal(300_000),
            unit="usd",
            entry_type=entry_type,
            price=price,
            stop_loss=Decimal(98_000),
            take_profit=Decimal(102_000),
        ),
    )
    if not isinstance(answer, TradeAccepted):
        raise TypeError(f"the daemon refuses to trade: {answer}")
    made.world.run_for(1)
    return answer.trade_id


def _ended(made: Stage, trade_id: str) -> None:
    closed = len(made.daemon.events(TradeClosed))
    made.daemon.ask("execution", CloseTrade(at=made.world.now(), trade_id=trade_id))
    made.daemon.wait_for(TradeClosed, closed + 1)
    made.world.run_for(3)


def _row(what: str, trips: list[float]) -> Row:
    worst, middle = max(trips), statistics.median(trips)
    return Row(
        what=what,
        ours=worst,
        unit="trips",
        target="<= 1" if "sequential" in what else "0",
        met=worst <= (1.0 + 1e-6 if "sequential" in what else 0.0),
        note=f"median {middle:.2f}, p95 {_percentile(trips, 0.95):.2f}, worst {worst:.2f}; "
        f"{len(trips)} fills",
    )


def _percentile(ordered: Iterable[float], share: float) -> float:
    values = list(ordered)
    return values[min(len(values) - 1, int(share * len(values)))]
