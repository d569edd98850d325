"""The checks of the machine: disk, files, other instances, who restarts us."""

import os
import shutil
import statistics
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from actors.ports import Clock
from adapters.storage.lock import AlreadyRunning, InstanceLock
from commands.backup import has_run, newest
from commands.preflight.checks import Result, green, red, skipped

LEAST_FREE = 1 << 30
SLOWEST_FSYNC_MS = 100.0
FSYNCS = 5
OLDEST_BACKUP_DAYS = 7.0
INSTANCE = "second instance"
GROUP_AND_OTHERS = 0o077


def disk(folder: Path, clock: Clock) -> Result:
    """Room, and an fsync that is one: intents wait for it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        milliseconds = _fsync_ms(folder / ".preflight", clock)
    except OSError as error:
        return red("disk", f"{folder}: {error.strerror}", "make it a folder this user may write")
    found = f"{free / 2**30:.1f} GiB free, fsync {milliseconds:.1f} ms"
    if free < LEAST_FREE:
        return red("disk", found, "free at least 1 GiB")
    if milliseconds > SLOWEST_FSYNC_MS:
        return red("disk", found, "every trade waits for it: use a local disk")
    return green("disk", found)


def _fsync_ms(probe: Path, clock: Clock) -> float:
    times: list[float] = []
    descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        for _ in range(FSYNCS):
            began = clock.monotonic()
            os.write(descriptor, b"probe\n")
            os.fsync(descriptor)
            times.append(clock.monotonic() - began)
    finally:
        os.close(descriptor)
        probe.unlink(missing_ok=True)
    return statistics.median(times) * 1000


def env_file(path: Path) -> Result:
    """The file with the keys is for its owner only."""
    try:
        mode = path.stat().st_mode & 0o777
    except FileNotFoundError:
        return skipped(".env", "there is none: the settings come from the environment")
    if mode & GROUP_AND_OTHERS:
        return red(".env", f"mode {mode:03o}: others may read the keys", f"chmod 600 {path}")
    return green(".env", f"mode {mode:03o}")


def backup(folder: Path, data: Path, now: datetime) -> Result:
    """A backup of this venue's data, young enough to be worth something."""
    if not has_run(data):
        return skipped("backup", "no bot has run here: there is nothing to lose yet")
    latest = newest(folder, data.name)
    if latest is None:
        return red("backup", f"none of {data.name} in {folder}", "python run.py backup")
    days = (now - datetime.fromtimestamp(latest.stat().st_mtime, now.tzinfo)).total_seconds()
    days /= 86_400
    found = f"{latest.name}, {days:.1f} days old"
    if days > OLDEST_BACKUP_DAYS:
        return red("backup", found, "python run.py backup, daily by cron")
    return green("backup", found)


def instance(lock: Path) -> Result:
    """Nobody else runs on this data: the start would be refused."""
    try:
        InstanceLock(lock).release()
    except AlreadyRunning as error:
        return red(INSTANCE, str(error), "stop it first: supervisorctl stop bot, or Ctrl-C")
    except OSError as error:
        return red(INSTANCE, f"{lock}: {error.strerror}", "make the folder writable")
    return green(INSTANCE, "none")


def restarts(root: Path, environ: Mapping[str, str]) -> Result:
    """Somebody starts the bot again when it dies: supervisord, or the container's engine."""
    if "BULWARK_CONTAINER" in environ:
        return green("supervisord", "in a container: its restart policy does it")
    program, conf = Path(sys.executable).parent / "supervisord", root / "supervisor.conf"
    missing = [str(path.name) for path in (program, conf) if not path.exists()]
    if missing:
        return red("supervisord", f"missing: {', '.join(missing)}", "install it again: make run")
    is_up = (root / "data" / "supervisor.sock").exists()
    return green("supervisord", "running" if is_up else "installed; start it with: make supervise")
