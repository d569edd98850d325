"""A real supervisord with the project's own supervisor.conf, in a folder of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.endtoend.bulwark import NOWHERE, ROOT, LogFile, is_alive, wait_for

BIN = Path(sys.executable).parent
STOP_SECONDS = 40.0


class Supervised:
    """The running supervisord and how to speak with it."""

    def __init__(self, folder: Path, settings: Mapping[str, object]) -> None:
        self.folder = folder
        self.settings = dict(settings)
        self.log = LogFile(folder / "logs" / "bot.log")
        for name in ("data", "logs"):
            (folder / name).mkdir()
        for name in ("run.py", "supervisor.conf"):
            (folder / name).symlink_to(ROOT / name)
        (folder / ".venv").symlink_to(BIN.parent)
        self.write_settings()
        self._environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "http_proxy": NOWHERE}

    def write_settings(self, **changes: object) -> None:
        """The settings with these changes as ``.env``."""
        given = {**self.settings, **changes}
        text = "".join(f"{name}={value}\n" for name, value in given.items())
        (self.folder / ".env").write_text(text, "utf-8")

    def start(self, terminal: str = "") -> None:
        """Starts it; with ``terminal`` (a device) as if somebody sat there."""
        command = [str(BIN / "supervisord"), "-n", "-c", "supervisor.conf"]
        if terminal:  # the first that the leader of a session opens is the one that controls it
            command = ["sh", "-c", 'exec "$@" <>"$0" >&0 2>&0', terminal, *command]
        with (self.folder / "supervisord.out").open("ab") as sink:
            self._process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def ctl(self, *arguments: str) -> str:
        """What ``supervisorctl`` says."""
        return self._said(str(BIN / "supervisorctl"), "-c", "supervisor.conf", *arguments)

    def bulwark(self, *arguments: str) -> str:
        """What ``run.py`` says."""
        return self._said(sys.executable, "run.py", *arguments)

    def _said(self, *command: str) -> str:
        ran = subprocess.run(
            command,
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return ran.stdout

    def states(self) -> dict[str, str]:
        """Each program's state."""
        rows = (line.split() for line in self.ctl("status").splitlines())
        return {row[0]: row[1] for row in rows}

    def pid(self, program: str) -> int:
        """The program's process, waited for; it is another one after each death."""

        def look() -> int:
            said = self.ctl("pid", program).strip()
            return int(said) if said.isdigit() else 0

        return wait_for(look, f"the process of {program}")

    def spawned(self, program: str) -> int:
        """How often supervisord has started it."""
        text = (self.folder / "logs" / "supervisord.log").read_text("utf-8")
        return text.count(f"spawned: '{program}'")

    def stop(self) -> int:
        """Ends all in order."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(STOP_SECONDS)

    def close(self) -> None:
        """Ends what is left, by its own process ids."""
        if self._process.poll() is None:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
                pids = [int(pid) for pid in children.read_text("ascii").split()]
                self._process.kill()
                self._process.wait()
                for pid in filter(is_alive, pids):
                    os.kill(pid, signal.SIGKILL)


@contextmanager
def supervised(
    folder: Path, settings: Mapping[str, object], terminal: str = ""
) -> Iterator[Supervised]:
    """A supervisord with everything it starts, ended with the block."""
    found = Supervised(folder, settings)
    found.start(terminal)
    try:
        yield found
    finally:
        found.close()
