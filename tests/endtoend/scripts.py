"""Scripts of trades for a bot to play."""

import json
from pathlib import Path
from typing import Any

WIDE: dict[str, Any] = {
    "instrument_name": "BTC-PERPETUAL",
    "direction": "buy",
    "quantity": "0.01",
    "stop_loss": "-20%",
    "take_profit": "+20%",
    "after": 1,
}
"""A trade that stays open whatever the prices do within a test.

A second after ready: on the first day of an account Risk needs a price before it knows its equity.
"""


def script(folder: Path, *lines: dict[str, Any]) -> str:
    """A script in a file; the value of STRATEGIES that names it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "script.json"
    path.write_text(json.dumps(lines), "utf-8")
    return f"script:{path}"
