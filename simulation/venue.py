"""The paper exchange's engine in process: the venue of scenarios and of the simulation.

The production client (`adapters.deribit`) runs on top, unchanged; only its two transports are
replaced by `EngineRpc`, which calls the engine after a latency in virtual time and does to a
request whatever the test or the seed wants done: lose it, lose its reply, refuse it, break the
line.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, cast

from pykka import Future, Timeout

from actors.messages.base import Report
from actors.ports import NotSent, OutcomeUnknown
from adapters.deribit import codec, news
from adapters.deribit.catalogue import Catalogue
from adapters.deribit.channels import Channels
from adapters.deribit.http import HttpRpc, reach_seconds
from adapters.deribit.limits import Limiter
from adapters.deribit.link import DEAD_AFTER_SECONDS
from adapters.deribit.server_clock import ServerClock
from adapters.deribit.session import DeribitSession
from adapters.deribit.venue import DeribitVenue
from adapters.deribit.websocket import WebSocketRpc, is_for_later
from adapters.paper import jsontext
from adapters.paper.errors import VenueError
from adapters.paper.exchange import Exchange
from adapters.paper.faults import fates
from adapters.paper.faults.fates import Answer, Phase
from adapters.paper.faults.weather import Weather
from adapters.paper.market import BookShape
from adapters.paper.switches import Switches
from simulation.runtime import VirtualWorld


class Fate(Enum):
    """What happens to one request."""

    REQUEST_LOST = "request lost"
    REPLY_LOST = "reply lost"
    NOT_SENT = "not sent"


@dataclass(frozen=True, slots=True)
class Refusal:
    """The venue refuses with this code, without looking."""

    code: int
    message: str = "refused on purpose"


Sent = Callable[[str, Mapping[str, Any]], None]
"""Hears of each request as it leaves."""

Faults = Callable[[str, Mapping[str, Any]], Fate | Refusal | None]
"""Decides the fate of each request by method and parameters; None lets it through."""


def no_faults(method: str, params: Mapping[str, Any]) -> None:
    """A kind world."""
    del method, params


Frame = tuple[str, Mapping[str, Any]]
"""A channel and its decoded notification, under ``d``."""


class EngineRpc:
    """One transport: the stream (a connection with subscriptions) or plain requests.

    A request travels on its own: once sent it reaches the engine, even if the sender dies or the
    connection breaks meanwhile.
    """

    def __init__(self, market: "VirtualMarket", *, is_stream: bool) -> None:
        self._market = market
        self._is_stream = is_stream
        self._token = ""
        self._line = market.exchange.open_session(is_websocket=is_stream)
        self._waiting: list[Future[bytes]] = []
        self._by_label: dict[str, Future[bytes]] = {}
        self.is_connected = self._is_authorized = not is_stream
        self.mute_since: float | None = None

    def connect(self) -> None:
        market = self._market
        status = None
        if market.weather is not None:
            status = market.weather.faults.connecting(market.world.now_ms())
        if market.is_partitioned or status is not None:
            raise NotSent(f"the venue cannot be reached ({status or 'no answer'})")
        self.close()
        self._line = self._market.exchange.open_session(is_websocket=True)
        self.is_connected, self._is_authorized, self.mute_since = True, False, None
        self._market.streams.append(self)

    def authorize(self, access_token: str = "") -> None:
        self._token, self._is_authorized = access_token, True

    def close(self) -> None:
        if self._is_stream and self.is_connected:
            self.is_connected = False
            self._market.streams.remove(self)
            self._market.exchange.close_session(self._line, self._market.venue_ms())
            waiting, self._waiting = self._waiting, []
            for reply in waiting:
                reply.set_exception((None, OutcomeUnknown("the connection broke"), None))

    def drop(self, reason: str) -> None:
        """The connection breaks."""
        self.close()
        self._market.channels.on_lost(reason)

    def go_mute(self) -> None:
        """The connection is half open from now on: it takes bytes, and brings none."""
        self.mute_since = self._market.world.monotonic()

    def _end_if_dead(self) -> None:
        """As `adapters.deribit.link` does with a connection that owes a reply and is silent."""
        now = self._market.world.monotonic()
        if self.mute_since is not None and now - self.mute_since > DEAD_AFTER_SECONDS:
            self.drop("no reply, and nothing received")

    def call(self, method: str, params: Mapping[str, Any], *, timeout: float) -> Any:
        market = self._market
        fate = market.faults(method, params)
        if not self.is_connected or fate is Fate.NOT_SENT:
            raise NotSent(f"{method}: not connected")
        if not self._is_authorized and is_for_later(method):
            raise NotSent(f"{method}: not logged in yet")
        if market.is_partitioned and not self._is_stream:
            market.world.sleep(reach_seconds(timeout))
            raise NotSent(f"{method}: no connection to be had")
        for hear in market.hearers:
            hear(method, params)
        spoilt = self._spoilt(method, params)
        reply = market.world.future()
        self._waiting.append(reply)
        label = news.awaited(method, params)
        if label and self._is_stream:
            self._by_label[label] = reply
        never = not spoilt.is_run and spoilt.answer is Answer.NOTHING
        is_lost = fate is Fate.REQUEST_LOST or self.mute_since is not None
        if not is_lost and not market.is_partitioned and not never:
            sent = codec.decode(codec.encode(1, method, params))["params"]
            sent = market.garble(sent) if market.garble else sent
            market.world.at(
                market.world.monotonic() + market.latency() + spoilt.out_ms / 1000,
                lambda: self._arrive(method, sent, fate, spoilt, reply),
            )
        try:
            answer = reply.get(timeout=timeout)
        except Timeout:
            self._end_if_dead()
            raise OutcomeUnknown(f"{method}: no reply within {timeout:.3g} s") from None
        finally:
            if reply in self._waiting:
                self._waiting.remove(reply)
            self._by_label.pop(label, None)
        return codec.result(answer, method)

    def _spoilt(self, method: str, params: Mapping[str, Any]) -> fates.Fate:
        """What the fault plan in force makes of a request."""
        market = self._market
        if market.weather is None:
            return fates.UNTOUCHED
        line = self._line.session_id if self._is_stream else ""
        fate = market.weather.fate(method, params, line, market.world.now_ms())
        if fate is not fates.UNTOUCHED and fate != fates.UNTOUCHED:
            label = str(params.get("label", ""))
            market.struck(f"{fate.answer.value} to {method} {label}".rstrip(), 0.0)
        return fate

    def _arrive(
        self,
        method: str,
        params: Mapping[str, Any],
        fate: Fate | Refusal | None,
        spoilt: fates.Fate,
        reply: Future[bytes],
    ) -> None:
        """At the venue. What it has to say travels back, or not."""
        market = self._market
        try:
            run = Weather.carry_out(spoilt, lambda: self._answer(method, params, fate))
            answer = run or b""
        except VenueError as error:
            answer = _error(error)
            if error.ends_session:
                self._hung_up_on(error)
        market.deliver()
        if fate is Fate.REPLY_LOST or spoilt.answer is Answer.NOTHING:
            return
        answer = spoilt.spoiled(answer)

        def back() -> None:
            if reply not in self._waiting or self.mute_since is not None:
                return
            self._waiting.remove(reply)
            if spoilt.answer in {Answer.PAGE, Answer.BREAK}:
                lost = OutcomeUnknown(f"{method}: {spoilt.answer.value}")
                reply.set_exception((None, lost, None))
            else:
                reply.set(answer)

        market.world.at(market.world.monotonic() + market.latency() + spoilt.back_ms / 1000, back)
        if spoilt.answer is Answer.BREAK and self._is_stream:
            self._hung_up_on(VenueError(0, "the connection broke"))

    def _answer(self, method: str, params: Mapping[str, Any], fate: Fate | Refusal | None) -> bytes:
        market = self._market
        if market.keeps_calls:
            market.calls.append((method, dict(params)))
        if isinstance(fate, Refusal):
            raise VenueError(fate.code, fate.message)
        if not self._is_stream:
            self._line.access_token = self._token
        result = market.exchange.request(self._line, method, params, market.venue_ms())
        for look in market.arrivals:
            look(method, params)
        return market.told({"jsonrpc": "2.0", "id": 1, "result": result})

    def hear(self, channel: str, data: object) -> None:
        """News do as the reply to an order, when that has not come a moment later."""
        if not self._by_label:
            return
        for label, result in news.replies(channel, data):
            reply = self._by_label.get(label)
            if reply is not None:
                text = jsontext.encode({"jsonrpc": "2.0", "id": 1, "result": result})
                self._do_with(reply, text)

    def _do_with(self, reply: Future[bytes], news_text: bytes) -> None:
        def settle() -> None:
            if reply in self._waiting:
                self._waiting.remove(reply)
                reply.set(news_text)

        world = self._market.world
        world.at(world.monotonic() + news.GRACE_SECONDS, settle)

    def _hung_up_on(self, error: VenueError) -> None:
        """10028: the venue says so, and hangs up."""
        if self._is_stream:
            self._market.world.at(
                self._market.world.monotonic() + 2 * self._market.latency(),
                lambda: self.drop(error.message),
            )


def _error(error: VenueError) -> bytes:
    told = {"code": error.code, "message": error.message, "data": error.data}
    return jsontext.encode({"jsonrpc": "2.0", "id": 1, "error": told})


def _unnoted(what: str, lasts: float) -> None:
    """Before anybody notes what strikes, and for how many seconds."""
    del what, lasts


def _unheard(report: Report) -> None:
    """Before anybody listens."""
    del report


class VirtualMarket:
    """An engine, its prices, and every connection to it, in one virtual world.

    ``switches`` decide what the real venue does not publish; ``one_way_seconds`` is the latency of
    half a round trip. Prices stand still until `move`. While ``is_partitioned``, requests of the
    stream are swallowed and nothing else gets through. ``onlookers`` are called whenever the engine
    may have changed, ``hearers`` when a request leaves, ``arrivals`` when one was carried out;
    ``weather`` is the fault plan in force, ``struck`` is told what it does, and ``garble`` changes
    what is on its way, ``reword`` the text of what comes back. ``secret`` is what the next `client`
    logs in with.
    """

    def __init__(
        self,
        world: VirtualWorld,
        *,
        seed: int = 1,
        balances: Mapping[str, Decimal] | None = None,
        prices: Mapping[str, Decimal] | None = None,
        one_way_seconds: float = 0.005,
        shape: BookShape | None = None,
        switches: Switches | None = None,
    ) -> None:
        self.world = world
        self.exchange = Exchange(
            seed=seed,
            balances=balances or {"BTC": Decimal(10), "ETH": Decimal(100), "USDC": Decimal(10**5)},
            now_ms=world.now_ms(),
            shape=shape or BookShape(),
            switches=switches or Switches(),
        )
        self.prices = dict(prices or {"btc_usd": Decimal(100_000), "eth_usd": Decimal(3_200)})
        self.faults: Faults = no_faults
        self.is_partitioned = False
        self.streams: list[EngineRpc] = []
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.lost_notifications = False
        self.secret = "paper"  # noqa: S105 (the published log-in of a pretend venue)
        self.onlookers: list[Callable[[], None]] = []
        self.hearers: list[Sent] = []
        self.arrivals: list[Sent] = []
        self.garble: Callable[[dict[str, Any]], dict[str, Any]] | None = None
        self.reword: Callable[[bytes], bytes] | None = None
        self.keeps_calls = True
        self.tick_seconds = 1.0
        self.weather: Weather | None = None
        self.struck: Callable[[str, float], None] = _unnoted
        self._one_way = one_way_seconds
        self._publish: Callable[[Report], None] = _unheard
        self.catalogue = Catalogue()
        self.channels = Channels(self.catalogue, world, self._told)
        self.advance()

    def venue_ms(self) -> int:
        """The venue's clock."""
        now_ms = self.world.now_ms()
        return self.weather.venue_ms(now_ms) if self.weather else now_ms

    def latency(self) -> float:
        """Seconds one way, a little different each time."""
        return self._one_way * self.world.uniform(0.8, 1.2)

    # -- for the daemon -----------------------------------------------------------------------

    def client(self, publish: Callable[[Report], None]) -> tuple[DeribitVenue, DeribitSession]:
        """The production client over this market; a new one for each process."""
        self._publish = publish
        stream = EngineRpc(self, is_stream=True)
        plain = EngineRpc(self, is_stream=False)
        clock = ServerClock(self.world)
        venue = DeribitVenue(
            stream, plain, self.catalogue, self.world, Limiter(self.world), server_clock=clock
        )
        session = DeribitSession(
            cast(WebSocketRpc, stream), cast(HttpRpc, plain), clock, "paper", self.secret
        )
        return venue, session

    def _told(self, report: Report) -> None:
        self._publish(report)

    def slow_down(self, one_way_seconds: float) -> None:
        """From now on everything takes so long, one way."""
        self._one_way = one_way_seconds

    def hang_up(self, reason: str = "connection reset") -> None:
        """Breaks every stream."""
        for stream in list(self.streams):
            stream.drop(reason)

    # -- for the test ---------------------------------------------------------------------------

    def move(self, **prices: str | int | Decimal) -> None:
        """Sets index prices (``btc_usd=99_000``) and lets the engine follow."""
        self.prices |= {name: Decimal(price) for name, price in prices.items()}
        self.advance()

    def advance(self) -> None:
        """One tick at today's prices and the world's time."""
        if self.weather is None:
            self.exchange.advance(self.world.now_ms(), self.prices)
            self.deliver()
            return
        moved = self.weather.advance(self.world.now_ms(), self.prices)
        for fault, phase in moved.happened:
            lasts_ms = getattr(fault, "lasts", None) or 0
            if phase is not Phase.ENDED:
                self.struck(fault.name, lasts_ms / 1000)
        self.deliver()
        if moved.hangs_up:
            self.hang_up("the venue closed the connection")

    def tick_every(self, seconds: float) -> None:
        """Ticks for ever, as a living market does; `tick_seconds` may change meanwhile."""
        self.tick_seconds = seconds

        def tick() -> None:
            self.advance()
            self.world.at(self.world.monotonic() + self.tick_seconds, tick)

        self.world.at(self.world.monotonic() + seconds, tick)

    def told(self, value: object) -> bytes:
        """The JSON text of what the daemon gets to read."""
        text = jsontext.encode(value)
        return self.reword(text) if self.reword else text

    def deliver(self) -> None:
        """Sends what the engine has to say to its subscribers, half a round trip later."""
        for look in self.onlookers:
            look()
        notifications = self.exchange.drain()
        is_deaf = self.lost_notifications or self.is_partitioned
        listening = [x for x in self.streams if x.mute_since is None]
        if not notifications or not listening or is_deaf:
            return
        frames = [(x.channel, codec.decode(self.told({"d": x.data}))) for x in notifications]
        now = self.world.monotonic()
        if self.weather is None or self.weather.faults.is_quiet:
            self.world.at(now + self.latency(), lambda: self._hear(frames, listening))
            return
        for frame in frames:
            self._send(frame, listening, now + self.latency())

    def _hear(self, frames: Sequence[Frame], listening: Sequence[EngineRpc]) -> None:
        # What was on its way over a connection that broke is lost.
        if any(x in self.streams and x.mute_since is None for x in listening):
            for channel, frame in frames:
                self.channels.on_notification(channel, frame["d"])
                for stream in listening:
                    stream.hear(channel, frame["d"])

    def _send(self, frame: Frame, listening: Sequence[EngineRpc], arrives: float) -> None:
        """One notification, with what the fault plan makes of it."""
        if self.weather is None:
            return
        fate = self.weather.faults.notification(frame[0], self.world.now_ms())
        if fate != fates.AT_ONCE:
            self.struck(f"{frame[0]} comes after {fate.delays} ms", 0.0)
        held = (fate.held_ms or 0.0) / 1000
        for delay_ms in fate.delays:
            when = arrives + held + delay_ms / 1000
            self.world.at(when, lambda: self._hear([frame], listening))

    def ask(self, method: str, **params: Any) -> Any:
        """A request by somebody else with the same keys: a person in the web interface."""
        line = self.exchange.open_session()
        line.is_trusted = True
        reply = self.exchange.request(line, method, params, self.venue_ms())
        self.deliver()
        return codec.decode(jsontext.encode({"r": reply}))["r"]

    def sent(self, *methods: str) -> Sequence[dict[str, Any]]:
        """The parameters of every request of these methods that reached the engine."""
        return [params for method, params in self.calls if method in methods]
