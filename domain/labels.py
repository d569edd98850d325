"""The label grammar: ``bw.<trade id>.<role>.<attempt>``, our idempotency key and the way home.

Deribit labels are free text of at most 64 characters, not unique and not checked; ours are
unique per attempt because we make them so (API reference, ``private/buy`` and idempotency).
"""

import re
from dataclasses import dataclass
from enum import StrEnum

PREFIX = "bw"
MAX_LENGTH = 64
MAX_ATTEMPT = 9999
_LABEL = re.compile(
    r"bw\.(?P<trade>[a-z0-9-]{1,40})\.(?P<role>[a-z]{2,9})\.(?P<attempt>[1-9][0-9]{0,3})"
)


class Role(StrEnum):
    """What an order is for. Every role but ``entry`` is reduce-only."""

    ENTRY = "entry"
    STOP = "sl"
    TARGET = "tp"
    CLOSE = "close"
    EMERGENCY = "emergency"


_ROLES = {role.value: role for role in Role}


@dataclass(frozen=True, slots=True)
class Label:
    """One attempt at one order of one trade."""

    trade_id: str
    role: Role
    attempt: int

    def __str__(self) -> str:
        return f"{PREFIX}.{self.trade_id}.{self.role}.{self.attempt}"


def parse(text: str) -> Label | None:
    """The label behind ``text``, or None when it is not one of ours."""
    match = _LABEL.fullmatch(text)
    role = None if match is None else _ROLES.get(match["role"])
    if match is None or role is None:
        return None
    return Label(match["trade"], role, int(match["attempt"]))


FLATTENING, GUARDING = "flat-", "ext-"
"""How the trade ids begin of orders that belong to no trade: closing at a kill, guarding what
is not ours."""


def is_flattening(text: str) -> bool:
    """Whether this closes at a kill, for whichever trades there are."""
    return text.startswith(f"{PREFIX}.{FLATTENING}")


def is_guard(text: str) -> bool:
    """Whether this is the stop we put under a position that is not ours."""
    return text.startswith(f"{PREFIX}.{GUARDING}")


def is_ours(text: str) -> bool:
    """Whether an order with this label was sent by Bulwark (however odd the rest)."""
    return text.startswith(f"{PREFIX}.")
