"""A whole run: the script, then a kind world, then the last judgement."""

from decimal import Decimal

from actors.messages.lifecycle import ChildFailed
from actors.messages.trading import GetExecution
from simulation.acting import Actions
from simulation.script import HOUR, Script
from simulation.stage import Outcome, Stage, silence

CALM_SECONDS = 110.0
"""Longer than any bound of the court but that of a trade which is stuck."""
KILL_SECONDS = 65.0
TOLERANCE = Decimal("1e-9")


def play(script: Script, *, keeps_trace: bool = False, stops_early: bool = False) -> Outcome:
    """Runs a script to its end, or to the first violation, and says what was wrong."""
    silence()
    stage = Stage(script, keeps_trace=keeps_trace, stops_early=stops_early)
    try:
        _play(stage)
    finally:
        stage.world.close()
    return Outcome(
        seed=script.seed,
        violations=tuple(stage.court.violations),
        digest=stage.trace.digest,
        events=stage.world.steps,
        seconds=stage.now(),
        processes=stage.processes,
        trades=len(stage.court.tally.entered),
        faults=stage.faults,
        figures=stage.court.figures,
        trace=tuple(stage.trace.lines),
    )


def _play(stage: Stage) -> None:
    actions = Actions(stage)
    stage.boot()
    stage.tick()
    stage.watch()
    actions.schedule()
    stage.run_for(stage.script.hours * HOUR)
    if stage.is_over:
        return
    _be_kind(stage)
    stage.run_for(CALM_SECONDS)
    if stage.is_over:
        return
    # What a spoilt order opened, a person has to look at before a new process trades.
    if not stage.is_ready and not stage.court.tally.spoils:
        stage.court.accuse("L4", "not ready in a kind world")
    _in_step(stage)
    actions.kill()
    stage.run_for(KILL_SECONDS)
    _judge(stage)


def _be_kind(stage: Stage) -> None:
    """From now on nothing goes wrong any more."""
    weather = stage.market.weather
    if weather is not None:
        weather.faults.clear()
        stage.market.advance()
    stage.cast.forget()
    stage.crash_at_step = None
    disk, market = stage.storage.disk, stage.market
    disk.is_full = disk.fails = False
    disk.seconds = 0.0
    market.garble = None
    market.is_partitioned = market.lost_notifications = stage.phone.is_off = False
    if stage.daemon is None:
        stage.later(0.5, stage.boot)
    stage.trouble_until = max(stage.now(), stage.hangs_until)  # nobody can end a hang
    stage.trace.note("*", "the world is kind from here on")


def _in_step(stage: Stage) -> None:
    """A kill that only one of them knows cannot be ended, or is gone with the process."""
    if stage.daemon is None or not stage.is_ready:
        return
    execution = stage.daemon.ask("execution", GetExecution(at=stage.world.now()))
    book = stage.storage.book().get("state", {})
    if (execution.kill is not None) != ("kill" in book):
        stage.court.accuse("I6", f"Execution's kill is {execution.kill}, the book's {book}")


def _judge(stage: Stage) -> None:
    """What must be true once all is quiet and killed."""
    court = stage.court
    if stage.kills_in_force and "kill" not in stage.storage.durable_book().get("state", {}):
        court.accuse("I6", "an accepted kill is not on disk")
    left = court.left_after(stage.now() - KILL_SECONDS)
    if left:
        court.accuse("I6", f"a kill in a kind world left {left}")
    _heard(stage)
    _contained(stage)
    chain = stage.storage.chain()
    if not chain.ok:
        court.accuse("I7", f"the journal's chain is broken: {chain.first_bad}")
    court.figures_agree(stage.storage.entries(), TOLERANCE)


def _heard(stage: Stage) -> None:
    outbox = stage.storage.book().get("outbox", {})
    if outbox:
        texts = [x["text"] for x in outbox.values()]
        stage.court.accuse("I8", f"alerts wait although the phone works: {texts[:3]}")
    owed = stage.owed_alerts
    lost = [owed[number] for number in sorted(owed.keys() - stage.phone.numbers)]
    if lost:
        stage.court.accuse("I8", f"never heard: {lost[:3]}")


def _contained(stage: Stage) -> None:
    for name, error in stage.world.failures:
        stage.court.accuse("I10", f"{name} let {error!r} escape")
    daemon = stage.daemon
    if daemon is not None:
        stage.court.failed(daemon.events(ChildFailed))
        trades = daemon.ask("execution", GetExecution(at=stage.world.now())).trades
        if trades:
            stage.court.accuse("L3", f"open after a kill: {[x.id for x in trades]}")
