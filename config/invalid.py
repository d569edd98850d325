"""What is wrong with the settings, in words for the person who wrote them."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from config.model import Settings

HIDDEN = "(hidden)"
_LONGEST = 60
_TOKEN_LIKE = re.compile(r"\d{5,}:[\w-]{20,}|://[^/]*@")
_SHORTEST_SECRET = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake: the setting (or file), the value given if that is it, and what is right."""

    key: str
    given: str | None
    explanation: str

    def __str__(self) -> str:
        given = "" if self.given is None else f"{self.given} is not accepted; "
        return f"{self.key}: {given}{self.explanation}"


class SettingsInvalid(Exception):
    """The settings cannot be used. Carries every mistake, not only the first.

    ``rest`` are those without a mistake, the others at their defaults: for a kill, which few
    concern.
    """

    def __init__(self, problems: tuple[Problem, ...], rest: Settings) -> None:
        super().__init__(problems)
        self.problems = problems
        self.rest = rest

    def __str__(self) -> str:
        count = "1 mistake" if len(self.problems) == 1 else f"{len(self.problems)} mistakes"
        return "\n".join([f"The settings have {count}:", *(f"  {p}" for p in self.problems)])


def shown(text: str, secrets: Collection[str]) -> str:
    """``text`` quoted for a message, or `HIDDEN` when it is, holds or resembles a secret.

    A token pasted behind the wrong name is a common mistake, so the name alone cannot decide.
    """
    if _TOKEN_LIKE.search(text):
        return HIDDEN
    if any(len(secret) >= _SHORTEST_SECRET and secret in text for secret in secrets):
        return HIDDEN
    short = text if len(text) <= _LONGEST else text[:_LONGEST] + "..."
    return ascii(short) if not short.isprintable() else f'"{short}"'
