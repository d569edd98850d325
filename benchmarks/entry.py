"""From a signal to the entry's bytes on the wire, through the risk gate and a durable intent.

The daemon as it runs (threads, disk, websocket to a paper exchange on loopback). The clock runs
from the moment the command is handed to Execution to the moment the entry's frame has been
written to the socket; in between lie the gate, the risk rules, the intent on disk and the birth
of the trade's actor. The floor is what the disk alone takes to write and sync a file of the
book's size, measured between the signals. No peer writes an intent first.

Each signal finds the daemon at rest, but the machine awake: some milliseconds after the trade
before. A virtual machine that has slept longer runs everything slower for a while, the floor
included.
"""

from contextlib import ExitStack
from decimal import Decimal

from actors.messages.trading import CloseTrade, OpenTrade, StopPlaced, TradeAccepted, TradeClosed
from benchmarks.commit import synced_file
from benchmarks.exchange import MID, paper_exchange
from benchmarks.live import INSTRUMENT, LiveDaemon, live_daemon
from benchmarks.measuring import Effort, Timings, now, timed
from benchmarks.rows import Row
from domain.labels import Label, Role

SIGNALS = 12
FLOORS_EACH = 2
TARGET_FLOORS = 3.0
TARGET_EXTRA_US = 150.0


def run(effort: Effort) -> list[Row]:
    """Signals one after the other, each closed before the next."""
    ours: list[list[float]] = []
    floors: list[list[float]] = []
    folder = effort.folder / "entry"
    with ExitStack() as stack:
        port = stack.enter_context(paper_exchange(folder))
        daemon = stack.enter_context(live_daemon(folder / "bot", port))
        daemon.system.wanted = (StopPlaced, TradeClosed)
        taken, size = _signal(daemon), (folder / "bot" / "registry.json").stat().st_size
        floor = stack.enter_context(synced_file(folder / "floor", size))
        for _ in range(effort.rounds):
            ours.append([])
            floors.append([])
            for _ in range(effort.calls(SIGNALS)):
                taken = _signal(daemon)
                ours[-1].append(taken)
                floors[-1] += timed(floor, FLOORS_EACH)
    return [_row(Timings(ours), Timings(floors), size)]


def _row(ours: Timings, floor: Timings, size: int) -> Row:
    limit = TARGET_FLOORS * floor.median + TARGET_EXTRA_US
    return Row(
        what="signal -> entry on the wire",
        ours=ours.median,
        unit="us",
        against=f"write + fsync of {size / 1024:.1f} KiB",
        theirs=floor.median,
        ratio=ours.times(floor),
        target=f"<= 3 floors + 150 us = {limit:.0f} us",
        met=ours.median <= limit,
        note=f"p99 {ours.p99:.0f} us",
    )


def _signal(daemon: LiveDaemon) -> float:
    """Microseconds of one signal; the trade is closed afterwards."""
    command = OpenTrade(
        at=daemon.system.clock.now(),
        instrument=INSTRUMENT,
        side="buy",
        quantity=Decimal(100),
        unit="contracts",
        stop_loss=MID * Decimal("0.98"),
    )
    daemon.settle()
    began = now()
    accepted = daemon.ask("execution", command)
    if not isinstance(accepted, TradeAccepted):
        raise TypeError(f"the daemon refuses to trade: {accepted}")
    daemon.wait_for(StopPlaced)
    close = CloseTrade(at=daemon.system.clock.now(), trade_id=accepted.trade_id)
    daemon.ask("execution", close)
    daemon.wait_for(TradeClosed)
    entry = daemon.tap.labelled(str(Label(accepted.trade_id, Role.ENTRY, 1)))
    return (entry.written - began) * 1e6
