"""How long a position is without its stop, and an orphan without its trade, in round trips.

Twice: in virtual time over the simulated venue, where only the venue's latency takes time and a
figure is a whole number of round trips; and as it runs, with threads, disk and websocket to a
paper exchange held 5 ms away in each direction, where the time above the venue's round trip is
the daemon's own. The floor is the round trip of the very request that ends the exposure: the
stop's, or the cancel's. A daemon that looks again in its next loop would be seconds above it
(freqtrade: 5 s by default).
"""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from statistics import median

from actors.messages.trading import (
    CloseTrade,
    OpenTrade,
    StopPlaced,
    TargetPlaced,
    TradeAccepted,
    TradeClosed,
)
from benchmarks.exchange import MID, paper_exchange
from benchmarks.live import INSTRUMENT, Call, LiveDaemon, live_daemon
from benchmarks.measuring import Effort
from benchmarks.relay import at_distance
from benchmarks.rows import Row
from benchmarks.virtual import INSTRUMENTS, ONE_WAY, ROUND_TRIP, Stage, stage
from domain.labels import Label, Role

BRACKETS = 12
TARGET_EXTRA_MS = 1.0
_PAUSE_SECONDS = 5.0
_ATTEMPTS = 50
_PRICES = {"BTC": "btc_usd", "ETH": "eth_usd"}


def run(effort: Effort) -> list[Row]:
    """Exposure and orphans, in virtual time and as it runs."""
    count = effort.calls(BRACKETS)
    virtual = [_virtual_bracket(number) for number in range(min(count, len(INSTRUMENTS)))]
    with _running(effort) as daemon:
        brackets = [_bracket(daemon) for _ in range(count)]
        orphans = [_orphan(daemon) for _ in range(count)]
    return [
        _virtual_row("unprotected per sequential bracket, virtual time", [x for x, _ in virtual]),
        _row("unprotected per sequential bracket, on loopback", brackets),
        _virtual_row("orphan after the fill push, virtual time", [x for _, x in virtual]),
        _row("orphan after the fill push, on loopback", orphans),
    ]


def _virtual_row(what: str, seconds: list[float]) -> Row:
    return _compared(what, max(seconds) * 1000, ROUND_TRIP * 1000)


def _row(what: str, taken: list[tuple[float, float]]) -> Row:
    return _compared(what, median(x for x, _ in taken), median(x for _, x in taken))


def _compared(what: str, ours_ms: float, trip_ms: float) -> Row:
    return Row(
        what=what,
        ours=ours_ms,
        unit="ms",
        against="round trip",
        theirs=trip_ms,
        ratio=ours_ms / trip_ms,
        target="<= 1 round trip + 1 ms",
        met=ours_ms <= trip_ms + TARGET_EXTRA_MS,
        note=f"above the round trip: {(ours_ms - trip_ms) * 1000:.0f} us",
    )


# -- virtual time ------------------------------------------------------------------------------


def _virtual_bracket(number: int) -> tuple[float, float]:
    """Seconds unprotected, and seconds from the push of the target's fill to the cancel's reply."""
    instrument = INSTRUMENTS[number]
    with stage() as made:
        trade_id = made.open(instrument, target_pct="1")
        placed = made.daemon.wait_for(StopPlaced)
        made.daemon.wait_for(TargetPlaced)
        made.world.run_for(_PAUSE_SECONDS)
        filled = made.world.monotonic()
        _rise(made, instrument)
        made.daemon.wait_for(TradeClosed)
        cancels = [x.when for x in made.sent if x.when > filled and x.method == "private/cancel"]
    if placed.trade_id != trade_id:
        raise RuntimeError("the stop is another trade's")
    heard = filled + ONE_WAY
    return placed.unprotected_ms / 1000, min(cancels) + ROUND_TRIP - heard


def _rise(made: Stage, instrument: str) -> None:
    index = _PRICES[instrument[:3]]
    made.market.move(**{index: made.market.prices[index] * Decimal("1.02")})


# -- as it runs ----------------------------------------------------------------------------------


@contextmanager
def _running(effort: Effort) -> Generator[LiveDaemon]:
    folder = effort.folder / "protection"
    with ExitStack() as stack:
        port = stack.enter_context(paper_exchange(folder))
        near = stack.enter_context(at_distance(port, ONE_WAY))
        daemon = stack.enter_context(live_daemon(folder / "bot", near))
        daemon.system.wanted = (StopPlaced, TargetPlaced, TradeClosed)
        yield daemon


def _opened(daemon: LiveDaemon, side: str, target: Decimal | None) -> str | None:
    """A bracket's trade id; None when the price had moved on to the other side of the target."""
    stop = Decimal("0.98") if side == "buy" else Decimal("1.02")
    answer = daemon.ask(
        "execution",
        OpenTrade(
            at=daemon.system.clock.now(),
            instrument=INSTRUMENT,
            side=side,
            quantity=Decimal(100),
            unit="contracts",
            stop_loss=MID * stop,
            take_profit=target,
        ),
    )
    return answer.trade_id if isinstance(answer, TradeAccepted) else None


def _bracket(daemon: LiveDaemon) -> tuple[float, float]:
    """Milliseconds unprotected, and the round trip of the stop's own request."""
    trade_id = _opened(daemon, "buy", None)
    if trade_id is None:
        raise RuntimeError("the daemon refuses to trade")
    placed = daemon.wait_for(StopPlaced)
    daemon.ask("execution", CloseTrade(at=daemon.system.clock.now(), trade_id=trade_id))
    daemon.wait_for(TradeClosed)
    return placed.unprotected_ms, _trip_ms(daemon.tap.labelled(str(_stop(trade_id))))


def _stop(trade_id: str) -> Label:
    return Label(trade_id, Role.STOP, 1)


def _trip_ms(call: Call) -> float:
    return (call.answered - call.sent) * 1000


def _orphan(daemon: LiveDaemon) -> tuple[float, float]:
    """Milliseconds from hearing that the target filled to the stop's cancel acknowledged.

    The price swings around `MID`: the target there is reached by the next swing. A target that
    filled in its own reply, or that a look found before the push came, is tried again.
    """
    for _ in range(_ATTEMPTS):
        seen = len(daemon.changes)
        trade_id = _opened(daemon, "buy" if daemon.mark < MID else "sell", MID)
        if trade_id is None:
            continue
        daemon.wait_for(TradeClosed)
        heard = _heard(daemon, seen, trade_id)
        target = daemon.tap.labelled(str(Label(trade_id, Role.TARGET, 1)))
        cancels = [x for x in daemon.tap.calls if x.method == "private/cancel" and x.sent > heard]
        if cancels and heard > target.answered:
            return (cancels[0].answered - heard) * 1000, _trip_ms(cancels[0])
    raise RuntimeError("no target was filled by a push")


def _heard(daemon: LiveDaemon, seen: int, trade_id: str) -> float:
    """When the fill of the trade's target was pushed; 0 when it never was."""
    prefix = f"bw.{trade_id}.tp."
    pushes = (
        when
        for when, report in daemon.changes[seen:]
        if any(fill.label.startswith(prefix) for fill in report.fills)
    )
    return next(pushes, 0.0)
