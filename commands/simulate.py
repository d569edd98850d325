"""`run.py simulate`: the whole daemon on virtual time, under faults, judged from outside."""

import json
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapters.clock import SystemClock
from commands.common import fail

if TYPE_CHECKING:
    from rich.console import Console

    from simulation.script import Script
    from simulation.stage import Outcome

# The simulation (greenlets, the paper exchange) is imported where it is needed: the bot, which
# shares this command line, must not carry it.

FAILED, USAGE = 1, 2
MOST_SHRUNK = 3
"""So many failures are shrunk; the others are listed."""


def simulate(  # noqa: PLR0917 (Typer reads the options from the signature)
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds.")] = 20,
    start: Annotated[int, typer.Option("--from", min=0, help="The first seed.")] = 0,
    hours: Annotated[float, typer.Option(min=0.01, help="Virtual hours of each.")] = 1.0,
    faults: Annotated[str, typer.Option(help="all, none, or kinds separated by commas.")] = "all",
    trades: Annotated[float, typer.Option(min=1, help="Trades asked for in a day.")] = 50.0,
    storm: Annotated[float, typer.Option(min=0, help="Multiplies how often faults strike.")] = 1.0,
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
    scripts = [
        write(each, hours=hours, faults=kinds, trades_per_day=trades, storm=storm)
        for each in chosen
    ]
    console = Console(stderr=as_json)
    began = SystemClock().monotonic()
    outcomes = list(_played(scripts, jobs, console, keeps_trace=trace))
    seconds = SystemClock().monotonic() - began
    outcomes.sort(key=lambda x: x.seed)
    failed = [x for x in outcomes if x.violations]
    shortest = {x.seed: _shortest(scripts, x) for x in failed[:MOST_SHRUNK]}
    if as_json:
        typer.echo(json.dumps(_plain(outcomes, shortest, seconds), default=str))
    else:
        _tell(console, outcomes, shortest, seconds, shows_trace=trace)
    raise typer.Exit(FAILED if failed else 0)


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
    scripts: "list[Script]", jobs: int, console: "Console", *, keeps_trace: bool
) -> "Iterator[Outcome]":
    from rich import progress as show  # noqa: PLC0415 - only this command draws a bar

    # Here and not in the workers: they are forks, and need not each import it all.
    from simulation.running import play  # noqa: PLC0415 - see above

    workers = min(len(scripts), jobs or os.cpu_count() or 1)
    if workers == 1:
        for script in scripts:
            yield play(script, keeps_trace=keeps_trace)
        return
    name, left = show.TextColumn("{task.description}"), show.TimeRemainingColumn()
    bar = show.Progress(name, show.BarColumn(), show.MofNCompleteColumn(), left, console=console)
    with bar as progress, ProcessPoolExecutor(workers) as pool:
        task = progress.add_task("seeds", total=len(scripts))
        running = [pool.submit(play, script, keeps_trace=keeps_trace) for script in scripts]
        failures = 0
        for done in as_completed(running):
            outcome = done.result()
            failures += bool(outcome.violations)
            progress.update(task, advance=1, description=f"seeds ({failures} failed)")
            yield outcome


def _shortest(scripts: "list[Script]", outcome: "Outcome") -> "Script":
    """The shortest script that breaks the same invariant."""
    from simulation.running import play  # noqa: PLC0415 - see above
    from simulation.shrinking import shrink  # noqa: PLC0415 - see above

    wanted = outcome.violations[0].invariant

    def fails(script: "Script") -> bool:
        return any(x.invariant == wanted for x in play(script).violations)

    script = next(x for x in scripts if x.seed == outcome.seed)
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
        for violation in outcome.violations:
            console.out(f"seed {outcome.seed}: {violation}", highlight=False)
        if outcome.seed in shortest:
            entries = shortest[outcome.seed].entries
            console.out(f"  {len(entries)} entries are enough:", highlight=False)
            for entry in entries:
                console.out(f"  {entry}", highlight=False)
    total = _totals(outcomes, seconds)
    if len(outcomes) == 1:
        console.out(f"trace {outcomes[0].digest}", highlight=False)
    console.out(
        f"{total['seeds']} seeds, {total['hours']:.1f} virtual hours in {seconds:.1f} s "
        f"({total['speed']:.0f} times real time, {total['events_per_second']:.0f} events/s): "
        f"{total['trades']} trades, {total['faults']} faults, {total['processes']} processes, "
        f"{total['failed']} seeds failed. Longest gap without a stop in a kind world: "
        f"{total['longest_gap_ms']:.1f} ms.",
        highlight=False,
    )


def _totals(outcomes: "list[Outcome]", seconds: float) -> dict[str, Any]:
    virtual = sum(x.seconds for x in outcomes)
    events = sum(x.events for x in outcomes)
    gaps = [y for x in outcomes for y in x.figures.kind_gaps]
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
        "longest_gap_ms": 1000 * max(gaps, default=0.0),
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
