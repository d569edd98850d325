"""Who listens to which channel, and when each of them speaks.

Raw channels speak at every event, the others at their pace. A channel is rendered once for all
who listen; only a first frame (book, portfolio) is for the newcomer alone.
"""

from dataclasses import dataclass
from typing import Any

from adapters.paper import views
from adapters.paper.engine import Changes, Engine
from adapters.paper.errors import refusal, unauthorized
from adapters.paper.frames import (
    RENDER,
    Subscription,
    book_snapshot,
    is_any,
    is_dirty,
    states,
    ticker_snapshot,
)
from adapters.paper.sessions import SessionState
from adapters.paper.topics import Family, Topic, parse

_PORTFOLIO_PACE_MS = 1000
_PRICED = frozenset(
    {
        Family.BOOK,
        Family.DEPTH,
        Family.TICKER,
        Family.QUOTE,
        Family.PERPETUAL,
        Family.INDEX,
        Family.PLATFORM,
        Family.PORTFOLIO,
        Family.TICKER_STEPS,
        Family.STATE,
    }
)
_TAPED = frozenset({Family.TRADES, Family.CANDLES})
_SILENT = frozenset({Family.PUBLIC_METHODS, Family.OWN_QUIET})


@dataclass(frozen=True, slots=True)
class Notification:
    """One frame of a channel; ``session_id`` names the only receiver of a first frame."""

    channel: str
    data: Any
    session_id: str | None = None


class Hub:
    """All subscriptions of all sessions."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._subscriptions: dict[str, Subscription] = {}
        self._out: list[Notification] = []

    def subscribe(
        self, session: SessionState, channels: list[str], *, label: str, is_logged_in: bool
    ) -> list[str]:
        """Adds channels to a session; returns those that exist.

        Raises:
            VenueError: 13009 a private channel, 13778 a raw one, without a log-in.
        """
        topics = [topic for text in channels if (topic := parse(text))]
        if not is_logged_in:
            for topic in topics:
                _check_public(topic)
        for topic in topics:
            is_new = topic.text not in session.channels
            session.channels[topic.text] = label
            if is_new:
                self._join(session, topic)
        return [topic.text for topic in topics]

    def _join(self, session: SessionState, topic: Topic) -> None:
        subscription = self._subscriptions.setdefault(topic.text, Subscription(topic))
        subscription.sessions.add(session.session_id)
        first: list[Any] = []
        if topic.family is Family.BOOK:
            first = [book_snapshot(self._engine, subscription)]
        elif topic.family is Family.PORTFOLIO:
            first = [views.summary(self._engine, each) for each in topic.currencies]
        elif topic.family is Family.STATE:
            subscription.told = subscription.told or states(self._engine, subscription)
        elif topic.family is Family.TICKER_STEPS:
            first = [ticker_snapshot(self._engine, subscription)]
        elif topic.family is Family.PUBLIC_METHODS:
            first = [{"allow_unauthenticated_public_requests": True}]
        self._out += [Notification(topic.text, data, session.session_id) for data in first]

    def unsubscribe(self, session: SessionState, channels: list[str]) -> list[str]:
        """Takes channels off a session; returns those it had."""
        had = [text for text in channels if session.channels.pop(text, None) is not None]
        for text in had:
            subscription = self._subscriptions[text]
            subscription.sessions.discard(session.session_id)
            if not subscription.sessions:
                del self._subscriptions[text]
        return had

    def absorb(self, changes: Changes) -> None:
        """Hands what happened to every channel it concerns, and lets those speak that are due."""
        happened = is_any(changes)
        for subscription in self._subscriptions.values():
            if happened:
                _take_in(subscription, changes)
            if is_dirty(subscription) and self._engine.now_ms >= subscription.due_ms:
                self._speak(subscription)

    def _speak(self, subscription: Subscription) -> None:
        topic, now_ms = subscription.topic, self._engine.now_ms
        frames = RENDER[topic.family](self._engine, subscription)
        self._out += [Notification(topic.text, data) for data in frames]
        subscription.pending = Changes()
        is_portfolio = topic.family is Family.PORTFOLIO
        pace_ms = _PORTFOLIO_PACE_MS if is_portfolio else topic.interval_ms
        # The index is told when it is published: on the second.
        since_ms = now_ms // 1000 * 1000 if topic.family is Family.INDEX else now_ms
        subscription.due_ms = since_ms + pace_ms

    def tell(self, channel: str, data: Any) -> None:
        """A frame out of turn for all who listen to a channel."""
        if channel in self._subscriptions:
            self._out.append(Notification(channel, data))

    def drain(self) -> list[Notification]:
        """The frames since the last call, in order."""
        out, self._out = self._out, []
        return out


def _check_public(topic: Topic) -> None:
    if topic.is_private:
        raise unauthorized()
    if topic.is_raw:
        raise refusal(13778)


def _take_in(subscription: Subscription, changes: Changes) -> None:
    """Adds what concerns a channel to what it has still to say."""
    pending, names = subscription.pending, subscription.topic.instruments
    family = subscription.topic.family
    if family in _SILENT:
        return
    is_priced, is_taped = family in _PRICED, family in _TAPED
    if is_priced and changes.moved:
        pending.moved |= changes.moved & names
    if family is Family.PORTFOLIO:
        pending.cash |= changes.cash
        if changes.orders or changes.trades or changes.cash:
            subscription.due_ms = 0
    if not is_taped and changes.orders:
        pending.orders |= {
            key: order for key, order in changes.orders.items() if order.instrument_name in names
        }
    if not is_taped and changes.trades:
        pending.trades += [each for each in changes.trades if each.instrument_name in names]
    if (is_taped or is_priced) and changes.tape:
        pending.tape += [each for each in changes.tape if each[0] in names]
