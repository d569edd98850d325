"""The README's ways to read the log, on a log that a bot wrote."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import structlog

from adapters.clock import SystemClock
from config.logs import configure
from tests.endtoend.bulwark import Process, wait_for

README = Path(__file__).parents[2] / "README.md"


def examples() -> list[str]:
    """The jq programs of the README."""
    return re.findall(
        r"tail -F logs/bot\.log \| jq (.*?)(?:\s+#.*)?$", README.read_text(), re.MULTILINE
    )


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
def test_the_readmes_jq_examples_work(tmp_path: Path) -> None:
    """Each finds something in a log that has everything."""
    with configure(tmp_path, "INFO", terminal=False, clock=SystemClock()):
        log = structlog.get_logger(actor="trade-x")
        log.info("stop_placed", trade_id="x", label="bw.x.sl.1", unprotected_ms=3.1)
        log.warning("stop_failed", trade_id="x", label="bw.x.sl.1")
    assert len(examples()) == 3
    for program in examples():
        command = f"jq {program} < bot.log"
        ran = subprocess.run(
            ["/bin/sh", "-c", command], cwd=tmp_path, capture_output=True, check=False, text=True
        )
        assert (ran.returncode, ran.stderr) == (0, ""), command
        assert "x" in ran.stdout


def test_following_shows_what_comes_on_a_terminal_that_cannot_show_it(tmp_path: Path) -> None:
    """A real process, a real rotation, an encoding without the letters; Ctrl-C ends it with 0."""
    path = tmp_path / "logs" / "bot.log"
    path.parent.mkdir()

    def add(event: str) -> None:
        entry = {"ts": "2026-03-01T12:00:00", "level": "info", "event": event, "note": "größer 🚀"}
        with path.open("ab") as file:
            file.write(json.dumps(entry).encode() + b"\n")

    add("first")
    with Process(tmp_path, ("logs", "-f"), {"PYTHONIOENCODING": "ascii"}) as logs:
        wait_for(lambda: "first" in logs.printed(), "the first line")
        path.rename(path.with_name("bot.log.1"))
        add("second")
        wait_for(lambda: "second" in logs.printed(), "the line after the rotation")
        assert "\\U0001f680" in logs.printed()
        assert logs.stop() == 0
        assert "Traceback" not in logs.printed()
