"""`run.py preflight` as a whole, on paper: what is kept of it."""

from pathlib import Path

import orjson

from adapters.storage.lock import InstanceLock
from tests.commands.running import run

QUICK = ("preflight", "--no-drill", "--button", "0")


def test_beside_a_running_bot_nothing_is_kept(tmp_path: Path) -> None:
    """It cannot be green there, and would take the clearance from the bot's next restart."""
    kept = tmp_path / "data" / "paper" / "preflight.json"
    run(tmp_path, *QUICK)
    before = kept.read_bytes()
    assert orjson.loads(before)["results"]
    lock = InstanceLock(kept.with_name("bot.lock"))
    ran = run(tmp_path, *QUICK)
    lock.release()
    assert (ran.code, kept.read_bytes()) == (1, before)
    assert "Not kept" in ran.errors
    run(tmp_path, *QUICK)
    assert kept.read_bytes() != before
