"""Deribit error codes by what a trade must do about them.

A code reaches an actor only inside `Rejected`, which means the venue proved that nothing was
executed. Codes that leave the outcome open never get here: the venue client turns them into
`OutcomeUnknown`.

Source: the complete error list of the API reference (its "common errors" table contradicts it).
"""

TRIGGER_ALREADY_PASSED = frozenset({10034, 10035, 11036})
"""The trigger price is on the wrong side of the market: for a stop, close now instead."""

PRICE_TOO_LOW = frozenset({10005, 10006})
PRICE_TOO_HIGH = frozenset({10007, 10008})
"""Beyond the band around the mark price in which the venue takes limits at this moment."""

GONE_ALREADY = frozenset({10004, 10010, 11008, 11044})
"""Cancel or edit of an order that is terminal, filled or forgotten: read its final state."""

NOT_FOUND = frozenset({10004})
"""No such order in the live store (terminal orders leave it after about 30 minutes)."""

NOTHING_TO_REDUCE = frozenset({11030})
"""Usually ``invalid_reduce_only_order``: no position, or the wrong side. Probably flat: verify."""

NO_MORE_TRIGGERS = frozenset({11035})
"""Too many resting trigger orders of this kind: free orphans, else close the position."""

NOT_ENOUGH_FUNDS = frozenset({10009, 10039})
"""Margin does not allow it."""

STALE_CONTRACT_DATA = frozenset({-32602, 10026, 10027, 10043, 10044})
"""Price or amount off the grid: contract data may have changed, read the catalogue again."""

NEEDS_LOGIN = frozenset({10000, 11056, 13009, 13778})
"""Token missing, expired or of another connection: log in once, then query and go on."""

BAD_CREDENTIALS = frozenset({13004})
"""Wrong id or secret, or for a while too many errors of ours. Trying again and again can only
make it worse: call a person, and try slowly while trades are open."""

SETTLEMENT = frozenset({10041})
"""The daily settlement is running: a few seconds after 08:00 UTC."""

MAINTENANCE = frozenset({11051})
"""The venue is in maintenance: wait, then read everything afresh."""

TOO_BUSY = frozenset({10047, 10066})
"""Refused because too much of ours is waiting; safe to send again after a pause."""

PASSING = SETTLEMENT | MAINTENANCE | TOO_BUSY
"""Says nothing about the order: the same one will be taken a little later."""

NOT_THE_LINK = PASSING | NEEDS_LOGIN | NOT_ENOUGH_FUNDS
"""A linked order refused for a reason that a plain one would meet as well."""
