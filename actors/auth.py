"""Auth: the venue session. Opens it, keeps its tokens fresh, brings it back.

One refresher only: the refresh token is single-use, so whoever else refreshed would kill ours.
When a refresh fails for any reason the way out is a fresh log-in. Credentials that are refused end
the process, unless trades are open: a venue that has had too many errors of ours refuses them for
a while as well.
"""

from collections.abc import Sequence
from typing import ClassVar

from actors.kernel import Actor, AskFailed, Context, HandlerTable
from actors.messages.book import BookSnapshot, GetBook
from actors.messages.lifecycle import StopAll
from actors.messages.session import (
    ConnectDue,
    GetCredentials,
    RefreshDue,
    RenewSession,
    SessionLost,
    SessionOpened,
    SessionRefused,
    SessionRestored,
    SubscribeDue,
    TokenRefreshed,
)
from actors.messages.venue import ConnectionLost
from actors.ports import Credentials, NotSent, OutcomeUnknown, Rejected, Session
from domain import venue_codes

REFRESH_AT = 0.8
REFRESH_MOST = 6 * 3600.0
"""Tokens of some accounts live for a year, but the clocks are compared at a refresh, and drift."""
RETRY_FIRST, RETRY_CAP = 0.25, 30.0
ASK_SECONDS = 2.0
REFUSED_RETRY = 5.0
REFUSED_RETRY_LATER = 60.0
REFUSED_LIMIT = 3
TOLD_MOST = 10
"""Tries between two refusals that a person hears of: ten minutes, once they are slow."""
RENEWED_JUST_NOW = 1.0
SUBSCRIBE_AGAIN = 15.0
EXIT_REFUSED = 77
WALLET_WRITE = "wallet:read_write"


class Auth(Actor):
    """Owner of the session; serves `Credentials`. Asks nobody but, before it gives up, the book."""

    handlers: ClassVar[HandlerTable] = {}

    def __init__(
        self,
        context: Context,
        *,
        session: Session,
        channels: Sequence[str],
        forbid_wallet_write: bool,
    ) -> None:
        super().__init__(context)
        self._session = session
        self._channels = tuple(channels)
        self._forbid_wallet_write = forbid_wallet_write
        self._credentials: Credentials | None = None
        self._failures = 0
        self._refusals = 0
        self._tell_at = 0
        self._was_open = False
        self._lost_at: float | None = None
        self._tried_at = float("-inf")

    def recover(self) -> None:
        # A predecessor's connection may still be up; its channels and tokens die with it.
        self._session.close()
        self._connect()

    def finish(self) -> None:
        self._session.close()

    def on_get_credentials(self, _: GetCredentials) -> Credentials | None:
        return self._credentials

    def on_connection_lost(self, message: ConnectionLost) -> None:
        if self._credentials is None:
            return
        self._credentials = None
        self.disarm(RefreshDue)
        self._retry_later(message.reason)

    def on_renew_session(self, message: RenewSession) -> bool:
        """Logs in afresh, unless that has just been tried for somebody else.

        Without a session too: the token of the fallback may be what was refused, and a position
        must not wait for its stop as long as the pauses between two tries have become.
        """
        is_recent = self.clock.monotonic() - self._tried_at < RENEWED_JUST_NOW
        if not is_recent and not self._refusals:
            self.log.warning("session_renewed", reason=message.reason)
            self._credentials = None
            self._session.close()
            self._connect()
        return self._credentials is not None

    def on_connect_due(self, _: ConnectDue) -> None:
        self._connect()

    def on_refresh_due(self, _: RefreshDue) -> None:
        if self._credentials is None:
            return
        try:
            self._adopt(self._session.refresh(self._credentials), "refresh_token")
        except (Rejected, OutcomeUnknown, NotSent) as error:
            # The old refresh token may be spent: only a fresh log-in is certain.
            self.log.warning("token_refresh_failed", error=str(error))
            self._credentials = None
            self._session.close()
            self._connect()

    def on_subscribe_due(self, _: SubscribeDue) -> None:
        """Without prices a stop does not follow them, and nothing is opened."""
        if self._credentials is None:
            return
        before = self._session.prices_left_out()
        try:
            self._session.subscribe_prices()
        except (Rejected, OutcomeUnknown, NotSent) as error:
            self.log.warning("prices_not_subscribed", channels=before, error=str(error))
        self._ask_again_for_prices(before)

    def _ask_again_for_prices(self, before: Sequence[str] = ()) -> None:
        left = self._session.prices_left_out()
        if left:
            self.after(SUBSCRIBE_AGAIN, SubscribeDue)
        if left != before:
            self.log.warning("prices_left_out", channels=left)

    def _connect(self) -> None:
        self._try_to_connect()
        self._tried_at = self.clock.monotonic()

    def _try_to_connect(self) -> None:
        try:
            credentials = self._session.open(self._channels, self._ensure_orders_survive)
        except Rejected as error:
            self._session.close()
            if error.code in venue_codes.BAD_CREDENTIALS:
                self._refused(f"the venue refuses these credentials ({error})")
            else:
                self._retry_later(str(error))
            return
        except (OutcomeUnknown, NotSent) as error:
            self._session.close()
            self._retry_later(str(error))
            return
        if self._forbid_wallet_write and WALLET_WRITE in credentials.scope.split():
            self._session.close()
            self._refused("the key may withdraw money (wallet:read_write): use one that may not")
            return
        self._failures = self._refusals = 0
        self._was_open = True
        self._adopt(credentials, "")
        self.emit(
            SessionOpened,
            channels=len(self._channels),
            scope=credentials.scope,
            expires_in=credentials.expires_in,
        )
        self._ask_again_for_prices()
        if self._lost_at is not None:
            seconds = self.clock.monotonic() - self._lost_at
            self.emit(SessionRestored, after_seconds=round(seconds, 3))
            self._lost_at = None

    def _ensure_orders_survive(self) -> None:
        """A venue that cancels our stops when the line drops would take the protection away.

        It does so with what was sent over a line on which this was on (docs.deribit.com, private/
        enable_cancel_on_disconnect), so no order may go before.
        """
        if not self._session.cancel_on_disconnect():
            return
        try:
            self._session.disable_cancel_on_disconnect()
        except Rejected as error:
            reason = f"cancel-on-disconnect is on, and not switched off: {error.reason}"
            raise Rejected(error.code, reason, error.data) from error
        self.log.warning("cancel_on_disconnect_disabled")

    def _adopt(self, credentials: Credentials, how: str) -> None:
        self._credentials = credentials
        seconds = min(max(1.0, credentials.expires_in * REFRESH_AT), REFRESH_MOST)
        self.after(seconds, RefreshDue)
        if how:
            self.emit(TokenRefreshed, expires_in=credentials.expires_in, how=how)

    def _retry_later(self, reason: str) -> None:
        self._failures += 1
        wait = min(RETRY_CAP, RETRY_FIRST * 2 ** min(self._failures - 1, 20))
        wait *= 1 + self.entropy.uniform(0, 0.3)
        if self._lost_at is None:
            self._lost_at = self.clock.monotonic()
        self.emit(SessionLost, reason=reason, retry_in_seconds=round(wait, 2))
        self.after(wait, ConnectDue)

    def _refused(self, reason: str) -> None:
        self._refusals += 1
        self._credentials = None
        self._tell_refusal(reason)
        if not self._was_open and self._refusals < REFUSED_LIMIT:
            self.after(REFUSED_RETRY, ConnectDue)
        elif self._was_open or self._may_hold_trades():
            # Positions may be open: stay, keep watching, try slowly.
            self.after(REFUSED_RETRY_LATER, ConnectDue)
        else:
            stop = StopAll(at=self.clock.now(), reason=reason, exit_code=EXIT_REFUSED)
            self.to(self.context.supervisor).tell(stop)

    def _tell_refusal(self, reason: str) -> None:
        """Each of the first tries, which may end the process; then ever more rarely."""
        attempt = self._refusals
        if REFUSED_LIMIT < attempt < self._tell_at:
            self.log.warning("log_in_refused", reason=reason, attempt=attempt)
            return
        self._tell_at = attempt + min(attempt, TOLD_MOST)
        self.emit(SessionRefused, reason=reason, attempt=attempt)

    def _may_hold_trades(self) -> bool:
        """Whether a trade is open, for all we know."""
        try:
            book: BookSnapshot = self.to("registry").ask(
                GetBook(at=self.clock.now()), timeout=ASK_SECONDS
            )
        except AskFailed as error:
            self.log.warning("book_unreadable", error=str(error))
            return True
        return bool(book.trades)


Auth.handlers = {
    GetCredentials: Auth.on_get_credentials,
    ConnectionLost: Auth.on_connection_lost,
    RenewSession: Auth.on_renew_session,
    ConnectDue: Auth.on_connect_due,
    RefreshDue: Auth.on_refresh_due,
    SubscribeDue: Auth.on_subscribe_due,
}
