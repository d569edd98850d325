"""Faults that strike notifications, and connections being made."""

from dataclasses import dataclass
from typing import Literal

from adapters.paper.faults.common import ANY, Delay, Fault
from adapters.paper.faults.kinds import Denial, Positive, Texts

AT_ONCE = Delay(constant=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfNotifications(Fault):
    """Strikes notifications of the ``channels`` that match, such as ``user.*``."""

    channels: Texts = ANY


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationLost(OfNotifications):
    """It never comes."""

    kind: Literal["notification_lost"] = "notification_lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationDelayed(OfNotifications):
    """It comes late, and those behind it overtake it unless ``in_order``."""

    kind: Literal["notification_delayed"] = "notification_delayed"
    delay: Delay
    in_order: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationDuplicated(OfNotifications):
    """It comes once more, ``delay`` after the first."""

    kind: Literal["notification_duplicated"] = "notification_duplicated"
    delay: Delay = AT_ONCE


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationReordered(OfNotifications):
    """It comes after the next of its connection, or after ``patience`` when none follows."""

    kind: Literal["notification_reordered"] = "notification_reordered"
    patience: Positive = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionRefused(Fault):
    """A new websocket is turned away with this HTTP status."""

    kind: Literal["connection_refused"] = "connection_refused"
    status: Denial = 503
