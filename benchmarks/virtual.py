"""The whole daemon on virtual time over the simulated venue, with a latency that never varies.

Nothing but the venue's latency takes time here, so durations are whole round trips: what is
counted is how many times the daemon waits for the venue, not how fast the machine is.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import structlog

from actors.messages.risk import DayBegan
from actors.messages.trading import OpenTrade, Ready, TradeAccepted
from adapters.deribit.channels import account_channels, market_channels
from adapters.paper.market import BookShape
from simulation.daemon import DEFAULT_LIMITS, Disk, VirtualDaemon, default_plan
from simulation.runtime import VirtualWorld
from simulation.venue import VirtualMarket

ONE_WAY = 0.005
ROUND_TRIP = 2 * ONE_WAY
INSTRUMENTS = ("BTC-PERPETUAL", "ETH-PERPETUAL", "BTC_USDC-PERPETUAL", "ETH_USDC-PERPETUAL")
PRICES = {"BTC": Decimal(100_000), "ETH": Decimal(3_200)}
_RICH = {"BTC": Decimal(1_000), "ETH": Decimal(10_000), "USDC": Decimal(10**8)}


class SteadyMarket(VirtualMarket):
    """A market at a fixed distance."""

    def latency(self) -> float:
        return ONE_WAY


@dataclass(frozen=True, slots=True)
class Sent:
    """One request, and the virtual second at which it left."""

    when: float
    method: str
    params: Mapping[str, Any]


class Stage:
    """A daemon that is ready to trade; ``sent`` are its requests so far."""

    def __init__(
        self,
        trades_per_instrument: int = 1,
        *,
        bracket: str = "sequential",
        shape: BookShape | None = None,
    ) -> None:
        self.world = VirtualWorld()
        self.market = SteadyMarket(self.world, balances=_RICH, one_way_seconds=ONE_WAY, shape=shape)
        self.market.tick_every(0.5)
        self.market.faults = self._note
        self.sent: list[Sent] = []
        plan = default_plan(
            instruments=INSTRUMENTS,
            bracket=bracket,
            channels=(*account_channels(), *(x for n in INSTRUMENTS for x in market_channels(n))),
            limits=replace(
                DEFAULT_LIMITS,
                max_open_trades=trades_per_instrument * len(INSTRUMENTS),
                max_trades_per_instrument=trades_per_instrument,
                max_notional_usd=Decimal(10**9),
            ),
        )
        self.daemon = VirtualDaemon(self.world, self.market, Disk(), plan=plan)
        self.daemon.wait_for(Ready)
        self.daemon.wait_for(DayBegan)

    def _note(self, method: str, params: Mapping[str, Any]) -> None:
        self.sent.append(Sent(self.world.monotonic(), method, dict(params)))

    def open(self, instrument: str, *, target_pct: str = "5") -> str:
        """Buys with a stop 5 % below and a target above; returns the trade's id."""
        base = instrument.split("-", maxsplit=1)[0].split("_", maxsplit=1)[0]
        price = PRICES[base]
        answer = self.daemon.ask(
            "execution",
            OpenTrade(
                at=self.world.now(),
                instrument=instrument,
                side="buy",
                quantity=Decimal(1_000),
                unit="usd",
                stop_loss=price * Decimal("0.95"),
                take_profit=price * (1 + Decimal(target_pct) / 100),
            ),
        )
        if not isinstance(answer, TradeAccepted):
            raise TypeError(f"the daemon refuses to trade: {answer}")
        return answer.trade_id


@contextmanager
def stage(
    trades_per_instrument: int = 1,
    *,
    bracket: str = "sequential",
    shape: BookShape | None = None,
) -> Generator[Stage]:
    """A stage without log lines, torn down at the end."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    made = Stage(trades_per_instrument, bracket=bracket, shape=shape)
    try:
        yield made
    finally:
        made.world.close()
        structlog.reset_defaults()
