"""Commands whose output nobody takes do their work all the same, and end with their own code."""

import json
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from adapters.clock import SystemClock
from tests.adapters.paper.serving import Running, running
from tests.commands.bot_api import serving
from tests.commands.running import Ran, begun, data_of_a_bot, full, gone, run, run_into, sound_book
from tests.endtoend.observer import Observer

Output = Callable[[], AbstractContextManager[int]]
AT_ALL = [pytest.param(gone, id="gone"), pytest.param(full, id="full")]


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path / "venue") as server:
        yield server


@pytest.mark.parametrize("output", AT_ALL)
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_direct_kill_that_nobody_hears_closes_everything(
    venue: Running, tmp_path: Path, output: Output, options: tuple[str, ...]
) -> None:
    """Neither its words nor its errors can be written. Flat is flat, and 0."""
    sound_book(tmp_path).close()
    observer = Observer(venue.port)
    observer.call("private/buy", instrument_name="BTC-PERPETUAL", amount=100, type="market")
    assert observer.positions()
    settings = {"PAPER_PORT": venue.port}
    with output() as nowhere:
        ran = run_into(
            nowhere, tmp_path, "kill", "--direct", *options, settings=settings, with_errors=True
        )
    assert ran.code == 0
    assert observer.positions() == {}


@pytest.mark.parametrize("output", AT_ALL)
def test_a_direct_kill_that_nobody_hears_tells_by_its_code_that_nothing_is_closed(
    tmp_path: Path, output: Output
) -> None:
    """The venue cannot be reached: 1, also into a pipe, where it used to be 0."""
    settings = {"DERIBIT_HTTP_URL": "http://127.0.0.1:1/api/v2"}
    with output() as nowhere:
        ran = run_into(nowhere, tmp_path, "kill", "--direct", settings=settings, with_errors=False)
    assert ran.code == 1
    assert "Traceback" not in ran.errors


def test_a_terminal_that_goes_away_ends_no_direct_kill(tmp_path: Path) -> None:
    """It hears of it while it waits for the venue, and goes on to the end it would have had."""
    with socket.create_server(("127.0.0.1", 0)) as venue:
        venue.settimeout(30)
        url = f"http://127.0.0.1:{venue.getsockname()[1]}/api/v2"
        with begun(tmp_path, "kill", "--direct", settings={"DERIBIT_HTTP_URL": url}) as process:
            line, _ = venue.accept()
            process.send_signal(signal.SIGHUP)
            line.close()
            venue.close()
            output, _ = process.communicate(timeout=60)
    assert "NOTHING IS CLOSED: no session with the venue" in output.decode()
    assert process.returncode == 1


def test_what_a_direct_kill_would_log_is_no_part_of_its_output(
    venue: Running, tmp_path: Path
) -> None:
    """A line a crash has cut off is put aside, which the daemon logs; programs read one reply."""
    sound_book(tmp_path).close()
    torn = tmp_path / "data/paper/journal" / f"{SystemClock().now().date()}.jsonl"
    torn.parent.mkdir(parents=True)
    torn.write_bytes(b'{"seq":1,')
    ran = run(tmp_path, "kill", "--direct", "--json", settings={"PAPER_PORT": venue.port})
    assert json.loads(ran.output)["is_flat"] is True
    assert torn.with_suffix(".torn").exists()


UNWRITTEN = "The output cannot be written: No space left on device.\n"


class Daemon(BaseHTTPRequestHandler):
    """Takes whatever it is told, and ends the stream before it says how that went."""

    def do_GET(self) -> None:
        self._reply(200, {"status": "done", "lines": ["All is well."]})

    def do_POST(self) -> None:
        status = "accepted" if self.path == "/v1/kill" else "done"
        self._reply(202, {"request_id": "r", "status": status, "lines": ["Taken."]})

    def _reply(self, code: int, reply: dict[str, object]) -> None:
        content = json.dumps(reply).encode()
        self.send_response(code)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def daemon() -> Iterator[dict[str, object]]:
    """The settings of a command line at a daemon that answers."""
    with serving(Daemon) as port:
        yield {"API_PORT": port, "API_TOKEN": "t" * 20}


def heard(output: Output, folder: Path, *words: str, settings: dict[str, object]) -> Ran:
    """The command with that output; what it says beside it."""
    with output() as nowhere:
        return run_into(nowhere, folder, *words, settings=settings, with_errors=False)


@pytest.mark.parametrize(
    ("output", "words", "expected"),
    [
        (gone, ("status",), Ran(0, "", "")),
        (full, ("status",), Ran(1, "", UNWRITTEN)),
        (gone, ("resume", "--yes"), Ran(0, "", "")),
        (full, ("resume", "--yes"), Ran(0, "", UNWRITTEN)),
    ],
)
def test_what_reads_fails_without_its_output_and_what_acts_does_not(
    tmp_path: Path,
    daemon: dict[str, object],
    output: Output,
    words: tuple[str, ...],
    expected: Ran,
) -> None:
    """One line says why; a reader that went away wanted no more."""
    assert heard(output, tmp_path, *words, settings=daemon) == expected


@pytest.mark.parametrize("output", AT_ALL)
def test_a_kill_whose_end_is_not_known_is_none_that_is_done(
    tmp_path: Path, daemon: dict[str, object], output: Output
) -> None:
    """It used to be 0 into a pipe, before the account was verified."""
    ran = heard(output, tmp_path, "kill", settings=daemon)
    assert ran.code == 1
    assert "cannot be followed" in ran.errors


@pytest.mark.parametrize("output", AT_ALL)
def test_a_red_preflight_is_red_into_a_pipe(tmp_path: Path, output: Output) -> None:
    """As after ``&&``, ``| head`` must not let a bot start."""
    ran = heard(output, tmp_path, "preflight", settings={"API_PORT": "none"})
    assert ran.code == 1
    assert "Traceback" not in ran.errors


@pytest.mark.parametrize("output", AT_ALL)
def test_a_backup_that_nobody_hears_of_removes_the_older_ones(
    tmp_path: Path, output: Output
) -> None:
    """As on every other day."""
    folder = data_of_a_bot(tmp_path)
    backups = folder / "backups"
    backups.mkdir()
    for day in ("01", "02", "03"):
        (backups / f"bulwark-paper-202603{day}T031500Z.tar.gz").touch()
    ran = heard(output, folder, "backup", "--keep", "2", settings={})
    assert ran.code == 0
    assert len(list(backups.iterdir())) == 2


@pytest.mark.parametrize("options", [(), ("--json",), ("--errors",)])
@pytest.mark.parametrize(("output", "code", "said"), [(gone, 0, ""), (full, 1, UNWRITTEN)])
def test_the_log_ends_with_its_reader(
    tmp_path: Path, output: Output, code: int, said: str, options: tuple[str, ...]
) -> None:
    """Quietly, however long it is."""
    line = b'{"ts":"2026-03-01T12:00:00","level":"error","event":"look_failed"}\nno entry\n'
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "bot.log").write_bytes(line * 10_000)
    ran = heard(output, tmp_path, "logs", "-n", "20000", *options, settings={})
    assert (ran.code, ran.errors) == (code, said)


def test_a_log_that_is_followed_ends_with_its_reader(tmp_path: Path) -> None:
    """Nobody else would end it."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "bot.log").write_bytes(b"no entry\n")
    assert heard(gone, tmp_path, "logs", "-f", settings={}) == Ran(0, "", "")


@pytest.mark.parametrize("words", [("--help",), ("kill", "--help"), ("--version",)])
@pytest.mark.parametrize(("output", "code", "said"), [(gone, 0, ""), (full, 1, UNWRITTEN)])
def test_help_ends_as_whatever_reads_does(
    tmp_path: Path, output: Output, code: int, said: str, words: tuple[str, ...]
) -> None:
    """`--help | head -1` was a 1 each time, and a traceback on a full disk."""
    assert heard(output, tmp_path, *words, settings={}) == Ran(code, "", said)


@pytest.mark.parametrize("output", AT_ALL)
@pytest.mark.parametrize("words", [("nosuch",), ("kill", "--nosuch")])
def test_what_is_not_understood_is_a_2_whoever_hears_it(
    tmp_path: Path, output: Output, words: tuple[str, ...]
) -> None:
    """The words are lost, the code is not."""
    with output() as nowhere:
        ran = run_into(nowhere, tmp_path, *words, settings={}, with_errors=True)
    assert ran.code == 2
