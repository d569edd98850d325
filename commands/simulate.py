"""`run.py simulate`: the whole daemon on virtual time, under faults, judged from outside."""

import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapters.clock import SystemClock
from commands.common import fail

if TYPE_CHECKING:
    from rich.console import Console

    from simulation.script import Script
    from simulation.stage import Outcome

    Author = Callable[[int], Script]
    """Writes the script of a seed."""

# The simulation (greenlets, the paper exchange) is imported where it is needed: the bot, which
# shares this command line, must not carry it.

FAILED, USAGE, INTERRUPTED = 1, 2, 130
STOPPED = (KeyboardInterrupt, SystemExit)
"""What Ctrl-C and SIGTERM raise."""
MOST_SHRUNK = 3
"""So many failures are shrunk; the others are listed."""
FRESH = multiprocessing.get_context("forkserver")
"""How workers begin, on every Python alike: a copy of this process, whose progress bar is drawn
by a thread, may inherit a lock that nobody will ever release."""


def simulate(  # noqa: PLR0917 (Typer reads the options from the signature)
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds.")] = 20,
    start: Annotated[int, typer.Option("--from", min=0, help="The first seed.")] = 0,
    hours: Annotated[float, typer.Option(min=0.01, help="Virtual hours of each.")] = 1.0,
    faults: Annotated[str, typer.Option(help="all, none, or kinds separated by commas.")] = "all",
    trades: Annotated[float, typer.Option(min=1, help="Trades asked for in a day.")] = 50.0,
    storm: Annotated[float, typer.Option(min=0, help="Multiplies how often faults strike.")] = 1.0,
    each: Annotated[
        int,
        typer.Option(
            "--trades-per-instrument", min=1, max=5, help="Open at a time, as the setting."
        ),
    ] = 1,
    seed: Annotated[int | None, typer.Option(min=0, help="This seed alone.")] = None,
    trace: Annotated[
        bool, typer.Option("--trace", help="Print every line of what happens.")
    ] = False,
    jobs: Annotated[int, typer.Option(min=0, help="Processes; 0 takes every core.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """The whole daemon on virtual time against the paper exchange's engine, with faults, crashes
    and restarts decided by a seed; every invariant is judged from the venue, the wire and the disk.
    """
    from rich.console import Console  # noqa: PLC0415 - see above

    from simulation.script import write  # noqa: PLC0415 - see above

    kinds = _kinds(faults)
    chosen = [seed] if seed is not None else list(range(start, start + seeds))
    author = partial(
        write,
        hours=hours,
        faults=kinds,
        trades_per_day=trades,
        storm=storm,
        trades_per_instrument=each,
    )
    console = Console(stderr=as_json, emoji=False)
    began = SystemClock().monotonic()
    workers = min(len(chosen), jobs or os.cpu_count() or 1)
    with ProcessPoolExecutor(workers, FRESH, initializer=_obey_the_parent) as pool:
        outcomes = _played(pool, author, chosen, console, keeps_trace=trace)
        seconds = SystemClock().monotonic() - began
        failed = [x for x in outcomes if x.violations]
        unplayed = sorted(set(chosen) - {x.seed for x in outcomes})
        shortest = {} if unplayed else _shrunk(pool, author, failed[:MOST_SHRUNK])
    if as_json:
        typer.echo(json.dumps(_plain(outcomes, shortest, seconds), default=str))
    else:
        _tell(console, outcomes, shortest, seconds, shows_trace=trace)
    if unplayed:
        told = (
            f"Interrupted: {len(unplayed)} seeds were not played; go on with --from {unplayed[0]}."
        )
        console.out(told, highlight=False)
    elif len(shortest) < len(failed[:MOST_SHRUNK]):
        told = "Interrupted: the shortest scripts of the other failures were not looked for."
        console.out(told, highlight=False)
    raise typer.Exit(FAILED if failed else INTERRUPTED if unplayed else 0)


def _obey_the_parent() -> None:
    """A worker leaves Ctrl-C to the command, and ends at once when it is told to.

    An exception in the middle of a run would be taken for a failure of the actor it strikes.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _kinds(text: str) -> list[str] | None:
    """The kinds of faults that may happen; None is all."""
    from simulation.drawing import FAULTS  # noqa: PLC0415 - see above

    if text in {"all", "none"}:
        return None if text == "all" else []
    names = [x.strip() for x in text.split(",") if x.strip()]
    unknown = [x for x in names if x not in FAULTS]
    if unknown:
        fail(f"--faults: there is no {unknown[0]!r}; kinds are {', '.join(FAULTS)}", USAGE)
    return names


def _played(
    pool: ProcessPoolExecutor,
    author: "Author",
    seeds: list[int],
    console: "Console",
    *,
    keeps_trace: bool,
) -> "list[Outcome]":
    """What came of every seed, in their order; of those ended, where Ctrl-C came first.

    A seed that fails is told of at once: a long soak that is cut short has said what it found.
    Scripts are written where they are played: twenty thousand of them take half a gigabyte.
    """
    from rich import progress as show  # noqa: PLC0415 - only this command draws a bar

    name, left = show.TextColumn("{task.description}"), show.TimeRemainingColumn()
    bar = show.Progress(name, show.BarColumn(), show.MofNCompleteColumn(), left, console=console)
    outcomes: list[Outcome] = []
    tenths = {len(seeds) * tenth // 10 for tenth in range(1, 11)}
    with bar as progress:
        task = progress.add_task("seeds (0 failed)", total=len(seeds))

        def take(outcome: "Outcome") -> None:
            outcomes.append(outcome)
            for violation in outcome.violations:
                console.out(f"seed {outcome.seed}: {violation}", highlight=False)
            failures = sum(bool(x.violations) for x in outcomes)
            progress.update(task, advance=1, description=f"seeds ({failures} failed)")
            if not console.is_terminal and len(outcomes) in tenths:
                told = f"{len(outcomes)} of {len(seeds)} seeds, {failures} failed"
                console.out(told, highlight=False)

        try:
            running = [pool.submit(_outcome, author, seed, keeps_trace) for seed in seeds]
            for done in as_completed(running):
                take(done.result())
        except STOPPED:
            _end_the_workers()
    return sorted(outcomes, key=lambda x: x.seed)


def _outcome(author: "Author", seed: int, keeps_trace: bool) -> "Outcome":
    from simulation.running import play  # noqa: PLC0415 - see above

    return play(author(seed), keeps_trace=keeps_trace)


def _shrunk(
    pool: ProcessPoolExecutor, author: "Author", failed: "list[Outcome]"
) -> "dict[int, Script]":
    """The shortest scripts that still fail; those found, where Ctrl-C came first."""
    running = {
        x.seed: pool.submit(_shortest, author(x.seed), x.violations[0].invariant) for x in failed
    }
    shortest: dict[int, Script] = {}
    try:
        for seed, each in running.items():
            shortest[seed] = each.result()
    except STOPPED:
        _end_the_workers()
    return shortest


def _end_the_workers() -> None:
    for worker in multiprocessing.active_children():
        worker.terminate()


def _shortest(script: "Script", wanted: str) -> "Script":
    """The shortest script that breaks the same invariant."""
    from simulation.running import play  # noqa: PLC0415 - see above
    from simulation.shrinking import shrink  # noqa: PLC0415 - see above

    def fails(script: "Script") -> bool:
        return any(x.invariant == wanted for x in play(script, stops_early=True).violations)

    return shrink(script, fails)


def _tell(
    console: "Console",
    outcomes: "list[Outcome]",
    shortest: "dict[int, Script]",
    seconds: float,
    *,
    shows_trace: bool,
) -> None:
    for outcome in outcomes:
        if shows_trace:
            console.out("\n".join(outcome.trace), highlight=False)
        if outcome.seed in shortest:
            entries = shortest[outcome.seed].entries
            console.out(f"seed {outcome.seed}: {len(entries)} entries are enough:", highlight=False)
            for entry in entries:
                console.out(f"  {entry}", highlight=False)
    total = _totals(outcomes, seconds)
    at = f" (seed {total['longest_gap_seed']})" if total["longest_gap_seed"] is not None else ""
    if len(outcomes) == 1:
        console.out(f"trace {outcomes[0].digest}", highlight=False)
    console.out(
        f"{total['seeds']} seeds, {total['hours']:.1f} virtual hours in {seconds:.1f} s "
        f"({total['speed']:.0f} times real time, {total['events_per_second']:.0f} events/s): "
        f"{total['trades']} trades, {total['faults']} faults, {total['processes']} processes, "
        f"{total['failed']} seeds failed. Longest gap without a stop in a kind world: "
        f"{total['longest_gap_ms']:.1f} ms{at}.",
        highlight=False,
    )


def _totals(outcomes: "list[Outcome]", seconds: float) -> dict[str, Any]:
    virtual = sum(x.seconds for x in outcomes)
    events = sum(x.events for x in outcomes)
    gap, gap_seed = max(
        ((y, x.seed) for x in outcomes for y in x.figures.kind_gaps), default=(0.0, None)
    )
    return {
        "seeds": len(outcomes),
        "failed": sum(bool(x.violations) for x in outcomes),
        "hours": virtual / 3600,
        "seconds": round(seconds, 3),
        "speed": virtual / seconds,
        "events": events,
        "events_per_second": events / seconds,
        "trades": sum(x.trades for x in outcomes),
        "faults": sum(x.faults for x in outcomes),
        "processes": sum(x.processes for x in outcomes),
        "longest_gap_ms": 1000 * gap,
        "longest_gap_seed": gap_seed,
    }


def _plain(
    outcomes: "list[Outcome]", shortest: "dict[int, Script]", seconds: float
) -> dict[str, Any]:
    failures = [
        {
            "seed": x.seed,
            "violations": [asdict(y) for y in x.violations],
            "shortest": [str(y) for y in shortest[x.seed].entries] if x.seed in shortest else None,
        }
        for x in outcomes
        if x.violations
    ]
    digests = {x.seed: x.digest for x in outcomes}
    return {**_totals(outcomes, seconds), "failures": failures, "digests": digests}
