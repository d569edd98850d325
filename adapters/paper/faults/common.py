"""What every fault of a plan has: a name, and when it strikes. Durations are milliseconds."""

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from pydantic import ConfigDict

from adapters.paper.faults.kinds import (
    Count,
    Duration,
    Moments,
    Name,
    Positive,
    Probability,
    Rate,
    Sigma,
)

Applied: TypeAlias = bool | Literal["random"]
"""Whether the venue did what it was asked although it did not say so."""
ANY = ("*",)
STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """How long something takes. Exactly one of the four; ``cap`` cuts the long tails off.

    ``uniform`` has its two ends, ``exponential`` its mean, ``lognormal`` its median and the
    ``sigma`` of the logarithm.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    constant: Duration | None = None
    uniform: tuple[Duration, Duration] | None = None
    exponential: Positive | None = None
    lognormal: Positive | None = None
    sigma: Sigma = 0.5
    cap: Positive = 60_000

    def __post_init__(self) -> None:
        given = (self.constant, self.uniform, self.exponential, self.lognormal)
        if sum(each is not None for each in given) != 1:
            raise ValueError("give one of constant, uniform, exponential and lognormal")
        if self.uniform is not None and self.uniform[0] > self.uniform[1]:
            raise ValueError("uniform has its lower end first")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What every fault has: a name, and when it strikes.

    Moments come from ``at`` (since the plan came into force), ``every`` or ``rate_per_hour``.
    A fault of requests, notifications or connections strikes the first that matches after each
    moment; without any of the three it strikes each that matches, with ``probability``, or every
    ``nth``. ``after`` and ``until`` bound it, ``most`` is how often it strikes at most, ``seed``
    makes its chance its own.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    name: Name = ""
    at: Moments = ()
    every: Positive | None = None
    rate_per_hour: Rate | None = None
    after: Duration = 0
    until: Positive | None = None
    probability: Probability = 1.0
    nth: Count = 1
    most: Count | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        given = (bool(self.at), self.every is not None, self.rate_per_hour is not None)
        if sum(given) > 1:
            raise ValueError("give one of at, every and rate_per_hour")
        if self.until is not None and self.until <= self.after:
            raise ValueError("until is not after 'after'")

    @property
    def has_moments(self) -> bool:
        """Whether it strikes at moments, and not at whatever matches."""
        return bool(self.at) or self.every is not None or self.rate_per_hour is not None
