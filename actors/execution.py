"""Execution: the front door for trades, the way home for reports, and the kill.

Gates with Risk, makes the intent durable, starts one Trade actor per trade, and routes what the
venue reports to the trade it belongs to. After a start or a restart it reconciles: every trade
reads the venue's truth, then book and account must agree before anything new is opened. On kill
it flattens itself, so that no stuck trade can hold that up (`actors.flattening`).
"""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar

from actors.flattening import Flattening
from actors.kernel import Actor, AskFailed, Context, HandlerTable
from actors.messages import trading as say
from actors.messages.base import Message
from actors.messages.book import (
    BookSnapshot,
    ClearKill,
    GetBook,
    KillState,
    Recorded,
    RecordIntent,
    RecordKill,
)
from actors.messages.lifecycle import StartChild
from actors.messages.risk import Denied, KillRequested, MayOpen
from actors.messages.session import SessionLost, SessionOpened
from actors.messages.trading import (
    BeginTrade,
    CatalogueDue,
    CloseTrade,
    FillReport,
    Flatten,
    FlattenDue,
    GetExecution,
    OpenTrade,
    OrderReport,
    ReconcileDue,
    Resume,
    TradeAccepted,
    TradeRecovered,
    TradeUpdated,
    VerifyTrade,
)
from actors.messages.venue import ChangesReport, TickerReport
from actors.messages.watch import (
    LookAtAccount,
    PortfolioObserved,
    PositionAgreed,
    PositionDrifted,
    ProtectionMissing,
)
from actors.ports import NotSent, OutcomeUnknown, Rejected, Venue
from actors.routing import ReportRouter
from domain import watch
from domain.instruments import Instrument
from domain.intake import Accepted, Wish, accept
from domain.risk import Candidate, Reason
from domain.trade import ExitReason, Trade, TradePlan

ASK_SECONDS = 2.0
ENTRY_VALID = timedelta(seconds=5)
RECONCILE_EVERY = 0.5
CATALOGUE_SECONDS = 24 * 3600.0
KILL_REASONS = frozenset({Reason.KILLED, Reason.PROTECT_ONLY})


def trade_address(trade_id: str) -> str:
    """The name of the actor that owns a trade."""
    return f"trade-{trade_id}"


class Execution(Actor):
    """The only actor that starts trades and the only one that flattens."""

    handlers: ClassVar[HandlerTable] = {}

    def __init__(
        self,
        context: Context,
        *,
        venue: Venue,
        traded: frozenset[str],
        reconcile_limit: float = 20.0,
    ) -> None:
        super().__init__(context)
        self._venue = venue
        self._traded = traded
        self._reconcile_limit = reconcile_limit
        self._catalogue: Mapping[str, Instrument] = {}
        self._trades: dict[str, Trade] = {}
        self._unverified: set[str] = set()
        self._home = ReportRouter(self.log)
        self._marks: dict[str, Decimal] = {}
        self._external: dict[str, int] = {}
        self._has_session = False
        self._is_reconciled = False
        self._protect_only = ""
        self._began = self.clock.monotonic()
        self._verified_at = 0.0
        self._flattening: Flattening | None = None
        self._kill: KillState | None = None

    # -- start: reconcile before anything ------------------------------------------------------

    def recover(self) -> None:
        book = self._book()
        self._trades = {trade.id: trade for trade in book.trades}
        self._unverified = set(self._trades)
        self._kill = book.kill
        if book.kill is not None:
            self._venue.lock_entries(book.kill.reason)
        self.every(CATALOGUE_SECONDS, CatalogueDue)
        self._reconcile()

    def on_reconcile_due(self, _: ReconcileDue) -> None:
        self._reconcile()

    def _reconcile(self) -> None:
        if self._is_reconciled:
            return
        if self._catalogue or self._read_catalogue():
            for trade_id in sorted(self._unverified):
                self._verify(self._trades[trade_id])
            if not self._unverified:
                self.to("watcher").tell(LookAtAccount(at=self.clock.now()))
        waited = self.clock.monotonic() - self._began
        if waited > self._reconcile_limit and not self._protect_only:
            self._begin_protect_only(self._why_not_ready())
        self.after(RECONCILE_EVERY, ReconcileDue)

    def _verify(self, trade: Trade) -> None:
        """Has the trade's actor (started if it is not there) read the venue's truth."""
        instrument = self._catalogue.get(trade.plan.instrument_name)
        if instrument is None:
            return
        self._start(trade, instrument, is_new=False)
        self.to(trade_address(trade.id)).tell(VerifyTrade(at=self.clock.now(), reason="reconcile"))

    def _start(self, trade: Trade, instrument: Instrument, *, is_new: bool) -> None:
        now = self.clock.now()
        begin = BeginTrade(at=now, trade=trade, instrument=instrument, is_new=is_new)
        name = trade_address(trade.id)
        start = StartChild(at=now, family="trade", name=name, argument=begin)
        # Opened here, so that what is told before the supervisor gets to it waits in the box.
        self.to(name).is_open = True
        self.to(self.context.supervisor).tell(start)

    def on_trade_recovered(self, message: TradeRecovered) -> None:
        if message.is_synced and message.trade_id in self._unverified:
            self._unverified.discard(message.trade_id)
            self._verified_at = self.clock.monotonic()
            if not self._unverified:
                self.to("watcher").tell(LookAtAccount(at=self.clock.now()))

    def on_portfolio_observed(self, message: PortfolioObserved) -> None:
        if self._flattening is not None:
            return
        is_fresh = message.began_monotonic >= self._verified_at
        if self._is_reconciled or self._unverified or not self._catalogue or not is_fresh:
            return
        ours = {trade.plan.instrument_name for trade in self._trades.values()}
        naked = [
            x
            for x in watch.shortfalls(message.positions, message.orders)
            if x.instrument_name in ours
        ]
        if naked:
            for trade in self._trades.values():
                self._unverified.add(trade.id)
            return
        drifts = watch.drifts(message.positions, self._ledger())
        self._external = {drift.instrument_name: drift.residual for drift in drifts}
        self._reconciled()

    def _reconciled(self) -> None:
        self._is_reconciled = True
        self.disarm(ReconcileDue)
        seconds = round(self.clock.monotonic() - self._began, 3)
        mode = "killed" if self._kill else "trading"
        self.emit(say.Ready, trades=len(self._trades), seconds=seconds, mode=mode)
        if self._protect_only:
            self._end_protect_only("the book and the venue agree")
        if self._kill is not None:
            self._begin_flattening()

    def _why_not_ready(self) -> str:
        if not self._catalogue:
            return "the venue's contract data could not be read"
        if self._unverified:
            return f"{len(self._unverified)} trades could not be verified at the venue"
        return "the account could not be read, or a position is without its stop"

    def _begin_protect_only(self, reason: str) -> None:
        self._protect_only = reason
        self._venue.lock_entries(f"protect-only: {reason}")
        self.emit(say.ProtectOnlyBegan, reason=reason)

    def _end_protect_only(self, reason: str) -> None:
        self._protect_only = ""
        if self._kill is None:
            self._venue.unlock_entries()
        self.emit(say.ProtectOnlyEnded, reason=reason)

    def on_catalogue_due(self, _: CatalogueDue) -> None:
        self._read_catalogue()

    def _read_catalogue(self) -> bool:
        try:
            self._catalogue = self._venue.instruments()
        except (Rejected, NotSent, OutcomeUnknown) as error:
            self.log.warning("catalogue_unreadable", error=str(error))
            return False
        traded = tuple(self._catalogue[x] for x in sorted(self._traded & self._catalogue.keys()))
        self.system.route(say.CatalogueRead(at=self.clock.now(), instruments=traded))
        missing = sorted(self._traded - self._catalogue.keys())
        if missing:
            self.log.error("instruments_not_listed_at_venue", instruments=missing)
        return True

    def on_session_opened(self, _: SessionOpened) -> None:
        """Fills may have been missed: every trade reads afresh."""
        self._has_session = True
        for trade in self._trades.values():
            self.to(trade_address(trade.id)).tell(
                VerifyTrade(at=self.clock.now(), reason="session opened")
            )

    def on_session_lost(self, _: SessionLost) -> None:
        self._has_session = False

    # -- opening ------------------------------------------------------------

    def on_open_trade(self, message: OpenTrade) -> TradeAccepted | Denied:
        wish = Wish(
            instrument=message.instrument,
            side=message.side,
            quantity=message.quantity,
            unit=message.unit,
            entry_type=message.entry_type,
            price=message.price,
            stop_loss=message.stop_loss,
            take_profit=message.take_profit,
        )
        mark = self._marks.get(message.instrument)
        order = accept(wish, self._catalogue, self._traded, mark)
        if isinstance(order, tuple):
            return self._deny(message, order)
        refusals = self._gate(order)
        if refusals:
            return self._deny(message, refusals)
        trade = self._plan(order, message.note)
        try:
            recorded: Recorded = self.to("registry").ask(
                RecordIntent(at=self.clock.now(), trade=trade), timeout=ASK_SECONDS
            )
        except AskFailed:
            # It may be on disk all the same; as an intent that is never sent it ends by itself.
            return self._deny(message, (Reason.NO_INTENT,))
        if not recorded.ok:
            killed = recorded.refusal == "killed"
            return self._deny(message, (Reason.KILLED if killed else Reason.NO_INTENT,))
        self._trades[trade.id] = trade
        self._start(trade, order.instrument, is_new=True)
        return TradeAccepted(at=self.clock.now(), trade_id=trade.id, contracts=order.contracts)

    def _gate(self, order: Accepted) -> tuple[str, ...]:
        question = MayOpen(
            at=self.clock.now(),
            candidate=Candidate(
                instrument_name=order.instrument.name,
                side=order.side,
                notional_usd=order.notional_usd,
            ),
            is_reconciled=self._is_reconciled,
            is_protect_only=bool(self._protect_only) or self._flattening is not None,
            has_session=self._has_session,
            external=tuple(name for name, residual in self._external.items() if residual),
            requests_left=self._venue.budget_left(),
        )
        try:
            verdict = self.to("risk").ask(question, timeout=ASK_SECONDS)
        except AskFailed:
            return (Reason.NO_INTENT,)
        return verdict.reasons if isinstance(verdict, Denied) else ()

    def _plan(self, order: Accepted, note: str) -> Trade:
        now = self.clock.now()
        valid_ms = self._venue.server_now_ms() + round(ENTRY_VALID.total_seconds() * 1000)
        plan = TradePlan(
            trade_id=self.entropy.new_id(),
            instrument_name=order.instrument.name,
            side=order.side,
            contracts=order.contracts,
            entry_type=order.entry_type,
            entry_price=order.price,
            stop_price=order.stop_loss,
            target_price=order.take_profit,
            notional_usd=order.notional_usd,
            note=note,
            created_at=now,
            valid_until_ms=valid_ms,
        )
        return Trade(plan=plan)

    def _deny(self, message: OpenTrade, reasons: tuple[str, ...]) -> Denied:
        texts = tuple(str(reason) for reason in reasons)
        self.emit(
            say.EntryDenied,
            instrument=message.instrument,
            side=message.side,
            reasons=texts,
            note=message.note,
        )
        return Denied(at=self.clock.now(), reasons=texts)

    def on_close_trade(self, message: CloseTrade) -> bool:
        if message.trade_id not in self._trades:
            return False
        self.to(trade_address(message.trade_id)).tell(message)
        return True

    # -- reports, home by label ---------------------------------------------------------------

    def on_changes_report(self, message: ChangesReport) -> None:
        now = self.clock.now()
        for order in message.orders:
            trade_id = self._home.of_order(order)
            if trade_id in self._trades:
                self._tell_trade(trade_id, OrderReport(at=now, order=order))
        for fill in message.fills:
            for share in self._home.of_fill(fill, self._trades, self._external):
                report = FillReport(at=now, fill=share.fill, is_foreign=share.is_foreign)
                self._tell_trade(share.trade_id, report)

    def _tell_trade(self, trade_id: str, message: Message) -> None:
        self.to(trade_address(trade_id)).tell(message)

    def on_trade_updated(self, message: TradeUpdated) -> None:
        trade = message.trade
        if trade.is_finished:
            self._forget(trade)
        elif trade.id in self._trades:
            self._trades[trade.id] = trade

    def _forget(self, trade: Trade) -> None:
        self._trades.pop(trade.id, None)
        self._unverified.discard(trade.id)
        self._home.forget(trade)

    def on_ticker_report(self, message: TickerReport) -> None:
        self._marks[message.ticker.instrument_name] = message.ticker.mark_price

    # -- what the watcher sees ------------------------------------------------------------

    def on_protection_missing(self, message: ProtectionMissing) -> None:
        for trade in self._on(message.instrument):
            self._tell_trade(
                trade.id, VerifyTrade(at=self.clock.now(), reason="protection missing")
            )

    def on_position_drifted(self, message: PositionDrifted) -> None:
        self._external[message.instrument] = message.residual
        for trade in self._on(message.instrument):
            self._tell_trade(trade.id, VerifyTrade(at=self.clock.now(), reason="drift"))

    def on_position_agreed(self, message: PositionAgreed) -> None:
        self._external.pop(message.instrument, None)

    def _on(self, instrument_name: str) -> list[Trade]:
        return [x for x in self._trades.values() if x.plan.instrument_name == instrument_name]

    def _ledger(self) -> dict[str, int]:
        ledger: dict[str, int] = {}
        for trade in self._trades.values():
            name = trade.plan.instrument_name
            ledger[name] = ledger.get(name, 0) + trade.signed_position
        return ledger

    # -- kill ------------------------------------------------------------

    def on_kill_requested(self, message: KillRequested) -> None:
        kill = Flatten(at=message.at, reason=message.reason, by="risk", until_midnight=True)
        self.on_flatten(kill)

    def on_flatten(self, message: Flatten) -> bool:
        """Locks, makes it durable, then drives the account flat. True once it is durable."""
        self._venue.lock_entries(message.reason)
        is_durable = self._record_kill(message)
        self._kill = KillState(
            reason=message.reason,
            by=message.by,
            day=message.at.date().isoformat(),
            until_midnight=message.until_midnight,
        )
        self.emit(
            say.KillSwitchActivated,
            reason=message.reason,
            by=message.by,
            until_midnight=message.until_midnight,
        )
        self._begin_flattening()
        return is_durable

    def _record_kill(self, message: Flatten) -> bool:
        record = RecordKill(
            at=self.clock.now(),
            reason=message.reason,
            by=message.by,
            until_midnight=message.until_midnight,
        )
        try:
            recorded: Recorded = self.to("registry").ask(record, timeout=ASK_SECONDS)
        except AskFailed:
            return False
        return recorded.ok

    def _begin_flattening(self) -> None:
        if self._flattening is None:
            flat_id = self.entropy.new_id()
            self._flattening = Flattening(self._venue, flat_id, self.clock, self.log)
        for trade in self._trades.values():
            self._tell_trade(
                trade.id,
                CloseTrade(at=self.clock.now(), trade_id=trade.id, reason=ExitReason.KILL.value),
            )
        self.after(self._flattening.pause, FlattenDue)

    def on_flatten_due(self, _: FlattenDue) -> None:
        flattening = self._flattening
        if flattening is None:
            return
        outcome = flattening.round(self._catalogue)
        if outcome.is_flat and not self._trades:
            self._flattening = None
            self.emit(say.FlatVerified, seconds=outcome.seconds)
            return
        if outcome.is_news:
            self.emit(say.NotFlatYet, positions=outcome.positions, reason=outcome.reason)
        self.after(flattening.pause, FlattenDue)

    def on_resume(self, message: Resume) -> bool:
        """Ends a kill: by a person at any time it is flat, by midnight only its own kind."""
        kill = self._kill
        by_clock = message.by == "midnight"
        is_clear = self._is_reconciled and self._flattening is None and not self._trades
        if kill is None or not is_clear or (by_clock and not kill.until_midnight):
            return False
        try:
            recorded: Recorded = self.to("registry").ask(
                ClearKill(at=self.clock.now(), reason=message.by), timeout=ASK_SECONDS
            )
        except AskFailed:
            return False
        if not recorded.ok:
            return False
        self._kill = None
        self._venue.unlock_entries()
        self.emit(say.KillSwitchReset, reason=message.by)
        return True

    # -- queries ------------------------------------------------------------

    def on_get_execution(self, _: GetExecution) -> say.ExecutionSnapshot:
        return say.ExecutionSnapshot(
            at=self.clock.now(),
            is_reconciled=self._is_reconciled,
            is_protect_only=bool(self._protect_only),
            is_flattening=self._flattening is not None,
            trades=tuple(self._trades.values()),
        )

    def _book(self) -> BookSnapshot:
        book: Any = self.to("registry").ask(GetBook(at=self.clock.now()), timeout=ASK_SECONDS)
        return book


Execution.handlers = {
    OpenTrade: Execution.on_open_trade,
    CloseTrade: Execution.on_close_trade,
    Flatten: Execution.on_flatten,
    Resume: Execution.on_resume,
    KillRequested: Execution.on_kill_requested,
    ChangesReport: Execution.on_changes_report,
    TickerReport: Execution.on_ticker_report,
    PortfolioObserved: Execution.on_portfolio_observed,
    ProtectionMissing: Execution.on_protection_missing,
    PositionDrifted: Execution.on_position_drifted,
    PositionAgreed: Execution.on_position_agreed,
    TradeUpdated: Execution.on_trade_updated,
    TradeRecovered: Execution.on_trade_recovered,
    SessionOpened: Execution.on_session_opened,
    SessionLost: Execution.on_session_lost,
    GetExecution: Execution.on_get_execution,
    ReconcileDue: Execution.on_reconcile_due,
    FlattenDue: Execution.on_flatten_due,
    CatalogueDue: Execution.on_catalogue_due,
}
