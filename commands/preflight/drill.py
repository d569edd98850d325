"""The drill: a full bracket on a paper exchange of its own, ``kill -9`` in the middle, recovery.

Everything happens in a temporary folder on free ports: nothing of the real account, its data or
its settings is touched. The stop is looked at from the venue's side, not in our own book.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import requests

from actors.ports import Clock
from adapters.paper.embedded import answers
from commands.preflight.checks import Result, green, red

RUN_FILE = Path(__file__).resolve().parents[2] / "run.py"
PATIENCE = 30.0
LOOK_EVERY = 0.02
STOP_SECONDS = 20.0
SLOWEST_RECOVERY = 10.0
TRADE = {
    "after": 1,
    "instrument_name": "BTC-PERPETUAL",
    "direction": "buy",
    "quantity": "0.01",
    "stop_loss": "-20%",
    "take_profit": "+20%",
}


class DrillFailed(Exception):
    """The drill did not go as it must; the text says where."""


def check(clock: Clock) -> Result:
    """Bracket, kill, recovery: the time from the kill to ``ready``."""
    fix = "do not trade; look at logs with: python run.py, on DERIBIT_ENV=paper"
    try:
        seconds, unprotected = run(clock)
    except (DrillFailed, OSError, requests.RequestException) as error:
        return red("drill", str(error), fix)
    found = (
        f"entry, stop ({unprotected:.0f} ms without it), target; kill -9; stop still on the "
        f"venue; ready again after {seconds:.1f} s"
    )
    return green("drill", found) if seconds <= SLOWEST_RECOVERY else red("drill", found, fix)


def run(clock: Clock) -> tuple[float, float]:
    """Seconds from the kill to ``ready``, and milliseconds the trade was without its stop.

    Raises:
        DrillFailed: something did not happen, or not as it must.
    """
    with TemporaryDirectory(prefix="bulwark-drill-") as name, ExitStack() as stack:
        folder, port = Path(name), _free_port()
        (folder / "drill.json").write_text(json.dumps([TRADE]), "utf-8")
        settings = {
            "DERIBIT_ENV": "paper",
            "PAPER_PORT": str(port),
            "API_PORT": str(_free_port()),
            "STRATEGIES": "script:drill.json",
        }
        url = f"http://127.0.0.1:{port}/api/v2"
        stack.enter_context(_process(folder, settings, "exchange"))
        _wait(lambda: answers(url), "the paper exchange answers", clock)
        log = _Log(folder / "logs" / "bot.log")
        bot = stack.enter_context(_process(folder, settings, "--exchange-elsewhere"))
        _wait(lambda: log.find("target_placed"), "a bracket is complete", clock)
        unprotected = float(log.find("stop_placed").get("unprotected_ms", 0.0))
        _must_be_guarded(url, "before the kill")
        bot.kill()
        bot.wait()
        killed_at = clock.monotonic()
        _must_be_guarded(url, "after the kill")
        log.forget()
        again = {**settings, "STRATEGIES": "none"}
        bot = stack.enter_context(_process(folder, again, "--exchange-elsewhere"))
        _wait(lambda: log.find("ready"), "the bot is ready again", clock)
        seconds = clock.monotonic() - killed_at
        if log.find("ready").get("trades") != 1:
            raise DrillFailed("the trade was not taken up again after the kill")
        _must_be_guarded(url, "after the recovery")
        bot.send_signal(signal.SIGTERM)
        if bot.wait(STOP_SECONDS) != 0:
            raise DrillFailed(f"the ordered stop ended with code {bot.returncode}")
        return seconds, unprotected


def _must_be_guarded(url: str, when: str) -> None:
    """One position, and a reduce-only stop over all of it, as the venue has them."""
    positions = _ask(url, "get_positions", {"currency": "any", "kind": "future"})
    held = sum(abs(float(row["size"])) for row in positions)
    orders = _ask(url, "get_open_orders", {})
    stops = [x for x in orders if x["order_type"] == "stop_market" and x["reduce_only"]]
    cover = sum(float(row["amount"]) for row in stops)
    if not held or cover < held:
        raise DrillFailed(f"{when}: a position of {held:g} USD with stops over {cover:g}")


def _ask(url: str, method: str, params: Mapping[str, Any]) -> Any:
    body = {"jsonrpc": "2.0", "id": 1, "method": f"private/{method}", "params": params}
    with requests.Session() as session:
        session.trust_env = False
        return session.post(url, json=body, auth=("paper", "paper"), timeout=5).json()["result"]


@contextmanager
def _process(
    folder: Path, settings: Mapping[str, str], *arguments: str
) -> Generator["subprocess.Popen[bytes]"]:
    """One of our programs in ``folder``, with these settings and no others."""
    environment = {"PATH": os.environ.get("PATH", ""), **settings}
    with (folder / "printed.out").open("ab") as sink:
        process = subprocess.Popen(  # noqa: S603 (our own interpreter and script)
            [sys.executable, str(RUN_FILE), *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _wait(look: Callable[[], object], what: str, clock: Clock) -> None:
    until = clock.monotonic() + PATIENCE
    while not look():
        if clock.monotonic() > until:
            raise DrillFailed(f"not within {PATIENCE:.0f} s: {what}")
        clock.sleep(LOOK_EVERY)


class _Log:
    """The drill's log, from a point on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._from = 0

    def find(self, event: str) -> dict[str, Any]:
        """The first entry of that name; empty without one."""
        with suppress(FileNotFoundError):
            for line in self._path.read_bytes()[self._from :].splitlines():
                with suppress(ValueError):
                    entry: dict[str, Any] = json.loads(line)
                    if entry.get("event") == event:
                        return entry
        return {}

    def forget(self) -> None:
        """Only what comes from now on."""
        self._from = self._path.stat().st_size


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
