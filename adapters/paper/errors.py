"""Refusals in the venue's own numbers and words.

Source: the venue's complete error list; -32602 carries ``{"reason", "param"}``.
"""

from typing import Any

MESSAGES = {
    -32601: "Method not found",
    -32602: "Invalid params",
    10000: "authorization_required",
    10002: "qty_too_low",
    10003: "order_overlap",
    10004: "order_not_found",
    10005: "price_too_low",
    10007: "price_too_high",
    10009: "not_enough_funds",
    10010: "already_closed",
    10012: "book_closed",
    10013: "pme_max_total_open_orders",
    10022: "invalid_quantity",
    10028: "too_many_requests",
    10030: "must_be_websocket_request",
    10036: "invalid_max_show_amount",
    10040: "retry",
    10041: "settlement_in_progress",
    10043: "price_wrong_tick",
    10044: "trigger_price_wrong_tick",
    10047: "matching_engine_queue_full",
    10050: "lock_time_exceeded",
    10072: "disabled_while_position_lock",
    11021: "post_only_price_modification_not_possible",
    11030: "other_reject",
    11035: "no_more_triggers",
    11036: "invalid_trigger_price",
    11044: "not_open_order",
    11050: "bad_request",
    11051: "system_maintenance",
    11054: "post_only_reject",
    11055: "post_only_not_allowed",
    11094: "internal_server_error",
    13004: "invalid_credentials",
    13009: "unauthorized",
    13018: "invalid_content_type",
    13021: "forbidden",
    13028: "temporarily_unavailable",
    13032: "non_unique_order_label",
    13042: "cod_not_enabled",
    13778: "raw_subscriptions_not_available_for_unauthorized",
    13888: "timed_out",
    13901: "no_more_oto_orders",
}
TOO_MANY_REQUESTS = 10028


class AccountNotSaved(Exception):
    """The disk refused the account: whoever asked gets no answer until it takes it again.

    ``is_final``: somebody removed the file, so it never will; the exchange ends.
    """

    def __init__(self, reason: str, *, is_final: bool = False) -> None:
        super().__init__(reason)
        self.is_final = is_final


class VenueError(Exception):
    """A refusal as it goes out: ``code``, ``message`` and, where there is one, ``data``."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message
        self.data = data

    @property
    def ends_session(self) -> bool:
        """Whether the venue hangs up after saying this."""
        return self.code == TOO_MANY_REQUESTS


def refusal(code: int, detail: object = "", data: Any = None) -> VenueError:
    """The error of this number; ``detail`` follows the name in the message, as on the venue."""
    return VenueError(code, f"{MESSAGES[code]} {detail}".rstrip(), data)


def invalid(param: str, reason: str) -> VenueError:
    """-32602 naming the parameter and what is wrong with it."""
    return VenueError(-32602, MESSAGES[-32602], {"reason": reason, "param": param})


def unauthorized() -> VenueError:
    """13009: no token, or one that is unknown, spent, expired or of another connection."""
    return VenueError(13009, MESSAGES[13009], {"reason": "invalid_token"})
