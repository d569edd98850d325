"""The collector's process, seen from the bot: its news file, and a child where one is wished.

DuckDB and numpy stay in that process; here is nothing but a small JSON file.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import orjson
import structlog

from actors.ports import ArchiveNews, ArchiveState, Clock

NEWS = "collector.json"
START_EVERY_SECONDS = 30.0
"""A collector that ends is started again, but not in a storm."""
STOP_SECONDS = 15.0
MOST_PRINTED = 5_000_000
"""Bytes of what it prints, after which the file is begun anew: its log has files of its own."""
_NEWS_FIELDS = frozenset(field.name for field in fields(ArchiveNews))


class CollectorProcess:
    """`actors.ports.TickArchive`. Without a ``command`` it only follows."""

    def __init__(
        self, folder: Path, command: Sequence[str] | None, output: Path, clock: Clock
    ) -> None:
        self._file = folder / NEWS
        self._command = command
        self._output = output
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at: float | None = None
        self._log = structlog.get_logger(actor="collector")

    @property
    def is_ours(self) -> bool:
        return self._command is not None

    def keep(self) -> None:
        """Starts one when none of ours runs; beside another's, it ends by itself at once."""
        if self._command is None:
            return
        self._shorten()
        if self._process and self._process.poll() is None:
            return
        now = self._clock.monotonic()
        if self._started_at is not None and now - self._started_at < START_EVERY_SECONDS:
            return
        if self._process is not None:
            self._log.warning("collector_process_ended", code=self._process.returncode)
        self._started_at = now
        try:
            self._process = self._start(self._command)
        except OSError as error:
            self._log.warning("collector_process_not_started", error=str(error))

    def _shorten(self) -> None:
        """As supervisord would. The process appends, so what it prints next stands at the start."""
        with suppress(OSError):
            if self._output.stat().st_size > MOST_PRINTED:
                os.truncate(self._output, 0)

    def _start(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        self._output.parent.mkdir(parents=True, exist_ok=True)
        with self._output.open("ab") as sink:
            # Its own session keeps a Ctrl-C meant for the bot away from it.
            return subprocess.Popen(  # noqa: S603 (our own interpreter and script)
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def look(self) -> ArchiveState | None:
        try:
            told: Any = orjson.loads(self._file.read_bytes())
            return _state(told)
        except (OSError, ValueError, KeyError, TypeError, InvalidOperation):
            return None

    def release(self) -> None:
        """It stores what it holds, then ends; one that does not is killed and loses nothing."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _state(told: Mapping[str, Any]) -> ArchiveState:
    symbols: Sequence[Mapping[str, Any]] = list(told["symbols"].values())
    lags = [int(x["lag_ms"]) for x in symbols if x["lag_ms"] is not None]
    return ArchiveState(
        pid=int(told["pid"]),
        at=float(told["at"]),
        stored=int(told["stored"]),
        holes=sum(int(x["holes"]) for x in symbols),
        lag_ms=max(lags, default=None),
        bytes_per_tick=Decimal(str(told["bytes_per_tick"])),
        news=tuple(
            ArchiveNews(**{name: value for name, value in each.items() if name in _NEWS_FIELDS})
            for each in told["news"]
        ),
    )
