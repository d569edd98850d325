"""The exchange as a process: killed, restarted, and stopped in order."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import requests

from tests.adapters.paper.harness import INVERSE

BASIC = ("paper", "paper")
PROGRAM = """
import sys
from pathlib import Path
from adapters.paper.server import PaperSettings, serve
settings = PaperSettings(port=0, folder=Path(sys.argv[1]))
sys.exit(serve(settings, lambda port: print(f"at {port} ", flush=True)))
"""


class Process:
    """The exchange as a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(folder)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        )
        self.said: list[str] = []
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            self.said.append(line)
            if line.startswith("at "):
                self.http = f"http://127.0.0.1:{line.split()[1]}/api/v2"
                break

    def end(self, number: signal.Signals) -> int:
        """Sends a signal and waits; the rest of the output is kept."""
        self.popen.send_signal(number)
        rest, _ = self.popen.communicate(timeout=10)
        self.said.append(rest)
        return self.popen.returncode


def test_kill_minus_nine_loses_no_answered_order_and_sigterm_ends_cleanly(tmp_path: Path) -> None:
    """What was answered is there after a kill; SIGTERM ends with 0 and one line."""
    first = Process(tmp_path)
    order = {"instrument_name": INVERSE, "amount": "10", "price": "50000", "label": "kept"}
    reply = requests.get(f"{first.http}/private/buy", order, auth=BASIC, timeout=5).json()
    first.end(signal.SIGKILL)
    second = Process(tmp_path)
    kept = {"order_id": reply["result"]["order"]["order_id"]}
    url = f"{second.http}/private/get_order_state"
    assert requests.get(url, kept, auth=BASIC, timeout=5).json()["result"]["label"] == "kept"
    assert second.end(signal.SIGTERM) == 0
    text = "".join(second.said)
    assert text.count("paper_exchange_listening") == text.count("paper_exchange_stopping") == 1
