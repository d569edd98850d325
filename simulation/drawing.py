"""How each kind of happening and fault is drawn: how often, and with which figures.

Rates are an hour for faults, and for each trade asked for in what life itself brings.
"""

import random
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, cast

from adapters.paper.faults import of_moments as moment
from adapters.paper.faults import of_news as news
from adapters.paper.faults import of_requests as request
from adapters.paper.faults import of_spans as span
from adapters.paper.faults.common import Delay
from adapters.paper.faults.plan import AnyFault
from simulation import happenings as happen
from simulation.happenings import Mishap, Wish

INSTRUMENTS = ("BTC-PERPETUAL", "ETH-PERPETUAL", "BTC_USDC-PERPETUAL")
ORDERS = ("private/buy", "private/sell")
LABELS = ("*", "bw.*.entry.*", "bw.*.sl.*", "bw.*.tp.*", "bw.*.close.*", "bw.*.emergency.*")
METHODS = (
    ORDERS,
    ("private/cancel",),
    ("private/edit",),
    ("private/get_*",),
    ("private/get_order_state_by_label",),
    ("private/get_open_orders",),
    ("private/get_positions",),
    ("private/get_user_trades*",),
    ("public/auth",),
    ("private/subscribe",),
    ("*",),
)
ACTORS = (
    "trade-*",
    "trade-*",
    "execution",
    "registry",
    "risk",
    "auth",
    "watcher",
    "reaper",
    "alerter",
    "historian",
    "strategist",
    "chronicler",
)
Act = Wish | Mishap | AnyFault

Maker = Callable[[random.Random], Act]


def _delay(dice: random.Random) -> Delay:
    return Delay(constant=round(dice.choice((50, 300, 900, 1500, 2500)) * dice.uniform(0.5, 1.5)))


def _struck(dice: random.Random) -> dict[str, Any]:
    """Which requests a fault strikes: a few of those that match, within a minute."""
    methods = dice.choice(METHODS)
    labels = (dice.choice(LABELS),) if methods == ORDERS else ("*",)
    return {
        "methods": methods,
        "labels": labels,
        "most": dice.choice((1, 1, 1, 2, 3, 8)),
        "until": round(dice.uniform(20_000, 90_000)),
    }


CODES = (10028, 10040, 10041, 10047, 10050, 11051, 11094, 13009, 13028, 13888)


def _refused(dice: random.Random) -> AnyFault:
    code = cast(
        "Any", dice.choice((10028, 10040, 10041, 10047, 10050, 11051, 11094, 13009, 13028, 13888))
    )
    applied = dice.choice((True, False)) if code not in request.PROVES_NOTHING_HAPPENED else False
    return request.Refused(code=code, applied=applied, **_struck(dice))


def _news(dice: random.Random) -> dict[str, Any]:
    return {
        "channels": dice.choice((("user.*",), ("user.changes.*",), ("ticker.*",), ("*",))),
        "most": dice.choice((1, 2, 5, 20)),
        "until": 60_000,
    }


def _now(dice: random.Random, lo: float, hi: float) -> dict[str, Any]:
    """A span that begins at once."""
    return {"at": (0,), "lasts": round(dice.uniform(lo, hi) * 1000), "most": 1}


def _some(dice: random.Random) -> dict[str, Any]:
    """A moment at once, on one instrument."""
    return {"at": (0,), "most": 1, "instruments": (dice.choice(INSTRUMENTS),)}


def _opens(dice: random.Random) -> happen.Opens:
    instrument, side = dice.choice(INSTRUMENTS), dice.choice(("buy", "sell"))
    usd = dice.choice((500, 2_000, 5_000, 20_000, 60_000))
    stop = dice.choice((0.0008, 0.002, 0.005, 0.02)) * dice.uniform(0.8, 1.2)
    # Dice of their own: what else a seed draws does not depend on how the stop is moved.
    moves = random.Random(stop)  # noqa: S311 (a script, no secret)
    return happen.Opens(
        instrument=instrument,
        side=side,
        usd=usd,
        stop=stop,
        break_even=moves.choice((0.0015, 0.003)) if moves.random() < 0.3 else None,
        trail=stop * moves.choice((0.3, 1.0)) if moves.random() < 0.3 else None,
        target=None if dice.random() < 0.15 else dice.choice((0.001, 0.003, 0.01, 0.03)),
        limit=dice.choice((0.0, 0.0003, 0.001)) if dice.random() < 0.3 else None,
    )


def _late(dice: random.Random) -> AnyFault:
    return news.NotificationDelayed(delay=_delay(dice), in_order=dice.random() < 0.5, **_news(dice))


def _unsure(dice: random.Random, kind: Callable[..., AnyFault]) -> AnyFault:
    """A failure that leaves open whether the venue did it."""
    return kind(applied=dice.random() < 0.5, **_struck(dice))


def _gap(dice: random.Random) -> AnyFault:
    percent = Decimal(dice.choice(("-3", "-1", "-0.4", "0.4", "1", "3")))
    return moment.PriceGap(at=(0,), most=1, percent=percent)


def _moved_stop(dice: random.Random) -> AnyFault:
    percent = Decimal(dice.choice(("-0.1", "0.1", "0.5")))
    return moment.HumanMovesStop(percent=percent, **_some(dice))


def _side(dice: random.Random) -> Any:
    return dice.choice(("buy", "sell"))


def _human_opens(dice: random.Random) -> AnyFault:
    usd = Decimal(dice.choice((100, 1000, 5000)))
    return moment.HumanOpens(side=_side(dice), usd=usd, **_some(dice))


def _book_state(dice: random.Random) -> AnyFault:
    state: Any = dice.choice(("locked", "halted"))
    return span.BookState(state=state, **_now(dice, 1, 60))


def _flash_crash(dice: random.Random) -> AnyFault:
    percent = Decimal(dice.choice((-12, -5, -2, 2, 5)))
    return span.FlashCrash(percent=percent, **_now(dice, 20, 240))


def _trigger_storm(dice: random.Random) -> AnyFault:
    return span.TriggerStorm(percent=Decimal(dice.choice(("0.2", "1"))), **_now(dice, 10, 60))


def _crash(dice: random.Random) -> Mishap:
    return happen.Crashes(
        steps=dice.choice((0, dice.randrange(60), dice.randrange(600))),
        down=dice.choice((0.5, 2.0, 8.0, 40.0)),
        power_cut=dice.random() < 0.5,
    )


def _raise(dice: random.Random) -> Mishap:
    actor, nth = dice.choice(ACTORS), dice.choice((1, 1, 2, 5, 12))
    return happen.Raises(actor=actor, nth=nth, after=dice.random() < 0.5)


def _disk(dice: random.Random) -> Mishap:
    return happen.DiskTrouble(
        trouble=dice.choice(("full", "fails", "slow")),
        lasts=dice.choice((0.2, 3.0, 30.0)),
        seconds=dice.choice((0.01, 0.2, 1.0)),
    )


FAULTS: Mapping[str, tuple[float, Maker]] = {
    "latency": (2, lambda d: request.Latency(delay=_delay(d), **_struck(d))),
    "request_lost": (3, lambda d: request.RequestLost(**_struck(d))),
    "reply_lost": (3, lambda d: request.ReplyLost(**_struck(d))),
    "error": (4, _refused),
    "http_error": (1, lambda d: _unsure(d, request.HttpError)),
    "truncated": (1, lambda d: request.Truncated(keep=d.uniform(0, 0.99), **_struck(d))),
    "broken_off": (2, lambda d: _unsure(d, request.BrokenOff)),
    "notification_lost": (2, lambda d: news.NotificationLost(**_news(d))),
    "notification_delayed": (2, _late),
    "notification_duplicated": (
        1,
        lambda d: news.NotificationDuplicated(delay=_delay(d), **_news(d)),
    ),
    "notification_reordered": (1, lambda d: news.NotificationReordered(**_news(d))),
    "connection_refused": (
        0.5,
        lambda d: news.ConnectionRefused(most=d.choice((1, 3, 10)), until=120_000),
    ),
    "disconnect": (2, lambda _: moment.Disconnected(at=(0,), most=1)),
    "tokens_revoked": (1, lambda _: moment.TokensRevoked(at=(0,), most=1)),
    "price_gap": (1, _gap),
    "human_closes": (1, lambda d: moment.HumanCloses(**_some(d))),
    "human_moves_stop": (1, _moved_stop),
    "human_cancels_stop": (1, lambda d: moment.HumanCancelsStop(**_some(d))),
    "human_cancels_target": (1, lambda d: moment.HumanCancelsTarget(**_some(d))),
    "human_opens": (0.4, _human_opens),
    "human_orders": (
        0.4,
        lambda d: moment.HumanOrders(side=_side(d), usd=Decimal(1000), **_some(d)),
    ),
    "maintenance": (0.2, lambda d: span.Maintenance(hangs_up=d.random() < 0.7, **_now(d, 2, 120))),
    "book_state": (0.4, _book_state),
    "clock_skew": (
        0.3,
        lambda d: span.ClockSkew(by=d.choice((-3000, -800, 700, 4000)), **_now(d, 30, 600)),
    ),
    "thin_book": (
        0.7,
        lambda d: span.ThinBook(size_percent=d.choice((1, 3, 10)), **_now(d, 10, 300)),
    ),
    "flash_crash": (0.5, _flash_crash),
    "trigger_storm": (0.3, _trigger_storm),
    "crash": (1.5, _crash),
    "stop": (0.3, lambda d: happen.Stops(down=d.uniform(0.5, 5))),
    "raise": (2, _raise),
    "hang": (
        0.3,
        lambda d: happen.Hangs(actor=d.choice(ACTORS), seconds=d.choice((0.3, 1.5, 4.0, 90.0))),
    ),
    "disk": (1, _disk),
    "partition": (0.5, lambda d: happen.Partition(lasts=d.choice((1.0, 5.0, 30.0, 150.0)))),
    "deaf": (0.7, lambda d: happen.Deafness(lasts=d.choice((0.5, 5.0, 60.0)))),
    "notifier": (0.5, lambda d: happen.PhoneOff(lasts=d.choice((1.0, 60.0, 600.0)))),
    "garble": (0.5, lambda _: happen.Garbles(field="reduce_only")),
    "stray": (0.3, lambda d: happen.Strays(instrument=d.choice(INSTRUMENTS))),
    "second": (0.2, lambda _: happen.SecondInstance()),
    "half_open": (1, lambda _: happen.HalfOpen()),
}
"""Every kind of fault: how often an hour, and how one of it is drawn."""
WISHES: Mapping[str, tuple[float, Maker]] = {
    "open": (1.0, _opens),
    "close": (0.3, lambda d: happen.Closes(which=d.randrange(8))),
    "kill": (0.02, lambda d: happen.Kills(resume_after=d.uniform(5, 200))),
    "move": (0.2, lambda d: happen.Moves(share=d.gauss(0, 0.004))),
}
"""What life brings: how often for each trade that is asked for, and how one of it is drawn."""
