"""Asking a running bot how it is: for the watchdog, and for a container's health check."""

from dataclasses import dataclass
from typing import Any

import requests

from commands.common import api_root, aside, read_settings, tell
from config.settings import Settings

TIMEOUT = 5.0
WELL, SICK = 0, 1


@dataclass(frozen=True, slots=True)
class Health:
    """The bot's own verdict; ``answers`` is False when there is none. ``faults`` say why not."""

    answers: bool
    is_well: bool
    faults: str = ""


def ask(settings: Settings, timeout: float = TIMEOUT) -> Health:
    """The verdict of ``/healthz``. Whatever is no such verdict is no answer."""
    try:
        with requests.Session() as session:
            session.trust_env = False
            reply = session.get(f"{api_root(settings)}/healthz", timeout=timeout)
        verdict: dict[str, Any] = reply.json()
        is_well = verdict["is_well"]
        reasons: list[dict[str, Any]] = verdict["reasons"]
        faults = ", ".join(str(x["text"]) for x in reasons if x["is_fault"])
    except (requests.RequestException, ValueError, KeyError, TypeError):
        return Health(answers=False, is_well=False)
    return Health(answers=True, is_well=is_well is True, faults=faults)


def healthcheck() -> int:
    """For ``HEALTHCHECK``: 0 when the bot says it is well, else 1 and why."""
    health = ask(read_settings())
    if health.is_well:
        tell("well")
        return WELL
    aside(health.faults or "it does not answer")
    return SICK
