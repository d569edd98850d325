"""The outcome policy: which error codes prove that nothing was executed.

A code not in the table leaves the outcome open. The table is an allow-list on purpose: an
unknown code read as "refused" sends a second order, read as "unknown" it costs one look-up.
"""

from typing import Any, cast

from actors.ports import OutcomeUnknown, Rejected

MAX_TEXT = 200


class Unreadable(OutcomeUnknown):
    """The venue answered, but not in a shape we can trust."""


class Throttled(OutcomeUnknown):
    """10028: over the rate limit. The venue ends the session with it, so nothing is certain."""


class TimedOut(OutcomeUnknown):
    """13888: the venue had not begun when ``valid_until`` passed, or ran out of time later.

    The first is what our idea of the venue's clock may be to blame for.
    """


TOO_MANY_REQUESTS = 10028
TIMED_OUT = 13888

PROVEN_REFUSALS: frozenset[int] = frozenset(
    {
        # the request itself is malformed, unknown or too large
        -32700, -32602, -32601, -32600, -32000,
        10020, 10021, 10022, 10023, 10024, 10025, 10030, 10031, 10033, 10036, 10048,
        11029, 11037, 11038, 11039, 11041, 11043, 11045, 11046, 11047, 11048, 11049, 11050,
        13010, 13011, 13012, 13016, 13018, 13020,
        # size, price, tick, band, trigger
        10002, 10003, 10005, 10006, 10007, 10008, 10011, 10026, 10027, 10032, 10034, 10035,
        10043, 10044, 11013, 11021, 11022, 11036, 11054, 11055,
        # margin and counts
        10009, 10013, 10014, 10015, 10016, 10017, 10018, 10037, 10038, 10039, 11035, 13901,
        # refused for a reason in the message (reduce-only with nothing to reduce is 11030)
        11030,
        # the order is not there, not open or not ours
        10004, 10010, 10029, 10045, 10046, 11008, 11044, 13032,
        # ours was overtaken: by our own cancel-all, or by a newer edit
        13666, 13777,
        # the book or the account takes no orders
        9999, 10012, 10019, 10072, 11042, 11098, 13019, 13030, 13031, 13034, 13035, 13036,
        13037, 13040, 13042, 13043,
        # not logged in, or not allowed to
        10000, 11056, 13004, 13009, 13021, 13403, 13668, 13778,
        # closed for a while, or too much of ours is waiting
        10041, 10047, 10066, 11051, 13025,
    }
)  # fmt: skip
"""Left out on purpose, although they look like refusals: 10001, 10040, 10049, 10050, 11031,
11094, 13008, 13028, 13888 (the engine may have started) and 10028 (the session ends with it)."""


def failure(method: str, error: object) -> Exception:
    """The exception for the ``error`` member of a reply."""
    fields = _object(error)
    code, reason = fields.get("code"), _text(fields.get("message"))
    if type(code) is not int:
        return OutcomeUnknown(f"{method}: error without a code")
    if code in PROVEN_REFUSALS:
        return Rejected(code, reason, _text(fields.get("data")))
    kind = {TOO_MANY_REQUESTS: Throttled, TIMED_OUT: TimedOut}.get(code, OutcomeUnknown)
    return kind(f"{method}: {code} {reason}")


def _object(value: object) -> dict[str, Any]:
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}


def _text(value: object) -> str:
    """``data`` and ``message`` as short text: absent, a string, or an object of reasons."""
    if value is None:
        return ""
    items = _object(value)
    if items:
        return ", ".join(f"{key}: {item}" for key, item in items.items())[:MAX_TEXT]
    return str(value)[:MAX_TEXT]
