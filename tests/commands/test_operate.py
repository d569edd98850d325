"""`run.py kill` and its like against a daemon that has no answer."""

import json
import os
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from adapters.storage.lock import InstanceLock
from commands import client
from commands.api import TOKEN_FILE, NoToken, made_token
from commands.facts import VERSION
from config.logs import without_secrets
from config.settings import load
from domain.commands import BY_NAME, parse_named
from tests.adapters.api.fakes import TOKEN, FakeDesk
from tests.adapters.api.fakes import Running as ApiRunning
from tests.commands.bot_api import serving
from tests.commands.running import Ran, run
from tests.endtoend.bulwark import free_port


class Door(BaseHTTPRequestHandler):
    """Answers as a test has it, and logs nothing."""

    def send(self, code: int, content: bytes) -> None:
        self.send_response(code)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None: ...


def test_a_kill_that_is_not_answered_says_what_else_there_is(tmp_path: Path) -> None:
    """The daemon is stopping: its words, the way without it, and a failure; no traceback."""
    problem = {"reason": "desk_silent", "lines": ["kill is given, but not answered yet."]}

    class Silent(Door):
        def do_POST(self) -> None:
            self.send(504, json.dumps(problem).encode())

    with serving(Silent) as port:
        ran = run(tmp_path, "kill", settings={"API_PORT": port, "API_TOKEN": "t" * 20})
    assert ran.code == 1
    assert ran.output == (
        "kill is given, but not answered yet.\n"
        "To close everything without the daemon: python run.py kill --direct\n"
    )
    assert ran.errors == ""


def test_a_daemon_that_does_not_understand_is_one_that_answers(
    tmp_path: Path,
) -> None:
    """It answers, so the way without it is none; not understood is a 2."""
    problem = {"reason": "bad_arguments", "lines": ["body.what: not a trade's id"]}

    class Older(Door):
        def do_POST(self) -> None:
            self.send(422, json.dumps(problem).encode())

    with serving(Older) as port:
        settings = {"API_PORT": port, "API_TOKEN": "t" * 20}
        ran = run(tmp_path, "close", "abc", settings=settings)
    assert ran == Ran(2, "body.what: not a trade's id\n", "")


@pytest.mark.parametrize(
    "typed",
    ["close Btc-Perpetual --wait 0", "open btc-perpetual LONG 100USD sl=099000", "pnl WEEK"],
)
def test_the_command_line_takes_what_the_other_doors_take(tmp_path: Path, typed: str) -> None:
    """It reaches the Desk, whose table is one for all."""
    api = ApiRunning(FakeDesk())
    port = int(api.address.rpartition(":")[2])
    ran = run(tmp_path, *typed.split(), settings={"API_PORT": port, "API_TOKEN": TOKEN})
    api.close()
    name, what = api.desk.calls[0][2], api.desk.calls[0][3]
    spec = BY_NAME[name]
    assert ran.code == (1 if spec.is_confirmed else 0), ran
    assert parse_named(spec, what)


REPORT = b'data: {"event":"command_reported","request_id":"r","text":"half","is_final":false}\n\n'


@pytest.mark.parametrize(
    ("status", "stream", "why", "told"),
    [
        (429, b'{"reason": "x", "lines": ["At most 8 may listen."]}', "At most 8 may listen", ""),
        (502, b"<html>", "HTTP 502", ""),
        (200, b"", "it has ended the stream", ""),
        (200, REPORT, "it has ended the stream", "half\n"),
        (200, b"data: {\n\n", "JSONDecodeError", ""),
    ],
)
def test_a_daemon_that_cannot_be_followed_is_not_called_slow(
    tmp_path: Path, status: int, stream: bytes, why: str, told: str
) -> None:
    """A kill is given, and how it ends is not to be had: at once, why, and what else there is."""
    reply = {"request_id": "r", "status": "accepted", "reason": "", "lines": ["Killing."]}

    class Deaf(Door):
        def do_POST(self) -> None:
            self.send(202, json.dumps(reply).encode())

        def do_GET(self) -> None:
            self.send(status, stream)

    with serving(Deaf) as port:
        ran = run(tmp_path, "kill", settings={"API_PORT": port, "API_TOKEN": "t" * 20})
    assert ran.code == 1
    assert ran.output == f"Killing.\n{told}"
    assert ran.errors == (
        f"The daemon cannot be followed ({why}). How it goes on: python run.py status\n"
        "To close everything without the daemon: python run.py kill --direct\n"
    )


class Healthy(Door):
    def do_GET(self) -> None:
        self.send(200, b'{"is_well": true, "reasons": []}')


@pytest.mark.parametrize("wait", ["inf", "1e12"])
def test_a_wait_without_an_end_is_no_traceback(tmp_path: Path, wait: str) -> None:
    """The kill was given by then."""
    reply = {"request_id": "r", "status": "accepted", "reason": "", "lines": ["Killing."]}

    class Prompt(Door):
        def do_POST(self) -> None:
            self.send(200, json.dumps(reply).encode())

        def do_GET(self) -> None:
            self.send(200, REPORT.replace(b"false", b"true"))

    with serving(Prompt) as port:
        settings = {"API_PORT": port, "API_TOKEN": "t" * 20}
        ran = run(tmp_path, "kill", "--wait", wait, settings=settings)
    assert ran == Ran(0, "Killing.\nhalf\n", "")


def test_a_daemon_whose_folder_is_gone_is_not_called_dead(tmp_path: Path) -> None:
    """Its token went with a mount, and its lock too: whoever starts another has two of them."""

    with serving(Healthy) as port:
        ran = run(tmp_path, "status", settings={"API_PORT": port})
    assert ran.code == 1
    assert f"A daemon answers at http://127.0.0.1:{port}" in ran.errors
    assert "Do not start another" in ran.errors
    assert "api.token cannot be read" in ran.errors
    assert "taken away" in ran.errors
    assert "python run.py, or make run" not in ran.errors


@pytest.mark.parametrize(("mode", "why"), [(0o600, "cut off"), (0o644, "chmod 600 it")])
def test_a_token_that_is_there_is_no_folder_that_is_gone(
    tmp_path: Path, mode: int, why: str
) -> None:
    """What is wrong with it, and how to be flat all the same; nothing that is not so."""
    token = tmp_path / "data/paper/api.token"
    token.parent.mkdir(parents=True)
    token.touch()
    token.chmod(mode)
    with serving(Healthy) as port:
        ran = run(tmp_path, "kill", settings={"API_PORT": port})
    assert ran.code == 1
    assert why in ran.errors
    assert "python run.py kill --direct" in ran.errors
    assert "taken away" not in ran.errors


ALL_THE_SAME = (
    "To close everything all the same: stop yours (kill -TERM {pid}, or kill -KILL {pid} if it "
    "hangs), then python run.py kill --direct\n"
)


@pytest.mark.parametrize(
    ("words", "taken"),
    [
        (("kill",), "It may have been taken, and may yet be carried out: see status.\n"),
        (("status",), ""),
    ],
)
@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"])
def test_a_daemon_that_gives_no_answer_leaves_nobody_without_a_way(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    taken: str,
    answer: bytes,
) -> None:
    """It hangs with the kill it has taken, or something else has its port: how to be flat."""
    monkeypatch.setattr(client, "ANSWER_SECONDS", 0.2)

    class Hung(BaseHTTPRequestHandler):
        def handle(self) -> None:
            self.connection.recv(4096)
            self.wfile.write(answer)
            while self.connection.recv(4096):  # its body, and until it has had enough
                pass

    with InstanceLock(tmp_path / "data/paper/bot.lock"), serving(Hung) as port:
        ran = run(tmp_path, *words, settings={"API_PORT": port, "API_TOKEN": "t" * 20})
    first, _, rest = ran.errors.partition("\n")
    assert ran.code == 1
    assert first in {
        f"No usable answer from http://127.0.0.1:{port}: ReadTimeout.",
        f"http://127.0.0.1:{port} is no Bulwark daemon.",
    }
    assert rest == taken + ALL_THE_SAME.format(pid=os.getpid())


def test_a_kill_at_the_wrong_daemon_says_how_to_come_to_the_right_one(tmp_path: Path) -> None:
    """Another one's port, or a token that was changed under a daemon that lives."""

    class Strange(Door):
        def do_POST(self) -> None:
            self.send(401, b'{"reason": "no_token", "lines": ["Authorization is needed."]}')

    with serving(Strange) as port:
        ran = run(tmp_path, "kill", settings={"API_PORT": port, "API_TOKEN": "t" * 20})
    assert ran.code == 1
    assert ran.errors == (
        f"http://127.0.0.1:{port} does not take this token. Is it the daemon of data/paper?\n"
        "Another one's: set API_PORT to that of yours (its log: door_opened). Yours, with a token "
        "changed since its start: restart it.\n"
    ) + ALL_THE_SAME.format(pid="<its process>")


@pytest.mark.parametrize(("mode", "why"), [(0o600, "cut off: remove it"), (0o644, "chmod 600 it")])
def test_what_is_wrong_with_the_token_is_not_taken_for_one(
    tmp_path: Path, mode: int, why: str
) -> None:
    """The daemon tells it in its log, where whatever follows "token:" is hidden."""
    settings = load(tmp_path / ".env", {"DATA_DIR": str(tmp_path)})
    path = settings.data_folder / TOKEN_FILE
    path.parent.mkdir()
    path.touch()
    path.chmod(mode)
    with pytest.raises(NoToken) as caught:
        made_token(settings)
    assert why in without_secrets(str(caught.value))
    assert without_secrets(str(caught.value)) == str(caught.value)


def test_the_version_is_told_without_a_daemon_too(tmp_path: Path) -> None:
    """Of the code that is here; that none runs is said beside it, and is a 1 as ever."""
    ran = run(tmp_path, "version", settings={"API_PORT": free_port(), "API_TOKEN": "t" * 20})
    assert ran.code == 1
    assert ran.output == f"The code here is bulwark {VERSION}.\n"
    assert "The daemon is not running" in ran.errors
