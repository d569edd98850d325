"""The paper exchange without its sockets: requests and prices in, results and frames out.

Deterministic: the same seed, requests, prices and times give the same bytes. Time comes in
as an argument, in milliseconds since the epoch, and is taken for the venue's own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Self

import orjson

from adapters.paper import booking, gating, linking, risk, snapshot, ticking
from adapters.paper.account_log import Scribe
from adapters.paper.catalogue import CURRENCIES
from adapters.paper.engine import Engine
from adapters.paper.errors import refusal
from adapters.paper.fees import STANDARD, Fees
from adapters.paper.hub import Hub, Notification
from adapters.paper.limits import BY_STREAM, RateLimits
from adapters.paper.market import INDEX_EVERY_MS, BookShape
from adapters.paper.methods import METHODS
from adapters.paper.methods.call import Call, Method
from adapters.paper.params import Params
from adapters.paper.sessions import Sessions, SessionState, allows
from adapters.paper.switches import Switches
from domain.exact import exact

_DEFAULT_SHAPE = BookShape()
_DEFAULT_SWITCHES = Switches()


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """One instrument at a glance; ``position`` is a signed amount, triggers count as orders."""

    instrument: str
    index: Decimal
    mark: Decimal
    position: Decimal
    orders: int


class Exchange:
    """A Deribit in a box. One account, one client id.

    ``balances`` per currency (BTC, ETH, USDC) count only for a new account. ``rate_limits``
    turns the limits of the lowest tier on; ``switches`` decide what the venue does not publish,
    ``index_every_ms`` how often index and mark are published.
    """

    def __init__(
        self,
        *,
        seed: int,
        balances: Mapping[str, Decimal],
        now_ms: int,
        client_id: str = "paper",
        client_secret: str = "paper",  # noqa: S107 - the published log-in of a pretend venue
        token_seconds: int = 900,
        rate_limits: bool = True,
        shape: BookShape = _DEFAULT_SHAPE,
        switches: Switches = _DEFAULT_SWITCHES,
        fees: Fees = STANDARD,
        index_every_ms: int = INDEX_EVERY_MS,
    ) -> None:
        unknown = sorted(set(balances) - set(CURRENCIES))
        if unknown:
            raise ValueError(f"no account in {', '.join(unknown)}")
        self._engine = Engine(
            seed=seed,
            shape=shape,
            balances=balances,
            now_ms=now_ms,
            switches=switches,
            fees=fees,
            index_every_ms=index_every_ms,
        )
        for currency, cash in self._engine.account.balances.items():
            if cash:
                booking.log_cash(self._engine, "deposit", currency, cash)
        self._hub = Hub(self._engine)
        self._scribe = Scribe(self._engine)
        self._sessions = Sessions(
            seed=seed, client_id=client_id, client_secret=client_secret, seconds=token_seconds
        )
        self._limits = RateLimits(enabled=rate_limits)

    @property
    def engine(self) -> Engine:
        """The state itself, for judges and for those who act at the venue without a request."""
        return self._engine

    @property
    def revision(self) -> int:
        """Rises whenever orders, fills or account settings changed: what has to be saved."""
        return self._engine.revision

    @property
    def sessions(self) -> Sessions:
        """Tokens and signatures, for the server that reads HTTP headers."""
        return self._sessions

    @property
    def steps(self) -> int:
        """How many times the market has moved, over the whole life of the account."""
        return self._engine.ids.counters.get("steps", 0)

    def prices(self) -> dict[str, Decimal]:
        """What `advance` was told last, by the names it takes."""
        markets = self._engine.markets.values()
        return {market.instrument.price_index: market.spot for market in markets}

    def overview(self) -> list[Overview]:
        """How each instrument stands, for a person to read."""
        engine = self._engine
        live = engine.ledger.live.values()
        return [
            Overview(
                instrument=name,
                index=market.index,
                mark=market.mark,
                position=market.instrument.amount(engine.account.contracts(name)),
                orders=sum(each.instrument_name == name for each in live),
            )
            for name, market in engine.markets.items()
        ]

    @exact
    def equities(self) -> dict[str, Decimal]:
        """What the account is worth in each currency."""
        return {currency: risk.equity(self._engine, currency) for currency in CURRENCIES}

    def open_session(self, *, is_websocket: bool = True) -> SessionState:
        """A new connection, not logged in (``public/auth`` does that)."""
        by_default = self._engine.account.cancel_on_disconnect
        return SessionState(
            session_id=self._engine.ids.session(),
            is_websocket=is_websocket,
            opened_ms=self._engine.now_ms,
            cancel_on_disconnect=is_websocket and by_default,
        )

    @exact
    def close_session(self, session: SessionState, now_ms: int) -> None:
        """Ends a connection; cancels its orders if it asked for cancel on disconnect."""
        self._engine.now_ms = max(now_ms, self._engine.now_ms)
        self._hub.unsubscribe(session, list(session.channels))
        self._sessions.close(session)
        if session.cancel_on_disconnect:
            made_here = session.session_id
            for order in self._engine.ledger.select(lambda each: each.session_id == made_here):
                self._engine.cancel(order, reason="cancel_on_disconnect")
        self._follow_up()

    @exact
    def request(
        self, session: SessionState, method: str, params: Mapping[str, Any], now_ms: int
    ) -> Any:
        """Runs one method; the result is plain JSON values and decimals.

        Raises:
            VenueError: the venue's refusal.
        """
        self._engine.now_ms = max(now_ms, self._engine.now_ms)
        known = METHODS.get(method)
        if known is None:
            raise refusal(-32601)
        call = Call(
            engine=self._engine,
            hub=self._hub,
            sessions=self._sessions,
            session=session,
            params=Params(params),
            now_ms=self._engine.now_ms,
        )
        self._admit(call, known)
        try:
            return known.run(call)
        finally:
            # A refusal may have changed something too: a post-only edit cancels its order.
            self._follow_up()

    def _follow_up(self) -> None:
        """Places and ends what hangs on what just happened, and tells the channels."""
        linking.attend(self._engine)
        self._hub.absorb(self._engine.take_changes())

    def _admit(self, call: Call, method: Method) -> None:
        if method.websocket_only and not call.session.is_websocket:
            raise refusal(10030)
        if method.needs:
            token = call.params.text("access_token", "")
            grant = self._sessions.grant(call.session, token, call.now_ms)
            if not allows(grant, method.needs):
                raise refusal(13021)
        is_known = bool(method.needs) or self._sessions.knows(call.session, call.now_ms)
        bucket = method.bucket
        if call.session.is_websocket:
            bucket = BY_STREAM.get(bucket, bucket)
        self._limits.spend(bucket, call.now_ms, is_known=is_known)

    @exact
    def advance(self, now_ms: int, prices: Mapping[str, Decimal]) -> None:
        """Moves time and prices (``btc_usd``, ``eth_usd``): the book at once, then the rest."""
        ticking.advance(self._engine, now_ms, prices)
        self._follow_up()

    def set_state(self, instrument_name: str, state: str) -> None:
        """Puts a book into another state: ``open``, ``locked``, ``halted`` or ``inactive``.

        Raises:
            ValueError: there is no such instrument or state.
        """
        if state not in gating.STATES or instrument_name not in self._engine.markets:
            raise ValueError(f"{instrument_name} cannot be {state}")
        if self._engine.markets[instrument_name].state == state:
            return
        self._engine.markets[instrument_name].state = state
        self._engine.changes.moved.add(instrument_name)
        self._engine.revision += 1
        self._hub.absorb(self._engine.take_changes())

    def set_maintenance(self, *, is_on: bool) -> None:
        """Says on ``platform_state`` that maintenance begins or ends."""
        if self._engine.is_in_maintenance != is_on:
            self._engine.is_in_maintenance = is_on
            self._hub.tell("platform_state", {"maintenance": is_on})

    def set_depth(self, size_percent: int) -> None:
        """From the next step on, every level of the books holds so much of what is usual."""
        shape = self._engine.shape
        size = max(1, shape.size_pct * size_percent // 100)
        for market in self._engine.markets.values():
            market.shape = replace(shape, size_pct=size)

    def drain(self) -> list[Notification]:
        """The frames for subscribers since the last call."""
        return self._hub.drain()

    def snapshot(self) -> dict[str, Any]:
        """Account, orders, ids and prices as plain JSON values."""
        return orjson.loads(snapshot.encode(snapshot.dump(self._engine)))

    def whole(self) -> bytes:
        """The snapshot as text: what a log of the account begins with."""
        return self._scribe.whole()

    def entry(self) -> bytes:
        """What is new since the last call of this or of `whole`: the next line of the log."""
        return self._scribe.entry()

    @classmethod
    def restore(cls, kept: Mapping[str, Any], *, seed: int, **settings: Any) -> Self:
        """An exchange that goes on where ``snapshot`` was taken; ``settings`` as for a new one.

        Raises:
            KeyError, TypeError, ValueError: ``kept`` is not a snapshot of this version.
        """
        exchange = cls(seed=seed, balances={}, now_ms=kept["now_ms"], **settings)
        exact(snapshot.load)(exchange._engine, kept)
        exchange._scribe = Scribe(exchange._engine)
        return exchange
