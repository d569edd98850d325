"""Seeded chance and the moments of one fault."""

import hashlib
import math

from adapters.paper.faults.common import Delay, Fault
from adapters.paper.faults.plan import AnyFault
from adapters.paper.noise import bell, noise

HOUR_MS = 3_600_000


class Dice:
    """The chance of one fault: by its name, so that it does not depend on the others."""

    def __init__(self, plan_seed: int, fault: Fault) -> None:
        text = f"{plan_seed}.{fault.seed}.{fault.name}".encode()
        self._seed = int.from_bytes(hashlib.sha256(text).digest()[:8])
        self._thrown = 0

    def part(self) -> float:
        """A number from 0 up to but not 1."""
        self._thrown += 1
        return (noise(self._seed, self._thrown) >> 11) * 2.0**-53

    def exponential(self, mean: float) -> float:
        """A number above 0, of this mean."""
        return -math.log(1.0 - self.part()) * mean

    def lognormal(self, median: float, sigma: float) -> float:
        """A number above 0 with this median."""
        self._thrown += 1
        return median * math.exp(sigma * float(bell(self._seed, self._thrown)))


def drawn_ms(delay: Delay, dice: Dice) -> float:
    """One delay in milliseconds, to the microsecond so that machines agree."""
    if delay.constant is not None:
        ms = float(delay.constant)
    elif delay.uniform is not None:
        low, high = delay.uniform
        ms = low + (high - low) * dice.part()
    elif delay.exponential is not None:
        ms = dice.exponential(delay.exponential)
    else:
        ms = dice.lognormal(delay.lognormal or 0, delay.sigma)
    return round(min(ms, delay.cap), 3)


class Moments:
    """When a fault is due, by its schedule. Times are milliseconds; it starts at ``origin_ms``."""

    def __init__(self, fault: Fault, origin_ms: int, dice: Dice) -> None:
        self._fault = fault
        self._origin_ms = origin_ms
        self._dice = dice
        self._end_ms = math.inf if fault.until is None else origin_ms + fault.until
        self._at = sorted({origin_ms + each for each in fault.at})
        self._next = self._first()

    def _first(self) -> float:
        fault, start_ms = self._fault, self._origin_ms + self._fault.after
        if fault.at:
            self._at = [each for each in self._at if each >= start_ms]
            return self._bounded(self._at.pop(0) if self._at else math.inf)
        if fault.every is not None:
            return self._bounded(start_ms + fault.every)
        if fault.rate_per_hour is not None:
            return self._bounded(start_ms + self._gap(fault.rate_per_hour))
        return self._bounded(start_ms)

    def _gap(self, rate_per_hour: float) -> float:
        return max(1.0, round(self._dice.exponential(HOUR_MS / rate_per_hour)))

    def _bounded(self, moment: float) -> float:
        return moment if moment < self._end_ms else math.inf

    @property
    def next_ms(self) -> float:
        """The next moment; infinite when there is none."""
        return self._next

    def is_due(self, now_ms: int) -> bool:
        """Whether a moment has come, which is then used up.

        Moments missed while nobody looked are one; those of ``at`` each count.
        """
        if now_ms < self._next:
            return False
        fault, moment = self._fault, self._next
        if fault.at:
            self._next = self._bounded(self._at.pop(0) if self._at else math.inf)
        elif fault.every is not None:
            passed = (now_ms - moment) // fault.every
            self._next = self._bounded(moment + (passed + 1) * fault.every)
        elif fault.rate_per_hour is not None:
            self._next = self._bounded(now_ms + self._gap(fault.rate_per_hour))
        else:
            self._next = math.inf
        return True


class Strike:
    """One fault in force: whether it strikes now, and how often it has.

    A fault with moments strikes the first that matches after each of them; one without strikes
    whatever matches, every ``nth``, with its probability.
    """

    def __init__(self, fault: AnyFault, plan_seed: int, origin_ms: int) -> None:
        self.fault = fault
        self.dice = Dice(plan_seed, fault)
        self.count = 0
        self._origin_ms = origin_ms
        self._matched = 0
        self._charges = 0
        self.moments = Moments(fault, origin_ms, self.dice)

    @property
    def is_spent(self) -> bool:
        """Whether it will never strike again by its own count."""
        return self.fault.most is not None and self.count >= self.fault.most

    def is_due(self, now_ms: int) -> bool:
        """For what happens by itself: whether a moment has come."""
        return not self.is_spent and self.moments.is_due(now_ms) and self._is_drawn()

    def hits(self, now_ms: int) -> bool:
        """For what happens to something that matches: whether it happens to this one."""
        fault, since_ms = self.fault, now_ms - self._origin_ms
        if self.is_spent:
            return False
        if fault.has_moments:
            self._charges += self.moments.is_due(now_ms)
            if not self._charges or not self._is_drawn():
                return False
            self._charges -= 1
            return True
        if since_ms < fault.after or (fault.until is not None and since_ms >= fault.until):
            return False
        self._matched += 1
        return self._matched % fault.nth == 0 and self._is_drawn()

    def _is_drawn(self) -> bool:
        """One throw of the dice; a hit is counted."""
        is_hit = self.fault.probability >= 1 or self.dice.part() < self.fault.probability
        self.count += is_hit
        return is_hit
