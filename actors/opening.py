"""Opening a trade: from what was asked for to an intent on disk, or to every reason against it.

In this order, and each step only if the one before let it pass: what the wish says by itself,
what Execution knows, what Risk says, and whether the intent is durable.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from actors.kernel import Address, AskFailed
from actors.messages.book import CancelIntent, Recorded, RecordIntent
from actors.messages.risk import Denied, MayOpen
from actors.messages.trading import OpenTrade
from actors.ports import Clock, Entropy, Venue
from domain.instruments import Instrument
from domain.intake import Accepted, Wish, accept
from domain.orders import TriggerBy
from domain.risk import Candidate, Reason
from domain.trade import Trade, TradePlan
from domain.trade_check import flaws

ASK_SECONDS = 2.0
ENTRY_VALID = timedelta(seconds=5)
"""How long after the decision the venue may begin to work on the entry."""


REFUSALS = {"killed": Reason.KILLED, "paused": Reason.PAUSED}
"""What the Registry says when somebody was quicker than Risk's answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What Execution alone knows when it asks Risk. ``external`` names instruments."""

    is_killed: bool
    is_reconciled: bool
    is_protect_only: bool
    has_session: bool
    has_disk: bool
    external: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How trades are protected. ``is_linked``: entry, stop and target go as one linked order."""

    is_linked: bool
    stop_trigger: TriggerBy


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A trade whose intent is on disk."""

    trade: Trade
    instrument: Instrument


class FrontDoor:
    """Lets trades in, one at a time. Asks Risk and the Registry, with a timeout each."""

    def __init__(
        self,
        *,
        risk: Address,
        registry: Address,
        venue: Venue,
        clock: Clock,
        entropy: Entropy,
        traded: frozenset[str],
        manner: Manner,
    ) -> None:
        self._risk = risk
        self._registry = registry
        self._venue = venue
        self._clock = clock
        self._entropy = entropy
        self._traded = traded
        self._manner = manner

    def open(
        self,
        message: OpenTrade,
        catalogue: Mapping[str, Instrument],
        mark: Decimal | None,
        standing: Standing,
    ) -> Opened | tuple[str, ...]:
        """The trade, its intent durable; or the reasons why there is none."""
        order = accept(_wish(message), catalogue, self._traded, mark)
        if isinstance(order, tuple):
            return _texts(order)
        refusals = self._gate(order, standing)
        if refusals:
            return _texts(refusals)
        trade = self._planned(order, message.note)
        refusals = self._record(trade)
        return _texts(refusals) or Opened(trade=trade, instrument=order.instrument)

    def _gate(self, order: Accepted, standing: Standing) -> tuple[str, ...]:
        if standing.is_killed:
            return (Reason.KILLED,)
        if not standing.has_disk:
            return (Reason.NO_INTENT,)
        question = MayOpen(
            at=self._clock.now(),
            candidate=Candidate(
                instrument_name=order.instrument.name,
                side=order.side,
                notional_usd=order.notional_usd,
            ),
            is_reconciled=standing.is_reconciled,
            is_protect_only=standing.is_protect_only,
            has_session=standing.has_session,
            external=standing.external,
            requests_left=self._venue.budget_left(),
        )
        try:
            verdict = self._risk.ask(question, timeout=ASK_SECONDS)
        except AskFailed:
            return (Reason.NO_VERDICT,)
        return verdict.reasons if isinstance(verdict, Denied) else ()

    def _planned(self, order: Accepted, note: str) -> Trade:
        valid_ms = self._venue.server_now_ms() + round(ENTRY_VALID.total_seconds() * 1000)
        plan = TradePlan(
            trade_id=self._entropy.new_id(),
            instrument_name=order.instrument.name,
            side=order.side,
            contracts=order.contracts,
            entry_type=order.entry_type,
            entry_price=order.price,
            stop_price=order.stop_loss,
            target_price=order.take_profit,
            notional_usd=order.notional_usd,
            note=note,
            created_at=self._clock.now(),
            valid_until_ms=valid_ms,
            is_linked=self._manner.is_linked,
            stop_trigger=self._manner.stop_trigger,
            break_even_at=order.break_even_at,
            trail=order.trail,
            contract_size=order.instrument.contract_size,
        )
        return Trade(plan=plan)

    def _record(self, trade: Trade) -> tuple[str, ...]:
        if flaws(trade):  # on disk, it would make the next start call the whole book unreadable
            return (Reason.NO_INTENT,)
        try:
            recorded: Recorded = self._registry.ask(
                RecordIntent(at=self._clock.now(), trade=trade), timeout=ASK_SECONDS
            )
        except AskFailed:
            # It may be on disk all the same. It will never be sent.
            self._registry.tell(CancelIntent(at=self._clock.now(), trade_id=trade.id))
            return (Reason.NO_INTENT,)
        if recorded.ok:
            return ()
        return (REFUSALS.get(recorded.refusal, Reason.NO_INTENT),)


def _texts(reasons: tuple[str, ...]) -> tuple[str, ...]:
    """Reasons as the plain texts they are for everybody outside."""
    return tuple(str(reason) for reason in reasons)


def _wish(message: OpenTrade) -> Wish:
    return Wish(
        instrument=message.instrument,
        side=message.side,
        quantity=message.quantity,
        unit=message.unit,
        entry_type=message.entry_type,
        price=message.price,
        stop_loss=message.stop_loss,
        take_profit=message.take_profit,
        break_even_at=message.break_even_at,
        trail=message.trail,
    )
