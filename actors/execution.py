"""Execution: the front door for trades, the way home for reports, and the kill.

Lets trades in (`actors.opening`), starts one Trade actor per trade, and routes what the venue
reports to the trade it belongs to (`actors.routing`). After a start or a restart it reconciles
before anything new is opened (`actors.reconciling`). On kill it flattens by itself, so that no
stuck trade can hold that up (`actors.flattening`).
"""

from dataclasses import replace
from decimal import Decimal
from typing import ClassVar

from actors.contracts import ContractData
from actors.flattening import Flattening
from actors.kernel import Actor, AskFailed, Context, HandlerTable
from actors.killing import EntryLock, KillSwitch
from actors.messages import trading as say
from actors.messages import watch
from actors.messages.book import (
    BookSnapshot,
    DiskFailed,
    DiskRecovered,
    EntriesPaused,
    EntriesResumed,
    GetBook,
)
from actors.messages.lifecycle import ChildRestarted
from actors.messages.risk import Denied, KillRequested, MayTrade
from actors.messages.session import GetCredentials, SessionLost, SessionOpened
from actors.messages.venue import ChangesReport, TickerReport
from actors.opening import FrontDoor, Manner, Standing
from actors.ports import Venue
from actors.reconciling import Reconciliation
from actors.routing import ReportRouter
from actors.settling import DriftSettler, Storyteller
from actors.trade_house import TradeHouse
from domain import plain
from domain.overclosing import taken_from_others
from domain.trade import Trade, may_still_enter
from domain.watch import Drift

ASK_SECONDS = 2.0
RECONCILE_EVERY = 0.5
CATALOGUE_SECONDS = 24 * 3600.0
NOTE_LENGTH = 64
"""Characters that are kept of a caller's own label."""


class Execution(Actor):
    """The only actor that starts trades and the only one that flattens."""

    handlers: ClassVar[HandlerTable] = {}

    def __init__(
        self,
        context: Context,
        *,
        venue: Venue,
        traded: frozenset[str],
        manner: Manner,
        reconcile_limit: float = 20.0,
    ) -> None:
        super().__init__(context)
        self._venue = venue
        self._reconcile_limit = reconcile_limit
        self._contracts = ContractData(venue, traded, self.clock, self.log)
        self._house = TradeHouse(address=self.to, supervisor=context.supervisor, clock=self.clock)
        self._home = ReportRouter(self.log)
        self._door = FrontDoor(
            risk=self.to("risk"),
            registry=self.to("registry"),
            venue=venue,
            clock=self.clock,
            entropy=self.entropy,
            traded=traded,
            manner=manner,
        )
        self._marks: dict[str, Decimal] = {}
        self._drifts = DriftSettler(venue)
        self._stories = Storyteller(
            self._drifts,
            self._house,
            self._home,
            self.clock,
            chronicler=self.to("chronicler"),
            wake_in=lambda seconds: self.after(seconds, watch.DriftDue),
        )
        self._routed_at = float("-inf")
        self._has_session: bool | None = False
        self._disk_troubles: set[str] = set()
        self._is_paused = False
        self._reconciliation = Reconciliation((), self.clock.monotonic())
        self._kill = KillSwitch(
            venue=venue,
            registry=self.to("registry"),
            clock=self.clock,
            entropy=self.entropy,
            emit=self.emit,
            log=self.log,
        )
        self._lock = EntryLock(venue, self._kill, self.emit)

    # -- start: reconcile before anything ------------------------------------------------------

    def recover(self) -> None:
        book: BookSnapshot = self.to("registry").ask(
            GetBook(at=self.clock.now()), timeout=ASK_SECONDS
        )
        self._house.records = {trade.id: trade for trade in book.trades}
        self._reconciliation = Reconciliation(self._house.records, self.clock.monotonic())
        self._kill.state = book.kill
        self._is_paused = book.pause is not None
        self._lock.apply()
        self.every(CATALOGUE_SECONDS, say.CatalogueDue)
        if self.context.incarnation > 1:
            self._has_session = None  # a successor has missed the event that said so
        self.after(0.0, say.ReconcileDue)
        if self._kill.state is not None:
            self._begin_flattening()

    def on_reconcile_due(self, _: say.ReconcileDue) -> None:
        if self._reconciliation.is_done:
            return
        if self._has_session is None:
            self._ask_for_session()
        now = self.clock.monotonic()
        if self._contracts.by_name or (self._contracts.is_due() and self._read_contracts()):
            for trade_id in self._reconciliation.to_ask(now):
                self._take_over(self._house.records[trade_id])
            if not self._reconciliation.pending:
                self.to("watcher").tell(watch.LookAtAccount(at=self.clock.now()))
        waited = self.clock.monotonic() - self._reconciliation.began
        if waited > self._reconcile_limit and not self._lock.protect_only:
            self._lock.begin_protect_only(
                self._reconciliation.why_not_done(
                    has_catalogue=bool(self._contracts.by_name),
                    quarantined=self._house.quarantined,
                )
            )
        self.after(RECONCILE_EVERY, say.ReconcileDue)

    def _ask_for_session(self) -> None:
        try:
            held = self.to("auth").ask(GetCredentials(at=self.clock.now()), timeout=ASK_SECONDS)
        except AskFailed as error:
            self.log.warning("session_unknown", error=str(error))
        else:
            self._has_session = held is not None

    def _take_over(self, trade: Trade) -> None:
        """Has the trade's actor (started if it is not there) read the venue's truth."""
        instrument = self._contracts.by_name.get(trade.plan.instrument_name)
        if instrument is None:
            return
        if not self._house.is_running(trade):
            self._house.start(trade, instrument, is_new=False)
        self._house.verify(trade, "reconcile")
        self._stories.guessed(trade)
        if self._kill.is_flattening:
            self._house.close(trade)

    def on_trade_recovered(self, message: say.TradeRecovered) -> None:
        now = self.clock.monotonic()
        self._reconciliation.answered(message.trade_id, is_synced=message.is_synced, now=now)
        if not self._reconciliation.is_done and not self._reconciliation.pending:
            self.to("watcher").tell(watch.LookAtAccount(at=self.clock.now()))

    def on_portfolio_observed(self, message: watch.PortfolioObserved) -> None:
        if message.drifts is not None and message.began_monotonic > self._routed_at:
            self._home.adopt(message.drifts)
        self._house.miss(message.orders)
        for drift in message.drifts or ():
            if self._drifts.is_due(drift):
                self._stories.seek(drift.instrument_name, drift)
        agrees = self._reconciliation.agrees(message, self._house.instruments)
        if agrees is None or not self._contracts.by_name or self._has_session is None:
            return
        news = [
            x
            for x in message.drifts or ()
            if self._house.on(x.instrument_name) and self._drifts.is_news(x)
        ]
        for drift in news:
            self._stories.seek(drift.instrument_name, drift)
        if news or not agrees:
            self._reconciliation.doubt(self._house.records)
        elif self._kill.state is not None or self._may_trade():
            self._reconciled()

    def _may_trade(self) -> bool:
        """Whether Risk could let anything in: `ready` is said when trades are possible."""
        try:
            answer = self.to("risk").ask(MayTrade(at=self.clock.now()), timeout=ASK_SECONDS)
        except AskFailed as error:
            self._reconciliation.hindrance = str(error)
            return False
        denied = isinstance(answer, Denied)
        self._reconciliation.hindrance = "the day's equity is not known" if denied else ""
        return not denied

    def _reconciled(self) -> None:
        self._reconciliation.is_done = True
        self.disarm(say.ReconcileDue)
        seconds = round(self.clock.monotonic() - self._reconciliation.began, 3)
        mode = "killed" if self._kill.state else "paused" if self._is_paused else "trading"
        self.emit(say.Ready, trades=len(self._house.records), seconds=seconds, mode=mode)
        self._lock.end_protect_only("the book and the venue agree")

    def on_catalogue_due(self, _: say.CatalogueDue) -> None:
        self._read_contracts()

    def _read_contracts(self) -> bool:
        if not self._contracts.read():
            return False
        self._tell_catalogue()
        self._house.tell_instruments(self._contracts.by_name)
        return True

    def on_repeat_catalogue(self, _: say.RepeatCatalogue) -> None:
        if self._contracts.by_name:  # if not, it is published when it has been read
            self._tell_catalogue()

    def _tell_catalogue(self) -> None:
        read = say.CatalogueRead(at=self.clock.now(), instruments=self._contracts.traded)
        self.system.route(read)

    def on_session_opened(self, _: SessionOpened) -> None:
        """News may have been missed: every trade reads afresh."""
        self._has_session = True
        self._contracts.hurry()
        self._verify_all("session opened")

    def on_session_lost(self, _: SessionLost) -> None:
        """What the line was about to say when it broke is read over HTTP, at once."""
        if self._has_session:
            self._verify_all("session lost")
        self._has_session = False

    def _verify_all(self, cause: str) -> None:
        for trade in self._house.records.values():
            if self._house.is_running(trade):
                self._house.verify(trade, cause)

    def on_disk_failed(self, message: DiskFailed) -> None:
        self._disk_troubles.add(message.what)

    def on_disk_recovered(self, message: DiskRecovered) -> None:
        self._disk_troubles.discard(message.what)

    def on_pause_changed(self, message: EntriesPaused | EntriesResumed) -> None:
        """Only for what `Ready` says: Risk asks the book, and denies."""
        self._is_paused = isinstance(message, EntriesPaused)

    # -- opening ------------------------------------------------------------

    def on_open_trade(self, message: say.OpenTrade) -> say.TradeAccepted | Denied:
        # It is the caller's own text, and what no file takes must not reach the book.
        message = replace(message, note=plain.text(message.note)[:NOTE_LENGTH])
        mark = self._marks.get(message.instrument)
        opened = self._door.open(message, self._contracts.by_name, mark, self._standing())
        if isinstance(opened, tuple):
            return self._deny(message, opened)
        self._house.start(opened.trade, opened.instrument, is_new=True)
        plan = opened.trade.plan
        return say.TradeAccepted(
            at=self.clock.now(), trade_id=plan.trade_id, contracts=plan.contracts
        )

    def _standing(self) -> Standing:
        return Standing(
            is_killed=self._kill.state is not None,
            is_reconciled=self._reconciliation.is_done,
            is_protect_only=bool(self._lock.protect_only),
            has_session=bool(self._has_session),
            has_disk=not self._disk_troubles,
            external=self._home.foreign,
        )

    def _deny(self, message: say.OpenTrade, reasons: tuple[str, ...]) -> Denied:
        self.emit(
            say.EntryDenied,
            instrument=message.instrument,
            side=message.side,
            reasons=reasons,
            note=message.note,
        )
        return Denied(at=self.clock.now(), reasons=reasons)

    def on_close_trade(self, message: say.CloseTrade) -> bool:
        if message.trade_id not in self._house.records:
            return False
        self._house.tell(message.trade_id, message)
        return True

    # -- reports, home by label ---------------------------------------------------------------

    def on_changes_report(self, message: ChangesReport) -> None:
        if message.fills:
            self._routed_at = self.clock.monotonic()
        for trade_id, report in self._home.route(message, self._house.records):
            self._house.tell(trade_id, report)

    def on_trade_updated(self, message: say.TradeUpdated) -> None:
        self._house.update(message.trade)
        self._stories.guessed(message.trade)
        if message.trade.is_finished:
            self._reconciliation.gone(message.trade.id)
            self._home.forget(message.trade)
            if taken_from_others(message.trade):  # perhaps from a trade that has not heard of it
                self._stories.read_again(message.trade.plan.instrument_name)

    def on_child_restarted(self, event: ChildRestarted) -> None:
        """What a trade's actor died of may have been its share of a story: it is told again."""
        trade = self._house.of_actor(event.name)
        if trade is not None:
            self._house.tell_instruments(self._contracts.by_name, only=trade)
            self._stories.read_again(trade.plan.instrument_name)
        elif event.name == "chronicler":
            self._stories.seek_anew()
        elif event.name == "registry":
            self._bring_into_step()

    def _bring_into_step(self) -> None:
        """What a Registry had not written died with it: trades, their ends, a kill."""
        self._kill.say_again()
        try:
            book = self.to("registry").ask(GetBook(at=self.clock.now()), timeout=ASK_SECONDS)
        except AskFailed as error:  # it has failed again, and its restart is told of again
            self.log.warning("book_not_compared", error=str(error))
            return
        self._verify_all("registry restarted")
        for trade in book.trades:
            if trade.id not in self._house.records and not trade.is_finished:
                self._house.records[trade.id] = trade
                self._take_over(trade)
                self._stories.read_again(trade.plan.instrument_name)

    def on_ticker_report(self, message: TickerReport) -> None:
        ticker = message.ticker
        self._marks[ticker.instrument_name] = ticker.mark_price
        instrument = self._contracts.by_name.get(ticker.instrument_name)
        if instrument is not None:
            self._house.follow(ticker, instrument)

    # -- what the watcher sees ------------------------------------------------------------

    def on_protection_missing(
        self, message: watch.ProtectionDoubted | watch.ProtectionMissing
    ) -> None:
        for trade in self._house.on(message.instrument):
            self._house.verify(trade, "protection missing")

    def on_position_drifted(self, message: watch.PositionDrifted) -> None:
        name = message.instrument
        drift = Drift(instrument_name=name, venue=message.venue, ledger=message.ledger)
        if self._house.on(name) and self._drifts.is_news(drift):
            self._stories.seek(name, drift)

    def on_position_agreed(self, message: watch.PositionAgreed) -> None:
        self._drifts.forget(message.instrument)

    def on_drift_due(self, _: watch.DriftDue) -> None:
        self._stories.seek_unread()

    def on_chronicle_report(self, message: say.ChronicleReport) -> None:
        self._stories.heard(message)

    # -- kill ------------------------------------------------------------

    def on_kill_requested(self, message: KillRequested) -> None:
        if self._kill.state is None:
            self.on_flatten(
                say.Flatten(
                    at=message.at,
                    reason=message.reason,
                    by="risk",
                    until_midnight=True,
                    day=message.day,
                )
            )

    def on_flatten(self, message: say.Flatten) -> bool:
        """Locks, makes it durable, then drives the account flat. True once it is durable."""
        self._kill.adopt(message)
        self._lock.apply()
        is_durable = self._kill.record()
        self._begin_flattening()
        return is_durable

    def _begin_flattening(self) -> None:
        self._kill.begin_flattening()
        for trade in self._house.records.values():
            self._house.close(trade)
        self.after(Flattening.pause, say.FlattenDue)

    def on_flatten_due(self, _: say.FlattenDue) -> None:
        if not self._contracts.by_name:
            self._read_contracts()
        server_ms = self._venue.server_now_ms()
        coming = [x.id for x in self._house.records.values() if may_still_enter(x, server_ms)]
        outcome = self._kill.round(self._contracts.by_name, coming)
        if outcome is not None and not outcome.is_flat:
            self.after(Flattening.pause, say.FlattenDue)

    def on_resume(self, message: say.Resume) -> bool:
        """Ends a kill, if the account was seen flat and agrees with the book."""
        is_clear = self._reconciliation.is_done and not self._kill.is_flattening
        if not is_clear or self._house.records or not self._kill.end(message):
            return False
        self._lock.apply()
        return True

    # -- queries ------------------------------------------------------------

    def on_get_execution(self, _: say.GetExecution) -> say.ExecutionSnapshot:
        return say.ExecutionSnapshot(
            at=self.clock.now(),
            is_reconciled=self._reconciliation.is_done,
            is_protect_only=bool(self._lock.protect_only),
            is_flattening=self._kill.is_flattening,
            trades=tuple(self._house.records.values()),
            protect_only=self._lock.protect_only,
            has_session=bool(self._has_session),
            disk_troubles=tuple(sorted(self._disk_troubles)),
            external=self._home.foreign,
            instruments=self._contracts.traded,
            kill=self._kill.state,
        )


Execution.handlers = {
    say.OpenTrade: Execution.on_open_trade,
    say.CloseTrade: Execution.on_close_trade,
    say.Flatten: Execution.on_flatten,
    say.Resume: Execution.on_resume,
    KillRequested: Execution.on_kill_requested,
    ChangesReport: Execution.on_changes_report,
    TickerReport: Execution.on_ticker_report,
    watch.PortfolioObserved: Execution.on_portfolio_observed,
    watch.ProtectionDoubted: Execution.on_protection_missing,
    watch.ProtectionMissing: Execution.on_protection_missing,
    watch.PositionDrifted: Execution.on_position_drifted,
    watch.PositionAgreed: Execution.on_position_agreed,
    say.TradeUpdated: Execution.on_trade_updated,
    say.TradeRecovered: Execution.on_trade_recovered,
    SessionOpened: Execution.on_session_opened,
    SessionLost: Execution.on_session_lost,
    watch.DriftDue: Execution.on_drift_due,
    say.ChronicleReport: Execution.on_chronicle_report,
    ChildRestarted: Execution.on_child_restarted,
    DiskFailed: Execution.on_disk_failed,
    DiskRecovered: Execution.on_disk_recovered,
    EntriesPaused: Execution.on_pause_changed,
    EntriesResumed: Execution.on_pause_changed,
    say.GetExecution: Execution.on_get_execution,
    say.ReconcileDue: Execution.on_reconcile_due,
    say.FlattenDue: Execution.on_flatten_due,
    say.CatalogueDue: Execution.on_catalogue_due,
    say.RepeatCatalogue: Execution.on_repeat_catalogue,
}
