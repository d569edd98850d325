"""Risk: may a position be opened, and is the day lost?

Judges with `domain.risk`; what it knows by itself are prices, account equity, the day's
baseline and the platform's state. What only Execution knows comes with the question.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from typing import ClassVar

from actors.kernel import Actor, AskFailed, Context, HandlerTable
from actors.messages.book import (
    BookSnapshot,
    CurrencyEquity,
    DayBaseline,
    GetBook,
    PauseState,
    RecordDay,
    RecordPause,
)
from actors.messages.lifecycle import ChildRestarted
from actors.messages.risk import (
    Allowed,
    DayBegan,
    DayMeasured,
    Denied,
    GetRisk,
    KillRequested,
    MayOpen,
    MayTrade,
    RiskDue,
    RiskSnapshot,
)
from actors.messages.trading import Resume
from actors.messages.venue import AccountReport, PlatformReport, TickerReport
from actors.messages.watch import PortfolioObserved
from domain import risk
from domain.orders import ZERO, Account, Ticker
from domain.risk import Limits, OpenTradeView, Reason, Situation

ASK_SECONDS = 2.0
RESUME_LIFE = timedelta(seconds=5)
MEASURE_SECONDS = 600.0
LATE_ROUNDS = 10
"""Looks at the day after which one that cannot begin is no matter of a start's first moments."""
STABLE = {"USDC": Decimal(1), "USDT": Decimal(1), "USD": Decimal(1)}


class Risk(Actor):
    """The gate before every entry, and the watch over the day's loss."""

    handlers: ClassVar[HandlerTable] = {}

    def __init__(
        self,
        context: Context,
        *,
        limits: Limits,
        currencies: frozenset[str],
        timezone: tzinfo,
        period: float = 1.0,
    ) -> None:
        super().__init__(context)
        self._limits = limits
        self._currencies = currencies
        self._timezone = timezone
        self._period = period
        self._tickers: dict[str, Ticker] = {}
        self._seen_at: dict[str, datetime] = {}
        self._index: dict[str, Decimal] = dict(STABLE)
        self._equity: dict[str, Decimal] = {}
        self._has_looked = False
        self._day: DayBaseline | None = None
        self._is_day_late = False
        self._late_rounds = 0
        self._pause: PauseState | None = None
        self._venue_is_open = True
        self._kill_requested_for = ""
        self._measure_at = 0.0

    def recover(self) -> None:
        day = self._book().day
        self._day = day if day is not None and self._is_recent(day) else None
        self.every(self._period, RiskDue)

    # -- the gate ------------------------------------------------------------

    def on_may_open(self, message: MayOpen) -> Allowed | Denied:
        try:
            book = self._book()
        except AskFailed:
            return Denied(at=self.clock.now(), reasons=(Reason.NO_INTENT,))
        reasons = risk.refusals(self._situation(message, book))
        if not reasons and not self._count_loss_anew():
            reasons = (Reason.NO_INTENT,)
        if reasons:
            return Denied(at=self.clock.now(), reasons=reasons)
        return Allowed(at=self.clock.now())

    def _count_loss_anew(self) -> bool:
        """What is let in after a kill may lose again, and then kills again; False: not booked."""
        self._kill_requested_for = ""
        day = self._day
        return day is None or not day.has_killed or self._record(replace(day, has_killed=False))

    def on_may_trade(self, _: MayTrade) -> Allowed | Denied:
        """Without the day's equity nothing can be let in: prices or the account are missing."""
        if self._entries_day() is None or self._result() is None:
            return Denied(at=self.clock.now(), reasons=(Reason.NO_BASELINE,))
        return Allowed(at=self.clock.now())

    def _entries_day(self) -> DayBaseline | None:
        """The day entries are judged by: none while the old one is over and the new cannot begin.

        They could lose what yesterday has earned on top of a day's loss. None as well while its
        value, of which the limit is a part, is that of more than what is traded.
        """
        day = self._day
        return None if day is None or self._is_day_late or self._has_others(day) else day

    def _situation(self, message: MayOpen, book: BookSnapshot) -> Situation:
        now = self.clock.now()
        day = self._entries_day()
        name = message.candidate.instrument_name
        seen_at = self._seen_at.get(name)
        ticker = self._tickers.get(name)
        return Situation(
            now=now,
            candidate=message.candidate,
            limits=self._limits,
            is_killed=book.kill is not None,
            is_paused=book.pause is not None,
            is_protect_only=message.is_protect_only,
            is_reconciled=message.is_reconciled,
            has_session=message.has_session,
            day_result_usd=self._result(),
            day_equity_usd=day.usd if day else None,
            trades=tuple(
                OpenTradeView(
                    trade_id=trade.id,
                    instrument_name=trade.plan.instrument_name,
                    side=trade.plan.side,
                    notional_usd=trade.plan.notional_usd,
                )
                for trade in book.trades
            ),
            external=message.external,
            data_age_seconds=(now - seen_at).total_seconds() if seen_at else None,
            venue_is_open=self._venue_is_open and (ticker is None or ticker.state == "open"),
            requests_left=message.requests_left,
        )

    def on_get_risk(self, _: GetRisk) -> RiskSnapshot:
        names = sorted(self._tickers)
        return RiskSnapshot(
            at=self.clock.now(),
            limits=self._limits,
            day=self._day,
            equity=_equities(self._equity),
            equity_usd=risk.equity_usd(self._equity, self._index),
            result_usd=self._result(),
            loss_limit_usd=risk.loss_limit_usd(self._limits, self._day.usd if self._day else None),
            index=tuple(sorted(self._index.items())),
            tickers=tuple(self._tickers[name] for name in names),
            seen_at=tuple(self._seen_at[name] for name in names),
            venue_is_open=self._venue_is_open,
        )

    # -- what it hears ------------------------------------------------------------

    def on_ticker_report(self, message: TickerReport) -> None:
        ticker = message.ticker
        self._tickers[ticker.instrument_name] = ticker
        self._seen_at[ticker.instrument_name] = message.at
        self._index[base_currency(ticker.instrument_name)] = ticker.index_price
        if self._day is None:
            self._begin_day(self._today())

    def on_account_report(self, message: AccountReport) -> None:
        self._learn(message.account)

    def on_portfolio_observed(self, message: PortfolioObserved) -> None:
        """A whole look: a currency that is not in it holds nothing."""
        self._equity = dict.fromkeys(self._currencies, ZERO)
        for account in message.accounts:
            self._learn(account)
        self._has_looked = True
        if self._day is None:
            self._begin_day(self._today())
        else:
            self._adopt_newcomers(self._day)

    def on_platform_report(self, message: PlatformReport) -> None:
        self._venue_is_open = not (message.locked or message.maintenance)

    def _learn(self, account: Account) -> None:
        if account.currency in self._currencies:
            self._equity[account.currency] = account.equity

    # -- the day ------------------------------------------------------------

    def on_risk_due(self, _: RiskDue) -> None:
        """A day that is over judges on until the next can begin: what is open may lose."""
        is_over = self._day is None or self._is_over(self._day)
        if is_over and self._begin_day(self._today()):
            return
        self._is_day_late = is_over
        # After a start the account and the prices come one after another: that is no reason yet.
        self._late_rounds = self._late_rounds + 1 if is_over and self._knows_all else 0
        if self._day is not None and self._has_others(self._day):
            self._leave_out_others(self._day)
        if self._day is not None and (not is_over or self._late_rounds > LATE_ROUNDS):
            self._judge_kill(self._day)
            self._judge_loss(self._day)
            self._measure(self._day)

    def _measure(self, day: DayBaseline) -> None:
        """Every few minutes, for the journal: reports and curves are made of it."""
        now = self.clock.monotonic()
        equity, result = risk.equity_usd(self._equity, self._index), self._result()
        if equity is None or result is None or now < self._measure_at:
            return
        self._measure_at = now + MEASURE_SECONDS
        limit = risk.loss_limit_usd(self._limits, day.usd)
        self.emit(
            DayMeasured,
            day=day.day,
            equity_usd=round(equity, 2),
            result_usd=round(result, 2),
            limit_usd=None if limit is None else round(limit, 2),
        )

    def _today(self, *, plus: timedelta = timedelta()) -> str:
        return (self.clock.now().astimezone(self._timezone).date() + plus).isoformat()

    def _is_over(self, day: DayBaseline) -> bool:
        """A day ends with a later one, not when clock or zone are set back over its midnight.

        One beyond tomorrow was begun by a wrong clock.
        """
        return not self._today() <= day.day <= self._today(plus=timedelta(days=1))

    @property
    def _knows_all(self) -> bool:
        """Whether the account is known: by a look at it, or by news of every currency."""
        return self._has_looked or self._currencies <= self._equity.keys()

    def _is_recent(self, day: DayBaseline) -> bool:
        """What has become less since an older day than yesterday may have been paid out."""
        most = timedelta(days=1)
        return self._today(plus=-most) <= day.day <= self._today(plus=most)

    def _judge_loss(self, day: DayBaseline) -> None:
        result = self._result()
        limit = risk.loss_limit_usd(self._limits, day.usd)
        if result is None or limit is None:
            return
        if day.has_killed or self._kill_requested_for == day.day:
            return
        # Of nothing nothing is lost: no entry is let in, and there is no reason to close anything.
        if limit > 0 and risk.is_loss_reached(result, limit):
            self._kill_requested_for = day.day
            self.emit(
                KillRequested,
                reason=f"the day's loss is {-result:.2f} USD, the limit {limit:.2f} USD",
                result_usd=result,
                limit_usd=limit,
                day=day.day,
            )

    def _judge_kill(self, day: DayBaseline) -> None:
        """A kill for the loss of a day ends with that day, and is made once, over restarts.

        The end is asked for again and again: Execution agrees once it is flat and reconciled.
        """
        try:
            kill = self._book().kill
        except AskFailed:
            return
        if kill is None:
            return
        if kill.until_midnight and kill.day < day.day:
            now = self.clock.now()
            resume = Resume(at=now, by="midnight", expires_at=now + RESUME_LIFE)
            self.to("execution").tell(resume)
            return
        is_for_it = kill.until_midnight and kill.day == day.day
        if not day.has_killed and (is_for_it or self._kill_requested_for == day.day):
            # Or a person's, who had killed, or did, when the loss reached its limit.
            self._record(replace(day, has_killed=True))

    def _adopt_newcomers(self, day: DayBaseline) -> None:
        """A currency that held nothing cannot have earned what it holds now: it was paid in.

        What it owes was not: that is lost.
        """
        held = {entry.currency: entry.equity for entry in day.equity if entry.equity}
        new = {x: y for x, y in self._equity.items() if y > 0 and x not in held}
        value = risk.equity_usd(new, self._index)
        if value is not None:
            equity = _equities(held | new)
            self._record(replace(day, equity=equity, usd=day.usd + value))

    def _has_others(self, day: DayBaseline) -> bool:
        return len(self._baseline(day)) < len(day.equity)

    def _leave_out_others(self, day: DayBaseline) -> None:
        """A currency that is traded no more since a restart is no part of the day, nor its value.

        The prices of the day's beginning are gone, and one of that currency may never come: what
        is left is worth what it is now. Until that is known the loss is judged by the old limit.
        """
        ours = self._baseline(day)
        value = risk.equity_usd(ours, self._index) if ours else ZERO
        if value is not None:
            self._record(replace(day, equity=_equities(ours), usd=value))

    def _begin_day(self, today: str) -> bool:
        """False while a price or the account is missing, or the book takes nothing."""
        equity = {currency: self._equity[currency] for currency in sorted(self._equity)}
        value = risk.equity_usd(equity, self._index)
        if value is None or not self._has_looked:
            return False
        if not self._record(DayBaseline(day=today, equity=_equities(equity), usd=value)):
            return False
        self._is_day_late = False
        self.emit(
            DayBegan,
            day=today,
            equity_usd=round(value, 2),
            equity=tuple(f"{currency}={amount}" for currency, amount in equity.items()),
        )
        return True

    def _record(self, baseline: DayBaseline) -> bool:
        """Makes the day's baseline durable; True when it is, and is used from here on."""
        if not self._keep(baseline):
            return False
        self._day = baseline
        return True

    def _keep(self, baseline: DayBaseline) -> bool:
        try:
            self.to("registry").ask(
                RecordDay(at=self.clock.now(), baseline=baseline), timeout=ASK_SECONDS
            )
        except AskFailed:
            return False
        return True

    def on_child_restarted(self, event: ChildRestarted) -> None:
        """What the disk had not taken has died with the Registry that kept it."""
        if event.name != "registry":
            return
        if self._day is not None:
            self._keep(self._day)
        if self._pause is not None:
            self.to("registry").tell(RecordPause(at=self.clock.now(), by=self._pause.by))

    def _result(self) -> Decimal | None:
        if self._day is None or not self._equity:
            return None
        return risk.day_result_usd(self._equity, self._baseline(self._day), self._index)

    def _baseline(self, day: DayBaseline) -> dict[str, Decimal]:
        """What the traded currencies held when the day began, each in itself."""
        entries = (x for x in day.equity if x.currency in self._currencies)
        return {entry.currency: entry.equity for entry in entries}

    def _book(self) -> BookSnapshot:
        book: BookSnapshot = self.to("registry").ask(
            GetBook(at=self.clock.now()), timeout=ASK_SECONDS
        )
        self._pause = book.pause
        return book


def _equities(equity: Mapping[str, Decimal]) -> tuple[CurrencyEquity, ...]:
    return tuple(CurrencyEquity(currency=x, equity=y) for x, y in sorted(equity.items()))


def base_currency(instrument_name: str) -> str:
    """``BTC-PERPETUAL`` and ``BTC_USDC-PERPETUAL`` are both priced by the BTC index."""
    return instrument_name.split("-", 1)[0].split("_", 1)[0]


Risk.handlers = {
    MayOpen: Risk.on_may_open,
    MayTrade: Risk.on_may_trade,
    GetRisk: Risk.on_get_risk,
    TickerReport: Risk.on_ticker_report,
    AccountReport: Risk.on_account_report,
    PortfolioObserved: Risk.on_portfolio_observed,
    PlatformReport: Risk.on_platform_report,
    RiskDue: Risk.on_risk_due,
    ChildRestarted: Risk.on_child_restarted,
}
