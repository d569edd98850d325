"""What happens in one run: a seed makes it, and leaving entries out makes it shorter.

An entry has a moment, a name, and what happens: one of life's own (`happenings.Wish`), a mishap
of the machine (`happenings.Mishap`), or a fault of the venue. Chance inside an entry depends on
its name alone, so the others happen as before when it is gone.
"""

import random
from collections.abc import Collection
from dataclasses import dataclass, fields, replace

from simulation.drawing import FAULTS, WISHES, Act

HOUR = 3600.0
FAR = (0.005, 0.005, 0.03, 0.1)
"""Seconds to the venue: the same city twice, another country, another continent."""
DISTANCES = (-0.02, 0.0, 0.01, 0.05, 0.2, 1.0, 5.0)
"""How far from a trade, in seconds, faults may strike that are drawn to it."""
LIFE = frozenset({"open", "close", "kill", "move"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Something that happens ``at`` so many seconds after the start."""

    at: float
    name: str
    act: Act

    @property
    def kind(self) -> str:
        return str(self.act.kind)

    def __str__(self) -> str:
        values = {x.name: getattr(self.act, x.name) for x in fields(self.act)}
        plain = {x.name: x.default for x in fields(self.act)}
        told = (f"{x}={y}" for x, y in values.items() if x != "kind" and y != plain[x])
        return f"{self.at:9.3f} s  {self.name:<24} {' '.join(told)}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A run: how the world starts, and what happens in it. ``hour`` is that of the day (UTC).

    ``bracket`` is the setting of that name, and so is ``trades_per_instrument``; ``one_way`` is
    how far the venue is, in seconds.
    """

    seed: int
    hours: float
    hour: float = 9.0
    volatility: float = 0.0004
    tick: float = 1.0
    one_way: float = 0.005
    bracket: str = "sequential"
    trades_per_instrument: int = 1
    entries: tuple[Entry, ...] = ()

    def with_entries(self, entries: tuple[Entry, ...], *, hours: float) -> "Script":
        """The same world with other entries, for so long."""
        return replace(self, entries=entries, hours=hours)


def write(
    seed: int,
    *,
    hours: float,
    faults: Collection[str] | None = None,
    trades_per_day: float = 50.0,
    storm: float = 1.0,
    bracket: str | None = None,
    trades_per_instrument: int = 1,
) -> Script:
    """The script of a seed. ``faults`` are the kinds that may happen (None: all).

    ``storm`` multiplies how often faults strike. Without ``bracket`` one seed in four sends
    linked orders.
    """
    dice = random.Random(seed)  # noqa: S311 (reproducible on purpose)
    allowed = FAULTS if faults is None else {x: FAULTS[x] for x in FAULTS if x in faults}
    wishes = {x: (rate * trades_per_day / 24, make) for x, (rate, make) in WISHES.items()}
    faulty = {x: (rate * storm, make) for x, (rate, make) in allowed.items()}
    entries: list[Entry] = []
    for kind, (per_hour, make) in (wishes | faulty).items():
        at, number = dice.expovariate(per_hour / HOUR), 1
        while at < hours * HOUR:
            entries.append(Entry(at=round(at, 3), name=f"{kind}-{number}", act=make(dice)))
            at, number = at + dice.expovariate(per_hour / HOUR), number + 1
    entries = [x for x in _drawn_together(dice, entries) if x.at < hours * HOUR]
    return Script(
        seed=seed,
        hours=hours,
        hour=dice.choice((9.0, 7.9, 23.9, 2.0)),
        volatility=dice.choice((0.00005, 0.0002, 0.0008)),
        bracket=bracket or ("sequential" if seed % 4 else "otoco"),
        trades_per_instrument=trades_per_instrument,
        one_way=dice.choice(FAR),
        entries=tuple(sorted(entries, key=lambda x: (x.at, x.name))),
    )


def _drawn_together(dice: random.Random, entries: list[Entry]) -> list[Entry]:
    """Most faults happen around the time somebody trades: that is where they hurt."""
    trades = [x.at for x in entries if x.kind in {"open", "close", "kill"}]
    if not trades:
        return entries
    moved: list[Entry] = []
    for entry in entries:
        if entry.kind in LIFE or dice.random() > 0.7:
            moved.append(entry)
        else:
            near = dice.choice(trades) + dice.choice(DISTANCES) * dice.random()
            moved.append(replace(entry, at=round(max(0.0, near), 3)))
    return moved
