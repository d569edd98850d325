"""Who waits to hear how a command went on: a kill until it is verified flat, a close until closed.

The outcome comes as events, minutes later perhaps; each is told to the door the command came
from. Kept in memory only: after a restart the kill's maker is known from the book, and everybody
hears of the end by the ordinary alerts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from actors.messages.base import Event
from actors.messages.desk import CommandReported
from actors.messages.trading import (
    FlatVerified,
    NotFlatYet,
    TradeAbandoned,
    TradeClosed,
    TradeOpened,
)
from domain.commands import Door

MOST = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Follower:
    """One request whose end somebody waits for. Empty ``trade_id``: the kill's.

    ``is_opening``: it ends when the trade is open, otherwise when it is closed.
    """

    request_id: str
    door: Door
    who: str
    command: str
    trade_id: str = ""
    is_opening: bool = False


class Followers:
    """Turns what happens into what those who asked are told. ``emit`` publishes an event."""

    def __init__(self, emit: Callable[..., Any]) -> None:
        self._emit = emit
        self._waiting: list[Follower] = []

    def add(self, follower: Follower) -> None:
        """A request given twice is told of once."""
        if follower not in self._waiting:
            self._waiting = [*self._waiting, follower][-MOST:]

    def take_up_kill(self, by: str) -> None:
        """After a restart: whoever made the kill in force is told of its end."""
        door, _, who = by.partition(":")
        if door in set(Door):
            self.add(Follower(request_id="kill", door=Door(door), who=who, command="kill"))

    def hear(self, event: Event) -> None:
        match event:
            case FlatVerified():
                text = f"Verified flat after {event.seconds:.1f} s: no position, no order of ours."
                self._tell("", text, is_final=True)
            case NotFlatYet():
                left = f"flat yet: {', '.join(event.positions)}" if event.positions else ""
                what = f"Not {left or 'verified flat yet'}"
                text = f"{what} ({event.reason}). Trying every second."
                self._tell("", text, is_final=False)
            case TradeOpened():
                text = (
                    f"Trade {event.trade_id} is open: {event.contracts} contracts at "
                    f"{event.entry_price}, stop {event.stop_loss} acknowledged after "
                    f"{event.unprotected_ms:.0f} ms."
                )
                self._tell(event.trade_id, text, is_final=True, is_opened=True)
            case TradeClosed():
                text = (
                    f"Trade {event.trade_id} is closed ({event.exit_reason}): "
                    f"{event.net_coin:+.8f} {event.currency} after fees."
                )
                self._tell(event.trade_id, text, is_final=True)
            case TradeAbandoned():
                text = f"Trade {event.trade_id} ended without a position ({event.reason})."
                self._tell(event.trade_id, text, is_final=True)
            case _:
                pass

    def _tell(self, trade_id: str, text: str, *, is_final: bool, is_opened: bool = False) -> None:
        concerned = [
            x for x in self._waiting if x.trade_id == trade_id and (x.is_opening or not is_opened)
        ]
        if is_final:
            self._waiting = [x for x in self._waiting if x not in concerned]
        for follower in concerned:
            self._emit(
                CommandReported,
                request_id=follower.request_id,
                door=follower.door,
                who=follower.who,
                command=follower.command,
                text=text,
                is_final=is_final,
            )
