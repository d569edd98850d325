"""A running bot operated from the command line, as a person does it: open, look, kill, resume."""

import json
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from adapters.clock import SystemClock
from commands import kill
from tests.commands.running import Ran, run
from tests.endtoend.bulwark import Bot, Exchange, at_exchange, free_port, market

NOWHERE = "ws://127.0.0.1:1/ws/api/v2"


class Operated:
    """A bot that trades by hand only, and a person at the command line of its folder."""

    def __init__(self, folder: Path, exchange: Exchange) -> None:
        self.folder = folder
        self.settings = at_exchange(exchange, STRATEGIES="none", API_PORT=free_port())
        self.bot = Bot(folder, self.settings)

    def say(self, *words: str) -> Ran:
        return run(self.folder, *words, settings=self.settings)

    def told(self, *words: str) -> dict[str, Any]:
        """The reply as a program reads it."""
        found: dict[str, Any] = json.loads(self.say(*words, "--json").output)
        return found

    def rows(self, *words: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.told(*words)["tables"][0]["rows"]
        return rows

    @property
    def stop(self) -> str:
        """A stop price well below the market."""
        (equity,) = [x for x in self.rows("funding") if x["instrument"] == "BTC-PERPETUAL"]
        assert equity["contracts"] == 0
        return "50000"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a book that tells, a direct kill looks on for so long after flat."""
    monkeypatch.setattr(kill, "ENTRY_SECONDS", 1.0)


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operated]:
    folder = tmp_path_factory.mktemp("operated")
    with market(folder / "exchange") as exchange:
        operated = Operated(folder / "bot", exchange)
        with operated.bot as bot:
            bot.ready()
            bot.wait_for("door_opened")
            bot.wait_for("day_began")
            yield operated


def test_the_token_is_for_its_owner_alone(night: Operated) -> None:
    """Made at the first start, mode 0600, and in no log."""
    path = night.folder / "data/paper/api.token"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    token = path.read_text("ascii").strip()
    assert len(token) >= 32
    assert token not in (night.folder / "logs/bot.log").read_text("utf-8")
    path.chmod(0o640)
    refused = night.say("ping")
    path.chmod(0o600)
    assert refused.code == 1
    assert "chmod 600" in refused.errors


def test_open_kill_and_resume(night: Operated) -> None:
    """Unconfirmed nothing happens; confirmed it does; a kill ends verified flat."""
    order = ("open", "BTC-PERPETUAL", "buy", "0.05", f"sl={night.stop}")
    unsure = night.say(*order)
    assert unsure.code == 1
    assert "Nothing was done" in unsure.errors
    assert "loses about" in unsure.errors
    opened = night.say(*order, "--yes")
    assert opened.code == 0, opened
    assert "is open: " in opened.output
    night.bot.wait_until(lambda: night.rows("positions"), "a position is seen")
    (position,) = night.rows("positions")
    assert (position["instrument"], position["stop"]) == ("BTC-PERPETUAL", "50000")
    assert position["contracts"] == position["stop_contracts"] > 0
    assert "stop at venue" in night.say("positions").output
    killed = night.say("kill")
    assert killed.code == 0, killed
    assert "KILL" in killed.output
    assert "Verified flat" in killed.output
    assert {x["key"]: x["value"] for x in night.rows("status")}["mode"] == "killed"
    denied = night.say(*order, "--yes")
    assert denied.code == 1
    assert "killed" in denied.output
    assert night.say("resume", "--yes").code == 0
    (trade,) = night.rows("trades")
    assert trade["reason"] == "kill"


def test_a_slip_is_said_before_anything_is_sent(night: Operated) -> None:
    """With the usage and an example, and exit code 2."""
    slip = night.say("open", "BTC-PERPETUAL", "buy", "0,05", "sl=1")
    assert slip.code == 2
    assert "Example: python run.py open" in slip.errors


def test_everything_can_be_read(night: Operated) -> None:
    """Tables for people, JSON for programs."""
    for name in ("health", "orders", "pnl", "risk", "balance", "daily", "settings", "ping"):
        assert night.say(name).code == 0, name
        assert night.told(name)["status"] == "done"


def test_a_direct_kill_beside_a_living_daemon_says_what_it_cannot(night: Operated) -> None:
    """The data are the daemon's; the account is flat all the same."""
    ran = night.say("kill", "--direct")
    assert ran.code == 1, ran
    assert "NOT durable" in ran.output
    assert "Verified flat" in ran.output
    assert ran.output.endswith(f"{kill.NOT_IN_FORCE}\n")
    assert ran.output.startswith("Killing paper at http://127.0.0.1:")
    assert "there is no .env in this folder" in ran.output


@pytest.mark.parametrize("has_websocket", [True, False])
def test_without_a_daemon_the_direct_kill_works_and_lasts(
    tmp_path: Path, *, has_websocket: bool
) -> None:
    """kill -9 with an open trade; closed without the daemon, and without a websocket where there
    is none; the next start stays killed."""
    with market(tmp_path / "exchange") as exchange:
        operated = Operated(tmp_path / "bot", exchange)
        with operated.bot as bot:
            bot.ready()
            bot.wait_for("door_opened")
            bot.wait_for("day_began")
            order = ("open", "BTC-PERPETUAL", "buy", "0.05", "sl=50000", "--yes")
            assert operated.say(*order).code == 0
            bot.kill()
        gone = operated.say("positions")
        assert gone.code == 1
        assert "The daemon is not running" in gone.errors
        assert "kill --direct" in gone.errors
        usual = operated.settings
        if not has_websocket:
            plain = f"http://127.0.0.1:{exchange.port}/api/v2"
            nowhere = {"DERIBIT_HTTP_URL": plain, "DERIBIT_WS_URL": NOWHERE}
            operated.settings = {**usual, **nowhere}
        killed = operated.say("kill", "--direct")
        operated.settings = usual
        assert killed.code == 0, killed
        assert "on disk" in killed.output
        assert ("without the websocket" in killed.output) is not has_websocket
        assert "Verified flat" in killed.output
        with Bot(tmp_path / "bot", operated.settings) as again:
            assert again.ready()["mode"] == "killed"


def test_a_direct_kill_beside_the_book_of_a_later_version_closes_all_the_same(
    tmp_path: Path,
) -> None:
    """What cannot be recorded is said, and nothing waits for it; the book is not touched."""
    path = tmp_path / "bot/data/paper/registry.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"_book": {"1": {"_key": "format", "version": 2}}}', "utf-8")
    before = path.read_bytes()
    with market(tmp_path / "exchange") as exchange:
        ran = run(tmp_path / "bot", "kill", "--direct", settings=at_exchange(exchange))
    assert ran.code == 1, ran
    assert "NOT durable" in ran.output
    assert "Verified flat" in ran.output
    assert path.read_bytes() == before


def test_a_direct_kill_leaves_a_book_that_is_none_to_the_next_start(tmp_path: Path) -> None:
    """It is put aside and rebuilt there, with this kill and all else that the journal knows."""
    path = tmp_path / "bot/data/paper/registry.json"
    path.parent.mkdir(parents=True)
    path.write_text("{}", "utf-8")
    with market(tmp_path / "exchange") as exchange:
        settings = at_exchange(exchange, STRATEGIES="none", API_PORT=free_port())
        ran = run(tmp_path / "bot", "kill", "--direct", settings=settings)
        assert ran.code == 0, ran
        assert "the next start rebuilds it" in ran.output
        assert path.read_text("utf-8") == "{}"
        with Bot(tmp_path / "bot", settings) as bot:
            assert bot.ready()["mode"] == "killed"
            kept = Path(bot.wait_for("registry_rebuilt")["kept_aside"])
            assert path.with_name(kept.name).read_text("utf-8") == "{}"


def test_a_direct_kill_that_the_journal_does_not_take_is_in_the_book(tmp_path: Path) -> None:
    """Once the day's file is moved away, as the runbook says, the next start is killed."""
    day = tmp_path / "bot/data/paper/journal" / f"{SystemClock().now().date()}.jsonl"
    day.mkdir(parents=True)
    with market(tmp_path / "exchange") as exchange:
        settings = at_exchange(exchange, STRATEGIES="none", API_PORT=free_port())
        ran = run(tmp_path / "bot", "kill", "--direct", settings=settings)
        assert ran.code == 0, ran
        assert "in the book; the journal did not take it: " in ran.output
        assert f"{day.name}: Is a directory" in ran.output
        assert "NOT durable" not in ran.output
        assert "Verified flat" in ran.output
        day.rmdir()
        with Bot(tmp_path / "bot", settings) as bot:
            assert bot.ready()["mode"] == "killed"


@pytest.mark.parametrize("answers", [False, True])
def test_a_direct_kill_does_not_wait_for_a_disk_that_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, answers: bool
) -> None:
    """Reading the book hangs; the account is closed all the same, and what is not known is said.

    A disk that answers at last is waited for when everything is closed: the process's end would
    be the record's.
    """
    monkeypatch.setattr(kill, "LATE_SECONDS", 10.0 if answers else 0.1)
    path = tmp_path / "bot/data/paper/registry.json"
    path.parent.mkdir(parents=True)
    os.mkfifo(path)

    def let_go() -> None:
        with suppress(OSError):  # nobody reads
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))

    with market(tmp_path / "exchange") as exchange:
        disk = threading.Timer(kill.DISK_SECONDS + 3, let_go)
        if answers:
            disk.start()
        ran = run(tmp_path / "bot", "kill", "--direct", "--json", settings=at_exchange(exchange))
        let_go()
        disk.cancel()
    found = json.loads(ran.output)
    assert (ran.code, found["is_flat"], found["is_durable"]) == (0 if answers else 1, True, answers)
    assert "the disk does not answer" in found["lines"][1]
    assert "no book says whether an entry may still arrive" in found["lines"][2]
    assert "Verified flat" in found["lines"][3]
    expected = "The kill is in the journal" if answers else "the disk does not answer"
    assert expected in found["lines"][4]


def test_a_direct_kill_without_a_venue_says_that_nothing_is_closed(tmp_path: Path) -> None:
    """Exit 1, and for programs the same words."""
    settings = {"DERIBIT_HTTP_URL": "http://127.0.0.1:1/api/v2", "DERIBIT_WS_URL": NOWHERE}
    (tmp_path / ".env").write_text("", "utf-8")
    ran = run(tmp_path, "kill", "--direct", "--json", settings=settings)
    lines = json.loads(ran.output)["lines"]
    assert ran.code == 1
    assert lines[0] == "Killing paper at http://127.0.0.1:1/api/v2."
    assert "NOTHING IS CLOSED" in lines[-1]


def test_a_direct_kill_that_nothing_takes_says_so_of_both(tmp_path: Path) -> None:
    """Everything is closed all the same; what cannot be read is left as it is."""
    data = tmp_path / "bot/data/paper"
    data.mkdir(parents=True)
    (data / "journal").write_bytes(b"")
    (data / "registry.json").write_text("{}", "utf-8")
    with market(tmp_path / "exchange") as exchange:
        ran = run(tmp_path / "bot", "kill", "--direct", settings=at_exchange(exchange))
    assert ran.code == 1, ran
    assert "NOT durable. Journal: " in ran.output
    assert "registry.json is unreadable." in ran.output
    assert "Verified flat" in ran.output
    assert (data / "registry.json").read_text("utf-8") == "{}"
