"""Whose the venue's positions are, worked out from its fills alone.

Independent of the daemon's own attribution on purpose: fills of a trade's labels are that
trade's, what a person does closes what a person opened first, and a flat position is nobody's.
Contracts are signed.
"""

from collections import defaultdict
from decimal import Decimal
from itertools import islice

from adapters.paper.engine import Engine
from adapters.paper.records import TradeRecord
from domain import labels
from domain.labels import Role
from domain.orders import ZERO

STRAY = "bw.stray"
"""How the labels begin of what a script leaves at the venue in our name: no daemon sent it."""


class Tally:
    """Follows the engine's fills. ``ours`` is what each trade holds, ``foreign`` the rest.

    ``earned`` is what the venue booked, fees included, per currency; ``mixed`` are those in which
    somebody else opened something, so that it is not ours alone. ``foreign_at`` is when that was
    last, per instrument, in virtual seconds; ``netted`` are the instruments on which the
    venue has added his and ours up, so that it alone can no longer tell them apart. ``spoilt``
    are the labels of orders that lost their reduce-only on the way, ``spoils`` the instruments on
    which one of those opened what is held now.
    """

    def __init__(self, engine: Engine) -> None:
        self.ours: dict[str, dict[str, int]] = defaultdict(dict)
        self.foreign: dict[str, int] = defaultdict(int)
        self.flips: list[tuple[str, str]] = []
        self.spoilt: set[str] = set()
        self.spoils: set[str] = set()
        self.entered: dict[str, str] = {}
        self.earned: dict[str, Decimal] = {}
        self.mixed: set[str] = set()
        self.foreign_at: dict[str, float] = {}
        self.netted: set[str] = set()
        self._engine = engine
        self._counted = engine.ledger.past["trades"]
        self._held: dict[str, int] = defaultdict(int)
        self._now = 0.0

    def catch_up(self, now: float) -> list[TradeRecord]:
        """Takes in the fills since the last call, which are of this moment, and returns them."""
        self._now = now
        ledger = self._engine.ledger
        new = ledger.past["trades"] - self._counted
        if not new:
            return []
        self._counted = ledger.past["trades"]
        fills = list(islice(reversed(ledger.trades), new))[::-1]
        for fill in fills:
            self._take(fill)
        return fills

    def _take(self, fill: TradeRecord) -> None:
        name, signed = fill.instrument_name, fill.side.sign * fill.contracts
        currency = fill.instrument.settlement_currency
        self.earned[currency] = self.earned.get(currency, ZERO) + fill.profit_loss - fill.fee
        before = self._held[name]
        after = self._held[name] = before + signed
        is_sent = labels.is_ours(fill.label) and not fill.label.startswith(STRAY)
        if is_sent and self._may_not(before, signed, is_entry=".entry." in fill.label, name=name):
            self.flips.append((fill.label, f"{fill.label}: {name} {before:+d} -> {after:+d}"))
            if fill.label in self.spoilt:  # what it opened is nobody's
                self._others_hold(name)
                self.spoils.add(name)
        label = labels.parse(fill.label)
        if label is not None and label.role is Role.ENTRY:
            held = self.ours[name]
            held[label.trade_id] = held.get(label.trade_id, 0) + signed
            self.entered[label.trade_id] = name
        elif label is not None and self.ours[name].get(label.trade_id):
            self.foreign[name] += self._close_in_turn(name, (label.trade_id,), signed)
        else:
            self._by_others(name, signed)
        if after == 0:
            self.ours[name] = dict.fromkeys(self.ours[name], 0)
            self.foreign[name] = 0
            self.spoils.discard(name)

    def _may_not(self, before: int, signed: int, *, is_entry: bool, name: str) -> bool:
        """Whether a fill of ours turns a position, or opens one though it was no entry."""
        turns = before * (before + signed) < 0
        if is_entry:  # what a person opened beside it is his, and the sum may turn
            return turns and self.foreign[name] == 0
        return turns or before * signed >= 0

    def _close(self, name: str, trade_id: str, signed: int) -> int:
        """Closes as much of a trade as there is; returns what is left of the fill."""
        held = self.ours[name].get(trade_id, 0)
        if held * signed >= 0:
            return signed
        part = signed if abs(signed) <= abs(held) else -held
        self.ours[name][trade_id] = held + part
        return signed - part

    def _close_in_turn(self, name: str, first: tuple[str, ...], signed: int) -> int:
        """What one trade has not, the next one loses, the oldest first; what nobody had is left."""
        for trade_id in (*first, *sorted(self.ours[name])):
            signed = self._close(name, trade_id, signed)
        return signed

    def _by_others(self, name: str, signed: int) -> None:
        foreign = self.foreign[name]
        if foreign * signed < 0:
            part = signed if abs(signed) <= abs(foreign) else -foreign
            self.foreign[name] += part
            signed -= part
        signed = self._close_in_turn(name, (), signed)
        if signed:
            self.foreign[name] += signed
            self._others_hold(name)

    def _others_hold(self, name: str) -> None:
        self.foreign_at[name] = self._now
        self.netted.add(name)
        self.mixed.add(self._engine.markets[name].instrument.settlement_currency)

    def outweighed(self) -> list[tuple[str, str]]:
        """Instruments and trades of ours of which the venue has nothing left, as last caught up."""
        return [
            (name, trade_id)
            for name in self.netted
            for trade_id, held in self.ours[name].items()
            if held and sum(self.ours[name].values()) * self._held[name] <= 0
        ]

    def give_up(self, name: str, trade_id: str) -> None:
        """This trade ended with what the venue had netted away; what comes of it is not ours."""
        self.foreign[name] += self.ours[name].pop(trade_id)

    def held_by(self, name: str, trade_id: str) -> int | None:
        """What this trade has, without a sign; None, where none of its entry was ever filled."""
        if trade_id not in self.entered:
            return None
        return abs(self.ours[name].get(trade_id, 0))

    def of_ours(self, name: str) -> int:
        """What our trades hold of the position; never more than there is."""
        held = sum(self.ours[name].values())
        position = self._engine.account.contracts(name)
        if held * position <= 0:
            return 0
        return held if abs(held) <= abs(position) else position
