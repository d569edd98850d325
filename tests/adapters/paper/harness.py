"""A paper exchange in process, with a client that talks to it in the venue's own words."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from adapters.paper import jsontext, rpc
from adapters.paper.errors import VenueError
from adapters.paper.exchange import Exchange
from adapters.paper.fees import STANDARD, Fees
from adapters.paper.hub import Notification
from adapters.paper.market import BookShape
from adapters.paper.switches import Switches

# A Friday, 2026-11-20 12:00:00 UTC: hours away from any settlement.
NOON = 1_795_176_000_000
INVERSE = "BTC-PERPETUAL"
LINEAR = "BTC_USDC-PERPETUAL"
# One tick wide and pinned to the index: at index 99999.5 the ask is exactly 100000.
PLAIN = BookShape(widest_spread_ticks=1, premium_bps=0)
BALANCES = {"BTC": Decimal(10), "ETH": Decimal(100), "USDC": Decimal(1_000_000)}


class Bench:
    """An exchange, one logged-in websocket session, and a clock that moves when told."""

    def __init__(
        self,
        *,
        seed: int = 7,
        shape: BookShape = PLAIN,
        balances: Mapping[str, Decimal] = BALANCES,
        rate_limits: bool = False,
        token_seconds: int = 30 * 24 * 3600,
        fees: Fees = STANDARD,
        **switches: Any,
    ) -> None:
        self.now_ms = NOON
        self.seed = seed
        self.settings: dict[str, Any] = {
            "rate_limits": rate_limits,
            "shape": shape,
            "token_seconds": token_seconds,
            "fees": fees,
            "switches": Switches(**switches),
        }
        self.exchange = Exchange(seed=seed, balances=balances, now_ms=self.now_ms, **self.settings)
        self.session = self.logged_in()

    def logged_in(self, scope: str | None = None) -> Any:
        """A new session with a token."""
        session = self.exchange.open_session()
        params = {"grant_type": "client_credentials", "client_id": "paper", "scope": scope}
        self.exchange.request(
            session, "public/auth", {**params, "client_secret": "paper"}, self.now_ms
        )
        return session

    def call(self, method: str, **params: Any) -> Any:
        """One request; a method without a family is private."""
        name = method if "/" in method else f"private/{method}"
        return self.exchange.request(self.session, name, params, self.now_ms)

    def refused(self, method: str, **params: Any) -> VenueError:
        """One request that must be refused."""
        with pytest.raises(VenueError) as caught:
            self.call(method, **params)
        return caught.value

    def move(self, btc: str | int | None = None, *, eth: str | None = None, ms: int = 1000) -> None:
        """Moves the clock, and the prices that are given."""
        self.now_ms += ms
        prices = {"btc_usd": btc, "eth_usd": eth}
        given = {name: Decimal(price) for name, price in prices.items() if price is not None}
        self.exchange.advance(self.now_ms, given)

    def ask_at(self, price: str | int, instrument: str = INVERSE) -> None:
        """Moves the market so that the best ask of a BTC instrument is exactly this."""
        tick = Decimal("0.5") if instrument == INVERSE else Decimal("0.1")
        self.move(str(Decimal(price) - tick))

    def bid_at(self, price: str | int) -> None:
        """Moves the market so that the best bid is exactly this."""
        self.move(str(price))

    def buy(self, amount: str | int, instrument: str = INVERSE, **params: Any) -> Any:
        """A market buy unless told otherwise."""
        return self._order("buy", amount, instrument, params)

    def sell(self, amount: str | int, instrument: str = INVERSE, **params: Any) -> Any:
        """A market sell unless told otherwise."""
        return self._order("sell", amount, instrument, params)

    def _order(self, side: str, amount: str | int, instrument: str, params: Any) -> Any:
        kind = {"type": "limit" if "price" in params else "market"} | params
        return self.call(side, instrument_name=instrument, amount=Decimal(amount), **kind)

    def stop(self, amount: str | int, trigger_price: str | int, **params: Any) -> Any:
        """A reduce-only stop_market sell on the mark price, unless told otherwise."""
        terms = {
            "type": "stop_market",
            "trigger": "mark_price",
            "trigger_price": Decimal(trigger_price),
            "reduce_only": True,
        }
        return self.sell(amount, **(terms | params))["order"]

    def linked(self, amount: str | int, kind: str, *legs: Any, **params: Any) -> Any:
        """A linked buy: at market, or at the ``price`` given."""
        terms = {"linked_order_type": kind, "otoco_config": list(legs)}
        return self.buy(amount, **(terms | params))

    def open(self, **terms: Any) -> list[Any]:
        """Open orders that have all these values."""
        return [
            order
            for order in self.call("get_open_orders")
            if all(order.get(name) == value for name, value in terms.items())
        ]

    def restart(self) -> None:
        """Saves the account as JSON and goes on with an exchange made of it."""
        text = jsontext.encode(self.exchange.snapshot())
        kept = jsontext.decode(text)
        self.exchange = Exchange.restore(kept, seed=self.seed, **self.settings)
        self.session = self.logged_in()

    def position(self, instrument: str = INVERSE) -> Any:
        """The position as the venue states it."""
        return self.call("get_position", instrument_name=instrument)

    def state(self, order_id: str) -> Any:
        """An order as the venue states it."""
        return self.call("get_order_state", order_id=order_id)

    def account(self, currency: str = "BTC") -> Any:
        """The summary of one currency."""
        return self.call("get_account_summary", currency=currency)

    def history(self, currency: str = "BTC") -> list[str]:
        """The states of the trigger history, oldest first."""
        entries = self.call("get_trigger_order_history", currency=currency)["entries"]
        return [entry["order_state"] for entry in reversed(entries)]

    def subscribe(self, *channels: str) -> Any:
        """Subscribes and drops the first frames."""
        accepted = self.call("subscribe", channels=list(channels))
        self.exchange.drain()
        return accepted

    def frames(self) -> list[Notification]:
        """What the channels said since the last look."""
        return self.exchange.drain()


class Wire(Bench):
    """The same over the text of JSON-RPC: what is asked and answered has been JSON."""

    def call(self, method: str, **params: Any) -> Any:
        name = method if "/" in method else f"private/{method}"
        body = jsontext.encode({"jsonrpc": "2.0", "id": 1, "method": name, "params": params})
        asked = rpc.from_body(body)
        value = self.exchange.request(self.session, asked.method, asked.params, self.now_ms)
        return jsontext.decode(rpc.result(1, value, 0, 0))["result"]
