"""Binance's REST interface, as far as the archive needs it: aggregate trades by id and by time.

The venue counts weight by the minute and bans who goes on after a 429. So the weight it reports
with every reply is watched: above half of the limit the next request waits for the next minute,
and after 429 or 418 nothing is sent before ``Retry-After`` has passed, by later processes neither.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import orjson
import requests

from actors.ports import Clock
from adapters.binance.bans import Bans
from adapters.binance.frames import Malformed, rows_of
from domain.ticks import Ticks, is_spot, venue_name

PAGE = 1_000
TIMEOUT = (5.0, 15.0)
"""Seconds to connect, and between two pieces of a reply."""
INVALID_SYMBOL = -1121
SHARE = 0.5
"""The part of the venue's weight limit that is used: others may share the address."""
_BANNED = frozenset({418, 429})
_BAN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Market:
    """How one of the two markets is asked. ``weight`` is the limit per minute."""

    path: str
    weight: int


USDM = Market("/fapi/v1/aggTrades", 2_400)
SPOT = Market("/api/v3/aggTrades", 6_000)


class Unavailable(Exception):
    """No answer that says anything: network, 5xx, or banned for ``wait`` seconds."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


class Refused(Exception):
    """The venue answered that it will not: a symbol it does not know, a bad parameter."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{reason} ({code})")
        self.code = code


class BinanceRest:
    """One market's aggregate trades. One caller at a time.

    ``pause(seconds)`` waits, and returns true when the wait was cut short because all is over.
    """

    def __init__(
        self,
        base_url: str,
        market: Market,
        clock: Clock,
        pause: Callable[[float], bool],
        bans: Bans,
    ) -> None:
        self._url = base_url + market.path
        self._market = market
        self._clock = clock
        self._pause = pause
        self._bans = bans
        self._session = requests.Session()
        self._session.trust_env = False
        self._resume_at = 0.0
        self.used_weight = 0

    def close(self) -> None:
        self._session.close()

    def from_id(self, symbol: str, first: int) -> Ticks | None:
        """Up to a thousand ticks beginning at that id, in order; None when there are none.

        Raises:
            Unavailable, Refused, Malformed
        """
        return self._ticks(symbol, {"fromId": first, "limit": PAGE})

    def at_time(self, symbol: str, start_ms: int) -> Ticks | None:
        """The first ticks at or after a time, found hour by hour for a day; None when none are.

        Raises:
            Unavailable, Refused, Malformed
        """
        hour = 3_600_000
        for start in range(start_ms, start_ms + 24 * hour, hour):
            window = {"startTime": start, "endTime": start + hour - 1, "limit": 1}
            found = self._ticks(symbol, window)
            if found is not None:
                return found
        return None

    def latest(self, symbol: str) -> Ticks | None:
        """The last tick; proves that the venue knows the symbol.

        Raises:
            Unavailable, Refused, Malformed
        """
        return self._ticks(symbol, {"limit": 1})

    def _ticks(self, symbol: str, query: Mapping[str, int]) -> Ticks | None:
        rows = self._get({"symbol": venue_name(symbol), **query})
        if not rows:
            return None
        ticks = rows_of(symbol, rows).in_order()
        if len(ticks) != len(rows):
            raise Malformed("an id comes twice")
        return ticks

    def _get(self, query: Mapping[str, str | int]) -> Sequence[Mapping[str, Any]]:
        self._heed_ban("not asked")
        self._wait_for_turn()
        try:
            reply = self._session.get(
                self._url, params=query, timeout=TIMEOUT, allow_redirects=False
            )
            body = reply.content
        except requests.RequestException as error:
            raise Unavailable(type(error).__name__) from None
        self._heed(reply)
        self._heed_ban(f"HTTP {reply.status_code}")
        if reply.status_code >= 500:
            raise Unavailable(f"HTTP {reply.status_code}")
        return _rows(reply.status_code, body)

    def _heed_ban(self, what: str) -> None:
        wait = self._bans.left(self._market.path)
        if wait > 0:
            raise Unavailable(f"{what}: too many requests, banned for {wait:.0f} s", wait)

    def _wait_for_turn(self) -> None:
        wait = self._resume_at - self._clock.monotonic()
        if wait > 0 and self._pause(wait):
            raise Unavailable("stopping")

    def _heed(self, reply: requests.Response) -> None:
        """Takes the venue's word on our weight, and on when to come back."""
        now = self._clock.monotonic()
        if reply.status_code in _BANNED:
            wait = _number(reply.headers.get("Retry-After"), _BAN_SECONDS)
            self._bans.impose(self._market.path, wait)
            return
        self.used_weight = int(_number(reply.headers.get("X-MBX-USED-WEIGHT-1M"), 0))
        if self.used_weight >= SHARE * self._market.weight:
            # The venue's minutes are those of the clock.
            self._resume_at = now + 60.0 - self._clock.now().second


def _number(text: str | None, otherwise: float) -> float:
    try:
        return float(text) if text is not None else otherwise
    except ValueError:
        return otherwise


def _rows(status: int, body: bytes) -> Sequence[Mapping[str, Any]]:
    """The rows of a reply, not looked into yet."""
    try:
        answer: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Unavailable(f"HTTP {status} without JSON") from None
    if status == 200 and isinstance(answer, list):
        return cast("list[Mapping[str, Any]]", answer)
    if status == 200 or not isinstance(answer, dict):
        raise Malformed("not a list")
    refusal = cast("Mapping[str, Any]", answer)
    if not isinstance(refusal.get("code"), int):
        raise Unavailable(f"HTTP {status}")
    raise Refused(refusal["code"], str(refusal.get("msg", ""))[:120])


def market_of(symbol: str) -> Market:
    """The market a symbol is of."""
    return SPOT if is_spot(symbol) else USDM
