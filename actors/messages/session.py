"""The conversation about the venue session."""

from dataclasses import dataclass
from typing import ClassVar

from actors.messages.base import Command, Due, Event, Query


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOpened(Event):
    """Logged in and subscribed. Whoever mirrors venue state reads it afresh now."""

    channels: int
    scope: str
    expires_in: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLost(Event):
    """The stream is gone; reads and protective orders go over HTTP until it is back."""

    level: ClassVar[str] = "warning"
    reason: str
    retry_in_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRestored(Event):
    """A session that was lost is there again, so many seconds after that was first said."""

    after_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRefused(Event):
    """The venue refuses these credentials, or they grant what they must not.

    ``attempt`` counts the tries since the last session; of many only some are said.
    """

    level: ClassVar[str] = "critical"
    reason: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRefreshed(Event):
    """New tokens are in use."""

    expires_in: int
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GetCredentials(Query):
    """Asks Auth for the tokens in use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewSession(Command):
    """The venue refuses our token: log in afresh. Answered by whether the session is open."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectDue(Due):
    """Time to try the venue again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscribeDue(Due):
    """Time to ask again for the prices the venue left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshDue(Due):
    """80 % of the token's life is over."""
