"""Strategist: hosts the strategies, sizes their signals, and asks Execution for the trade.

It is one of the doors: it may ask Execution, always with a timeout, and takes no for an answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import ClassVar

from actors.kernel import Actor, Address, AskFailed, Context, HandlerTable
from actors.messages.book import IntentRecorded
from actors.messages.signals import RegimeChanged, ScriptDue, SignalRaised
from actors.messages.trading import (
    CatalogueRead,
    OpenTrade,
    Ready,
    RepeatCatalogue,
    TradeAbandoned,
    TradeAccepted,
    TradeClosed,
)
from actors.messages.venue import TickerReport
from actors.messages.watch import PortfolioObserved
from actors.ports import Clock
from domain.bars import Bar, BarBuilder
from domain.instruments import Instrument
from domain.orders import ZERO, Side, Ticker
from domain.regimes import RegimeWatch
from domain.sizing import Coins, Contracts, Quantity, Usd, contracts_for, contracts_for_risk
from domain.strategies import (
    Breakout,
    BreakoutSettings,
    ScriptLine,
    Signal,
    Strategy,
    resolve_price,
)

OPEN_SECONDS = 5.0
COMMAND_LIFE = timedelta(seconds=5)
MOST_SILENCE_MS = 5_000
"""The venue tells prices every second or so. After a longer silence the close of the bar that
ends with it is no price of now, however long a bar is."""
MAX_LEVERAGE = Decimal(2)
"""A signal's size never exceeds this many times the equity, however near its stop."""


Number = Decimal | float | str


class TradeDoor:
    """The entry point strategies call, in the shape its users know."""

    def __init__(self, execution: Address, clock: Clock) -> None:
        self._execution = execution
        self._clock = clock

    def execute_generic_trade(  # noqa: PLR0917 (the shape its users know)
        self,
        instrument_name: str,
        direction: str,
        quantity: Quantity | Number,
        entry_type: str = "market",
        price: Number | None = None,
        stop_loss: Number | None = None,
        take_profit: Number | None = None,
        label: str = "",
        *,
        break_even_at: Number | None = None,
        trail: Number | None = None,
    ) -> tuple[bool, str]:
        """Opens a bracketed trade: ``(True, trade id)``, or ``(False, "")`` when refused.

        ``quantity`` is in base coin unless its type says otherwise (`Usd`, `Contracts`). A
        trade without ``stop_loss`` is refused. ``break_even_at`` is the price at which the stop is
        moved to where nothing is lost, ``trail`` the distance at which it follows. Why a trade was
        refused is in the log: ``entry_denied``. What is no number or no text is refused, too: a
        mistake of the caller's must not become a failure of Execution's.
        """
        number, unit = _in_unit(quantity)
        now = self._clock.now()
        command = OpenTrade(
            at=now,
            expires_at=now + COMMAND_LIFE,
            instrument=str(instrument_name),
            side=str(direction),
            quantity=number,
            unit=unit,
            entry_type=str(entry_type),
            price=_price(price),
            stop_loss=_price(stop_loss),
            take_profit=_price(take_profit),
            break_even_at=_price(break_even_at),
            trail=_price(trail),
            note=str(label),
        )
        try:
            answer = self._execution.ask(command, timeout=OPEN_SECONDS)
        except AskFailed:
            return False, ""
        return (True, answer.trade_id) if isinstance(answer, TradeAccepted) else (False, "")


def _in_unit(quantity: Quantity | Number) -> tuple[Decimal, str]:
    match quantity:
        case Contracts(number):
            return _decimal(number), "contracts"
        case Usd(value):
            return _decimal(value), "usd"
        case Coins(value):
            return _decimal(value), "coin"
        case _:
            return _decimal(quantity), "coin"


def _price(value: Number | None) -> Decimal | None:
    return None if value is None else _decimal(value)


def _decimal(value: Number) -> Decimal:
    """The number as it reads (0.1 is a tenth); NaN, which is refused, for what is none."""
    try:
        number = Decimal(str(value))
    except ArithmeticError:
        return Decimal("NaN")
    # A signalling NaN would raise in the first comparison.
    return number if number.is_finite() else Decimal("NaN")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizing:
    """How signals are sized: a fraction of the equity at risk, within a notional limit (USD)."""

    risk_per_trade_pct: Decimal
    max_notional_usd: Decimal


class Strategist(Actor):
    """Hosts one strategy per instrument, or plays a script, or trades nothing."""

    handlers: ClassVar[HandlerTable] = {}

    def __init__(
        self,
        context: Context,
        *,
        instruments: Sequence[str],
        currencies: frozenset[str],
        breakout: BreakoutSettings | None,
        script: Sequence[ScriptLine],
        sizing: Sizing,
    ) -> None:
        super().__init__(context)
        self._currencies = currencies
        self._door = TradeDoor(self.to("execution"), self.clock)
        self._sizing = sizing
        self._script = sorted(script, key=lambda line: line.after)
        self._ready_at: float | None = None
        self._catalogue: dict[str, Instrument] = {}
        self._tickers: dict[str, Ticker] = {}
        self._equity_usd = ZERO
        self._busy: dict[str, str] = {}
        self._strategies: dict[str, Strategy] = {}
        self._bars: dict[str, BarBuilder] = {}
        self._regimes: dict[str, RegimeWatch] = {}
        if breakout is not None:
            self._strategies = {name: Breakout(breakout) for name in instruments}
            self._bars = {name: BarBuilder(breakout.bar_ms) for name in instruments}
            self._regimes = {name: RegimeWatch(breakout.regime_bars) for name in instruments}

    def recover(self) -> None:
        # A successor missed `Ready`; breakouts only ever act on new bars, and Risk still gates.
        if self.context.incarnation > 1:
            self._ready_at = self.clock.monotonic()
            self._script = []
            if self._strategies:
                self.to("execution").tell(RepeatCatalogue(at=self.clock.now()))

    # -- the world --------------------------------------------------------------------------

    def on_ready(self, _: Ready) -> None:
        if self._ready_at is None:
            self._ready_at = self.clock.monotonic()
            self._arm_script()

    def on_catalogue_read(self, message: CatalogueRead) -> None:
        self._catalogue = {x.name: x for x in message.instruments}

    def on_portfolio_observed(self, message: PortfolioObserved) -> None:
        # As Risk counts it, in what is traded: a trade's part and the day's limit are of one sum.
        index = {x.instrument_name: x.index_price for x in self._tickers.values()}
        total = ZERO
        for account in message.accounts:
            if account.currency not in self._currencies:
                continue
            price = index.get(f"{account.currency}-PERPETUAL")
            is_stable = account.currency in {"USDC", "USDT"}
            total += account.equity * (Decimal(1) if is_stable else price or ZERO)
        self._equity_usd = total

    def on_intent_recorded(self, message: IntentRecorded) -> None:
        self._busy[message.trade_id] = message.instrument

    def on_trade_ended(self, message: TradeClosed | TradeAbandoned) -> None:
        self._busy.pop(message.trade_id, None)

    # -- signals ----------------------------------------------------------------------------

    def on_ticker_report(self, message: TickerReport) -> None:
        ticker = message.ticker
        name = ticker.instrument_name
        before = self._tickers.get(name, ticker)
        self._tickers[name] = ticker
        builder = self._bars.get(name)
        bar = builder.add(ticker.timestamp_ms, ticker.mark_price) if builder else None
        if bar is None:
            return
        self._watch_regime(name, bar)
        signal = self._strategies[name].on_bar(bar)
        if signal is None or self._ready_at is None or name in self._busy.values():
            return
        # The first tick after a gap ends the bar before it: stop and size would be of that price.
        silence_ms = ticker.timestamp_ms - before.timestamp_ms
        if silence_ms > MOST_SILENCE_MS:
            self.log.info("signal_passed_over", instrument=name, silence_ms=silence_ms)
            return
        self._act(name, self._strategies[name].name, signal)

    def _watch_regime(self, name: str, bar: Bar) -> None:
        """Told, not traded on: what the market does now, in the strategy's own bars."""
        watch = self._regimes[name]
        regime = watch.add(bar.close)
        if regime is not None:
            self.emit(
                RegimeChanged,
                strategy=self._strategies[name].name,
                instrument=name,
                regime=regime.value,
                efficiency=round(watch.efficiency or ZERO, 3),
            )

    def _act(self, name: str, strategy: str, signal: Signal) -> None:
        instrument = self._catalogue.get(name)
        if instrument is None or self._equity_usd <= 0:
            return
        is_buy = signal.side is Side.BUY
        stop = instrument.floor_price(signal.stop) if is_buy else instrument.ceil_price(signal.stop)
        target = (
            instrument.floor_price(signal.target)
            if is_buy
            else instrument.ceil_price(signal.target)
        )
        contracts = self._contracts(instrument, signal.entry, stop)
        self.emit(
            SignalRaised,
            strategy=strategy,
            instrument=name,
            side=signal.side.value,
            quantity=Decimal(contracts),
            unit="contracts",
            stop_loss=stop,
            take_profit=target,
            why=signal.why,
        )
        self._door.execute_generic_trade(
            name,
            signal.side.value,
            Contracts(contracts),
            stop_loss=stop,
            take_profit=target,
            label=strategy,
        )

    def _contracts(self, instrument: Instrument, entry: Decimal, stop: Decimal) -> int:
        risk_usd = self._equity_usd * self._sizing.risk_per_trade_pct
        by_risk = contracts_for_risk(instrument, risk_usd, entry, stop)
        limit = min(self._sizing.max_notional_usd, self._equity_usd * MAX_LEVERAGE)
        return min(by_risk, contracts_for(instrument, Usd(limit), entry))

    # -- the script -------------------------------------------------------------------------

    def _arm_script(self) -> None:
        if self._script and self._ready_at is not None:
            due_at = self._ready_at + self._script[0].after
            self.after(max(0.0, due_at - self.clock.monotonic()), ScriptDue)

    def on_script_due(self, _: ScriptDue) -> None:
        line = self._script[0]
        ticker = self._tickers.get(line.instrument_name)
        if ticker is None and line.instrument_name in self._catalogue:
            self.after(0.2, ScriptDue)
            return
        self._script = self._script[1:]
        self._play(line, ticker.mark_price if ticker else ZERO)
        self._arm_script()

    def _play(self, line: ScriptLine, mark: Decimal) -> None:
        instrument = self._catalogue.get(line.instrument_name)

        def price(text: str | None, *, since: Decimal | None = None) -> Decimal | None:
            if text is None:
                return None
            try:
                value = resolve_price(text, mark, since)
            except ArithmeticError:
                return Decimal("NaN")
            # An offset lands between ticks and is put on one; a price is left as it was given.
            is_offset = text.strip().endswith("%") and instrument is not None
            return instrument.floor_price(value) if is_offset and instrument else value

        stop, target = price(line.stop_loss), price(line.take_profit)
        number, unit = _in_unit(line.quantity)
        self.emit(
            SignalRaised,
            strategy="script",
            instrument=line.instrument_name,
            side=line.direction,
            quantity=number,
            unit=unit,
            stop_loss=stop,
            take_profit=target,
            why=f"{line.after:g} s after ready",
        )
        self._door.execute_generic_trade(
            line.instrument_name,
            line.direction,
            line.quantity,
            entry_type=line.entry_type,
            price=price(line.price),
            stop_loss=stop,
            take_profit=target,
            label=line.label or "script",
            break_even_at=price(line.break_even_at),
            trail=price(line.trail, since=ZERO),
        )


Strategist.handlers = {
    Ready: Strategist.on_ready,
    CatalogueRead: Strategist.on_catalogue_read,
    PortfolioObserved: Strategist.on_portfolio_observed,
    IntentRecorded: Strategist.on_intent_recorded,
    TradeClosed: Strategist.on_trade_ended,
    TradeAbandoned: Strategist.on_trade_ended,
    TickerReport: Strategist.on_ticker_report,
    ScriptDue: Strategist.on_script_due,
}
