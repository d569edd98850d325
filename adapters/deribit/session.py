"""The logged-in connection: log-in, refresh, heartbeat, subscriptions. Its only user is Auth."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from actors.ports import Credentials, NotSent, OutcomeUnknown, Rejected
from adapters.deribit import wire
from adapters.deribit.channels import TICKER
from adapters.deribit.errors import Throttled, Unreadable
from adapters.deribit.http import HttpRpc
from adapters.deribit.server_clock import ServerClock
from adapters.deribit.websocket import WebSocketRpc

MIN_HEARTBEAT_SECONDS = 10
"""The venue refuses a shorter interval."""


TRIES = (0.1, 0.3, 0.6)
"""Shares of its time that the tries of a call may take; see `DeribitSession._log_in`, too."""
BRISK = 0.2
"""Share of that time the first try of a log-in may take."""
RENEW_AFTER = 0.8
"""Share of a token's life after which it is worth a new one."""


class DeribitSession:
    """Implements `actors.ports.Session`.

    The token is asked for with scope ``session:<name>``, so it outlives the connection and may
    be used over HTTP as well. A websocket is logged in by the ``public/auth`` sent on it; HTTP
    gets the token as a header. Neither secret nor token ever shows in an error, log or repr.
    """

    def __init__(
        self,
        stream: WebSocketRpc,
        http: HttpRpc,
        server_clock: ServerClock,
        client_id: str,
        client_secret: str,
        *,
        heartbeat_seconds: int = 30,
        session_name: str = "bulwark",
        timeout: float = 5.0,
    ) -> None:
        if heartbeat_seconds < MIN_HEARTBEAT_SECONDS:
            raise ValueError(f"the heartbeat must be at least {MIN_HEARTBEAT_SECONDS} s")
        self._stream = stream
        self._http = http
        self._server_clock = server_clock
        self._client_id = client_id
        self._client_secret = client_secret
        self._heartbeat_seconds = heartbeat_seconds
        self._session_name = session_name
        self._timeout = timeout
        self._renew_at_ms: int | None = None
        self._left_out: tuple[str, ...] = ()

    def open(
        self, channels: Sequence[str], before_orders: Callable[[], None] = lambda: None
    ) -> Credentials:
        """Connects, logs in, sets the heartbeat, subscribes and compares the clocks.

        ``before_orders`` is called before the connection takes any but our own questions:
        should it raise, nothing of anybody's has gone over a connection that is closed again.

        Raises:
            NotSent: no connection.
            Rejected: wrong credentials, among others.
            OutcomeUnknown: anything else, a channel the venue left out included.
        """
        try:
            self._stream.connect()
        except NotSent:
            self._keep_fallback_alive()
            raise
        try:
            credentials = self._log_in(self._stream)
            before_orders()
            self._stream.authorize()
            self._call("public/set_heartbeat", {"interval": self._heartbeat_seconds})
            self._left_out = self._subscribe(channels)
            self.server_time_ms()
        except BaseException:
            self._stream.close()
            raise
        return credentials

    def open_over_http(self) -> Credentials:
        """Logs in over HTTP alone and compares the clocks: for who needs no news.

        Raises:
            NotSent, Rejected, OutcomeUnknown: no log-in, or no time of the venue.
        """
        credentials = self._log_in(self._http)
        self._compare_clocks(self._http)
        return credentials

    def _keep_fallback_alive(self) -> None:
        """Logs in over HTTP when it has no token, or an old one, and the stream does not log in.

        Otherwise an outage of the websocket would take the fallback down with it, and with it
        the way to send a protective order: for a process that starts during one, at once.
        """
        is_fresh = (
            self._renew_at_ms is not None and self._server_clock.local_ms() < self._renew_at_ms
        )
        if is_fresh:
            return
        with suppress(NotSent, OutcomeUnknown):
            self._log_in(self._http)

    def refresh(self, credentials: Credentials) -> Credentials:
        """Spends the refresh token, which works once: an unknown outcome means a new log-in.

        Compares the clocks again on the way: they drift apart over days.
        """
        token = credentials.refresh_token
        grant = {"grant_type": "refresh_token", "refresh_token": token}
        try:
            renewed = self._authenticate(self._stream, grant, token)
        except NotSent:
            return self._authenticate(self._http, grant, token)
        with suppress(NotSent, Rejected, OutcomeUnknown):  # the tokens are what counts
            self.server_time_ms()
        return renewed

    def close(self) -> None:
        """Lets go of both transports; whatever token there was is not believed in any more."""
        self._renew_at_ms = None
        self._stream.close()
        self._http.close()

    def cancel_on_disconnect(self) -> bool:
        """Whether either scope would cancel our orders when the connection drops."""
        return any(self._cancels_on_disconnect(scope) for scope in ("account", "connection"))

    def disable_cancel_on_disconnect(self) -> None:
        """Switches it off where it is on: the account scope needs a right of its own."""
        for scope in ("account", "connection"):
            if self._cancels_on_disconnect(scope):
                self._call("private/disable_cancel_on_disconnect", {"scope": scope})

    def server_time_ms(self) -> int:
        """The venue's time; the server clock is set by it."""
        return self._compare_clocks(self._stream)

    def _compare_clocks(self, rpc: WebSocketRpc | HttpRpc) -> int:
        sent_ms = 0

        def note_the_time() -> None:
            nonlocal sent_ms
            sent_ms = self._server_clock.local_ms()

        reply = self._call("public/get_time", {}, rpc, note_the_time)
        try:
            server_ms = wire.integer(reply)
        except ValueError as exc:
            raise Unreadable(f"public/get_time: {exc}") from exc
        self._server_clock.measured(server_ms, sent_ms, self._server_clock.local_ms())
        return server_ms

    def _call(
        self,
        method: str,
        params: Mapping[str, Any],
        rpc: WebSocketRpc | HttpRpc | None = None,
        on_try: Callable[[], None] = lambda: None,
    ) -> Any:
        """What may be asked twice: one lost reply does not cost the connection, nor much time.

        Before a session is open nobody acts, so the first wait is short. ``on_try`` is called
        before each try: the venue's time is compared with when that very request left.
        """
        rpc = rpc or self._stream
        *brisk, last = (share * self._timeout for share in TRIES)
        for timeout in brisk:
            on_try()
            try:
                return rpc.call(method, params, timeout=timeout)
            except Throttled:
                raise
            except OutcomeUnknown:
                pass
        on_try()
        return rpc.call(method, params, timeout=last)

    def _grant(self) -> Mapping[str, Any]:
        return {
            "grant_type": "client_credentials",
            "client_id": self._client_id,
            "client_secret": self._client_secret,
            "scope": f"session:{self._session_name}",
        }

    def _log_in(self, rpc: WebSocketRpc | HttpRpc) -> Credentials:
        """A fresh log-in, asked for again when its reply is lost: the newer tokens are used.

        A position may be bare meanwhile, so the first wait is short; a slow venue gets the rest.
        Before that HTTP gets a token: a stream that has gone mute may stay so.
        """
        brisk = BRISK * self._timeout
        try:
            return self._authenticate(rpc, self._grant(), self._client_secret, brisk)
        except Throttled:
            raise
        except OutcomeUnknown:
            if rpc is self._stream:
                self._keep_fallback_alive()
            rest = self._timeout - brisk
            return self._authenticate(rpc, self._grant(), self._client_secret, rest)

    def _authenticate(
        self,
        rpc: WebSocketRpc | HttpRpc,
        grant: Mapping[str, Any],
        secret: str,
        timeout: float | None = None,
    ) -> Credentials:
        """One ``public/auth``. An answer that quotes the secret back is blanked out."""
        try:
            reply = rpc.call("public/auth", grant, timeout=timeout or self._timeout)
        except Rejected as exc:
            reason, data = (text.replace(secret, "***") for text in (exc.reason, exc.data))
            raise Rejected(exc.code, reason, data) from None
        except OutcomeUnknown as exc:
            raise type(exc)(str(exc).replace(secret, "***")) from None
        credentials = _credentials(reply)
        self._http.authorize(credentials.access_token)
        life_ms = int(credentials.expires_in * 1000 * RENEW_AFTER)
        self._renew_at_ms = self._server_clock.local_ms() + life_ms
        return credentials

    def prices_left_out(self) -> Sequence[str]:
        """See `actors.ports.Session.prices_left_out`."""
        return self._left_out

    def subscribe_prices(self) -> None:
        """See `actors.ports.Session.subscribe_prices`."""
        self._left_out = self._subscribe(self._left_out)

    def _subscribe(self, channels: Sequence[str]) -> tuple[str, ...]:
        """Returns what was left out. The venue leaves out what it does not know, without an error.

        Of prices it may: an instrument that is listed no more is told of by who reads the
        catalogue, and must not take the news of all others away. That of a book that is not open
        (after maintenance, say) is left out as well (changelog of the JSON-RPC API, 06.10.2022).
        """
        if not channels:
            return ()
        accepted = self._call("private/subscribe", {"channels": list(channels)})
        names = {str(name).lower() for name in wire.as_list(accepted) or []}
        missing = [name for name in channels if name.lower() not in names]
        needed = sorted(name for name in missing if not name.startswith(TICKER))
        if needed:
            raise OutcomeUnknown(f"not subscribed: {', '.join(needed)}")
        return tuple(missing)

    def _cancels_on_disconnect(self, scope: str) -> bool:
        reply = self._call("private/get_cancel_on_disconnect", {"scope": scope})
        enabled = wire.as_object(reply).get("enabled")
        if not isinstance(enabled, bool):
            raise Unreadable("private/get_cancel_on_disconnect: no yes or no")
        return enabled


def _credentials(reply: Any) -> Credentials:
    """The tokens of a reply; what is wrong with them is not quoted."""
    try:
        return Credentials(
            access_token=_token(reply["access_token"]),
            refresh_token=_token(reply["refresh_token"]),
            expires_in=wire.integer(reply["expires_in"]),
            scope=str(reply.get("scope", "")),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Unreadable("public/auth: unreadable reply") from None


def _token(value: object) -> str:
    # A line break would end the HTTP header early.
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ValueError("no token")
    return value
