"""Who is asking: log-ins, tokens, scopes, and what a connection has set for itself.

Tokens of the default ``connection`` scope die with their connection and work on no other;
a ``session:<name>`` scope outlives it. A refresh token works once.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.paper.errors import VenueError, invalid, refusal, unauthorized
from adapters.paper.params import Params
from adapters.paper.wire import USER_ID

_SIGNATURE_WINDOW_MS = 60_000
_REFRESH_LIFE_MS = 24 * 3_600_000
_LONGEST_LIFE_SECONDS = 365 * 24 * 3600
_MOST_SESSIONS = 16
_LONGEST_NAME = 64
_LONGEST_STAMP = 16
_DEFAULT_RIGHTS = {
    "account": "read_write",
    "trade": "read_write",
    "wallet": "read",
    "block_trade": "read",
}
_STRENGTH = {"none": 0, "read": 1, "read_write": 2}


@dataclass(slots=True, kw_only=True)
class SessionState:
    """One connection (or one HTTP request): its token, channels and settings.

    ``closing`` is set when the server is to hang up without another reply; ``is_trusted`` when
    the request proved itself by its own header; ``is_quiet`` while nothing was sent since the
    last heartbeat. Times are milliseconds; ``heard_ms`` is None until the first frame.
    """

    session_id: str
    is_websocket: bool = True
    access_token: str | None = None
    is_trusted: bool = False
    channels: dict[str, str] = field(default_factory=dict[str, str])
    cancel_on_disconnect: bool = False
    heartbeat_ms: int | None = None
    asked_ms: int = 0
    is_unanswered: bool = False
    is_quiet: bool = True
    opened_ms: int = 0
    heard_ms: int | None = None
    closing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A pair of tokens and what they allow.

    ``session_id`` binds it to one connection; ``name`` is the session it belongs to, if it was
    asked for under a name.
    """

    access_token: str
    refresh_token: str
    rights: Mapping[str, str]
    scope: str
    expires_ms: int
    session_id: str | None
    name: str = ""


_TRUSTED = Grant(
    access_token="",
    refresh_token="",
    rights=_DEFAULT_RIGHTS,
    scope="",
    expires_ms=1 << 62,
    session_id=None,
)


class Sessions:
    """Issues and checks tokens for one client."""

    def __init__(self, *, seed: int, client_id: str, client_secret: str, seconds: int) -> None:
        self._seed = seed
        self._client_id = client_id
        self._secret = client_secret
        self._seconds = seconds
        self._issued = 0
        self._grants: dict[str, Grant] = {}
        self._refresh: dict[str, Grant] = {}
        self._named: dict[str, list[str]] = {}

    def close(self, session: SessionState) -> None:
        """Forgets the tokens that were bound to a connection."""
        for grant in [each for each in self._grants.values() if each.session_id]:
            if grant.session_id == session.session_id:
                self.revoke(grant.access_token)

    def revoke(self, access_token: str) -> None:
        """Kills a token and its refresh token."""
        grant = self._grants.pop(access_token, None)
        if grant is not None:
            self._refresh.pop(grant.refresh_token, None)

    def revoke_all(self) -> None:
        """Kills every token there is."""
        for access_token in list(self._grants):
            self.revoke(access_token)
        self._refresh.clear()

    def log_in(self, session: SessionState, params: Params, now_ms: int) -> dict[str, Any]:
        """``public/auth``.

        Raises:
            VenueError: 13004 wrong credentials, 13009 a refresh token that is spent.
        """
        kinds = {
            "client_credentials": self._by_credentials,
            "client_signature": self._by_signature,
            "refresh_token": self._by_refresh,
        }
        kind = params.text("grant_type")
        if kind not in kinds:
            raise invalid("grant_type", "invalid value")
        scope = kinds[kind](session, params, now_ms)
        grant = self._issue(session, params.text("scope", scope), now_ms)
        session.access_token = grant.access_token
        return _reply(grant, now_ms, params) | {"enabled_features": []}

    def fork(self, session: SessionState, params: Params, now_ms: int) -> dict[str, Any]:
        """``public/fork_token``: a session of another name, from the token of a named one.

        Raises:
            VenueError: 13009 no such token, 13021 it is not of a named session.
        """
        grant = self._refreshable(session, params)
        if not grant.name:
            raise refusal(13021)
        name = params.text("session_name", longest=_LONGEST_NAME)
        words = [word for word in grant.scope.split() if not word.startswith("session:")]
        forked = self._issue(session, " ".join([*words, f"session:{name}"]), now_ms)
        return _reply(forked, now_ms, params)

    def exchange(self, session: SessionState, params: Params, now_ms: int) -> dict[str, Any]:
        """``public/exchange_token``: a token for another subject; here there is but one.

        Raises:
            VenueError: 13009 no such token, 13021 a subject that is not this account.
        """
        grant = self._refreshable(session, params)
        if params.whole("subject_id") != USER_ID:
            raise refusal(13021)
        issued = self._issue(session, params.text("scope", grant.scope), now_ms)
        return _reply(issued, now_ms, params)

    def _refreshable(self, session: SessionState, params: Params) -> Grant:
        """The grant of a refresh token; one bound to another connection does not count."""
        grant = self._refresh.get(params.text("refresh_token"))
        if grant is None or grant.session_id not in {None, session.session_id}:
            raise unauthorized()
        return grant

    def _by_credentials(self, _: SessionState, params: Params, __: int) -> str:
        self.check_secret(params.text("client_id"), params.text("client_secret"))
        return ""

    def check_secret(self, client_id: str, client_secret: str) -> None:
        """Compares id and secret. Raises 13004."""
        given = f"{client_id}:{client_secret}".encode()
        if not hmac.compare_digest(given, f"{self._client_id}:{self._secret}".encode()):
            raise refusal(13004)

    def _by_signature(self, _: SessionState, params: Params, now_ms: int) -> str:
        stamp, nonce = params.text("timestamp", ""), params.text("nonce", "")
        signature = params.text("signature", "")
        if not stamp or not signature:
            raise refusal(10000)
        # The text to sign holds newlines; ``data`` itself must not.
        signed = f"{stamp}\n{nonce}\n{params.text('data', '')}"
        self.check_signature(params.text("client_id"), stamp, signed, signature)
        self.check_stamp(stamp, now_ms)
        return ""

    def check_signature(self, client_id: str, stamp: str, signed: str, signature: str) -> None:
        """Checks an HMAC-SHA256 in hex. Raises 13004."""
        wanted = hmac.new(self._secret.encode(), signed.encode(), hashlib.sha256).hexdigest()
        is_right = hmac.compare_digest(wanted.encode(), signature.encode())
        is_time = stamp.isascii() and stamp.isdigit() and len(stamp) < _LONGEST_STAMP
        if client_id != self._client_id or not is_right or not is_time:
            raise refusal(13004)

    @staticmethod
    def check_stamp(stamp: str, now_ms: int) -> None:
        """A signature is good for a minute either way. Raises 13004."""
        if abs(int(stamp) - now_ms) > _SIGNATURE_WINDOW_MS:
            raise refusal(13004)

    def _by_refresh(self, session: SessionState, params: Params, _: int) -> str:
        """The scope goes on. Only a connection's old access token ends with its refresh."""
        grant = self._refreshable(session, params)
        del self._refresh[grant.refresh_token]
        if not grant.name:
            self._grants.pop(grant.access_token, None)
        return grant.scope

    def _issue(self, session: SessionState, asked: str, now_ms: int) -> Grant:
        self._forget_old(now_ms)
        words = asked.split()
        rights = _granted_rights(words)
        name = next((word[8:] for word in words if word.startswith("session:")), "")
        bound = session.session_id if session.is_websocket and not name else None
        kept = [word for word in words if word.startswith(("session:", "ip:"))] or ["connection"]
        scope = [f"{name}:{right}" for name, right in sorted(rights.items()) if right != "none"]
        grant = Grant(
            access_token=self._token(now_ms),
            refresh_token=self._token(now_ms),
            rights=rights,
            scope=" ".join([*scope, *kept, "mainaccount"]),
            expires_ms=now_ms + _life(words, self._seconds) * 1000,
            session_id=bound,
            name=name,
        )
        self._grants[grant.access_token] = grant
        self._refresh[grant.refresh_token] = grant
        if name:
            self._make_room(name, grant.access_token)
        return grant

    def _make_room(self, name: str, token: str) -> None:
        """Sixteen named sessions at most: one more ends the one refreshed longest ago."""
        self._named[name] = [*self._named.pop(name, []), token]
        if len(self._named) > _MOST_SESSIONS:
            oldest = next(iter(self._named))
            for each in self._named.pop(oldest):
                self.revoke(each)

    def _forget_old(self, now_ms: int) -> None:
        for grant in list(self._grants.values()):
            if grant.expires_ms + _REFRESH_LIFE_MS < now_ms:
                self.revoke(grant.access_token)
        for refresh, grant in list(self._refresh.items()):
            if grant.expires_ms + _REFRESH_LIFE_MS < now_ms:
                del self._refresh[refresh]
        living = {
            name: [each for each in tokens if each in self._grants]
            for name, tokens in self._named.items()
        }
        self._named = {name: tokens for name, tokens in living.items() if tokens}

    def _token(self, now_ms: int) -> str:
        self._issued += 1
        text = f"{self._seed}.{self._secret}.{now_ms}.{self._issued}"
        return f"{now_ms}.{hashlib.sha256(text.encode()).hexdigest()[:40]}"

    def grant(self, session: SessionState, token: str | None, now_ms: int) -> Grant:
        """What the token given, or else the session's own, allows.

        Raises:
            VenueError: 13009.
        """
        if session.is_trusted:
            return _TRUSTED
        grant = self._grants.get(token or session.access_token or "")
        if grant is None or grant.expires_ms <= now_ms:
            raise unauthorized()
        if grant.session_id not in {None, session.session_id}:
            raise unauthorized()
        return grant

    def knows(self, session: SessionState, now_ms: int) -> bool:
        """Whether the session is logged in now."""
        try:
            self.grant(session, None, now_ms)
        except VenueError:
            return False
        return True


def _granted_rights(words: list[str]) -> dict[str, str]:
    """What is asked for, but never more than the key has; unnamed rights come as they are."""
    rights = dict(_DEFAULT_RIGHTS)
    for word in words:
        name, _, right = word.partition(":")
        if name in rights and right in _STRENGTH:
            rights[name] = min(right, rights[name], key=_STRENGTH.__getitem__)
    return rights


def _life(words: list[str], default: int) -> int:
    for word in words:
        name, _, seconds = word.partition(":")
        if name == "expires" and seconds.isascii() and seconds.isdigit():
            return max(1, min(int(seconds), _LONGEST_LIFE_SECONDS))
    return default


def _reply(grant: Grant, now_ms: int, params: Params) -> dict[str, Any]:
    reply: dict[str, Any] = {
        "access_token": grant.access_token,
        "refresh_token": grant.refresh_token,
        "token_type": "bearer",
        "expires_in": (grant.expires_ms - now_ms) // 1000,
        "scope": grant.scope,
    }
    if grant.name:
        reply["sid"] = grant.name
    if "state" in params:
        reply["state"] = params.text("state")
    return reply


def allows(grant: Grant, needed: str) -> bool:
    """Whether a grant covers a right such as ``trade:read_write``."""
    name, _, right = needed.partition(":")
    return _STRENGTH[grant.rights[name]] >= _STRENGTH[right]
