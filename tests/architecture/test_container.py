"""What the container files promise: no root, no secret inside, nothing open to a network.

There is no engine in the tests: the files are parsed, and held against what they promise.
"""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from actors import tree
from commands.rooms import ROOMS
from config.settings import load
from tests.architecture.code import PACKAGES

ROOT = Path(__file__).parents[2]
SERVICES = ("bot", "collector")


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    return loaded


def dockerfile() -> list[str]:
    """Its instructions, continued lines joined."""
    text = re.sub(r"\\\n\s*", " ", (ROOT / "Dockerfile").read_text("utf-8"))
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_there_are_bot_and_collector() -> None:
    """And the commands they run exist."""
    services = compose()["services"]
    assert set(services) == set(SERVICES)
    assert set(services["collector"]["command"]) <= set(ROOMS)
    assert "command" not in services["bot"]
    assert services["collector"]["profiles"] == ["collector"], "not unasked, as under supervisord"


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_keeps_its_data_on_the_host_and_comes_back(name: str) -> None:
    """Bind mounts, the settings as a file that it cannot change, a restart policy."""
    service = compose()["services"][name]
    assert {"./data:/app/data", "./logs:/app/logs", "./.env:/app/.env:ro"} <= set(
        service["volumes"]
    )
    assert all(mount.startswith("./") for mount in service["volumes"])
    assert "env_file" not in service
    assert "environment" not in service
    assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_opens_nothing_and_may_do_nothing(name: str) -> None:
    """No published port; on the host's network only loopback is bound, as the settings demand."""
    service = compose()["services"][name]
    assert service["network_mode"] == "host"
    assert "ports" not in service
    assert load(Path("/nonexistent/.env"), {}).api_host == "127.0.0.1"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "privileged" not in service
    assert not service["user"].startswith(("0", "root"))


def test_the_bot_has_time_to_stop() -> None:
    """As much as supervisord gives it."""
    conf = (ROOT / "supervisor.conf").read_text("utf-8")
    seconds = re.search(r"\[program:bot\].*?stopwaitsecs=(\d+)", conf, re.DOTALL)
    assert seconds is not None
    assert compose()["services"]["bot"]["stop_grace_period"] == f"{seconds[1]}s"
    assert tree.SUPERVISOR  # the tree whose budgets tests/commands/test_supervised.py adds up


def test_the_image_runs_as_nobody_special_and_knows_its_health() -> None:
    """Slim, not root, with the locked dependencies, and a check that asks the bot."""
    lines = dockerfile()
    assert [x for x in lines if x.startswith("FROM")][-1] == "FROM python:${PYTHON}-slim"
    assert "--require-hashes" in "\n".join(lines)
    assert lines.index("USER bulwark") > max(
        number for number, line in enumerate(lines) if line.startswith(("RUN", "COPY"))
    )
    (check,) = [x for x in lines if x.startswith("HEALTHCHECK")]
    assert check.endswith('CMD ["python", "run.py", "healthcheck"]')
    assert lines[-1] == 'ENTRYPOINT ["python", "run.py"]'
    assert not [x for x in lines if x.startswith(("ARG", "ENV")) and "SECRET" in x.upper()]


def test_only_sources_go_into_the_image() -> None:
    """Everything is left out but what is named; keys, data and logs are not named."""
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    named = {rule[1:] for rule in rules if rule.startswith("!")}
    shipped = {name for name in PACKAGES if name not in {"tests", "benchmarks"}}
    assert named == {*shipped, "requirements.txt", "run.py", "supervisor.conf"}
    assert "**/.env" in rules
