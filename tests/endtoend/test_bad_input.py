"""What a person gets wrong: said at once, in words, with the exit code that fits."""

import re
import signal
import socket
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from adapters.clock import SystemClock
from tests.endtoend.bulwark import (
    Bot,
    Process,
    at_exchange,
    child_of,
    end_exchange,
    free_port,
    is_alive,
    market,
    wait_for,
)
from tests.endtoend.observer import Books, Observer, disagreement
from tests.endtoend.scripts import WIDE, script

DAMAGE = b'{"_book": {"1"'
MISTAKES = """\
MAX_OPEN_TRADES=0
MAX_DAILY_LOSS_PCT=2
INSTRUMENTS=BTC-PERPETUAL,BITCOIN
PAPER_SPEED=fast
PAPER_FEED=replay:nowhere.gz
STRATEGIES=breakout,script:missing.json
STOP_TRIGGER=gut_feeling
MAX_OPEN_TRADE=2
this is no assignment
"""


@contextmanager
def stranger(answer: bytes = b"") -> Generator[tuple[int, list[socket.socket]]]:
    """A listening socket that is no exchange, and who called there; ``answer`` is all it says."""
    callers: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                callers.append(connection)
                if answer:
                    connection.sendall(answer)
                    connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()[1], callers
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            for connection in callers:
                connection.close()


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    """A bot with wrong credentials: it waits between its tries, beside the other tests."""
    folder = tmp_path_factory.mktemp("refused")
    with market(folder / "venue") as exchange:
        login = {"DERIBIT_CLIENT_ID": "somebody", "DERIBIT_CLIENT_SECRET": "mistyped"}
        with Bot(folder, at_exchange(exchange, **login)) as bot:
            yield bot


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A running bot that found its registry damaged while a trade of its was open."""

    folder: Path
    settings: Mapping[str, object]
    bot: Bot
    observer: Observer

    @property
    def registry(self) -> Path:
        return self.folder / "data" / "paper" / "registry.json"


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rebuilt]:
    """Trade, stop, damage, start again."""
    folder = tmp_path_factory.mktemp("rebuilt")
    with market(folder) as exchange:
        with Bot(folder, at_exchange(exchange, STRATEGIES=script(folder, WIDE))) as bot:
            bot.wait_for("target_placed")
            assert bot.stop() == 0
        settings = at_exchange(exchange, STRATEGIES="none")
        (folder / "data/paper/registry.json").write_bytes(DAMAGE)
        with Bot(folder, settings) as bot:
            bot.ready()
            yield Rebuilt(folder, settings, bot, Observer(exchange.port))
            assert bot.stop() == 0


# -- settings ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("refused")
def test_every_mistake_in_the_settings_is_named_at_once(tmp_path: Path) -> None:
    """Exit 78 before a socket is opened or a file made."""
    (tmp_path / ".env").write_text(MISTAKES, "utf-8")
    with stranger() as (port, callers):
        venue = {"DERIBIT_HTTP_URL": f"http://127.0.0.1:{port}/api/v2"}
        with Bot(tmp_path, venue) as bot:
            assert bot.wait() == 78
            printed = bot.printed()
        assert callers == []
    for line in MISTAKES.splitlines()[:-1]:
        assert f"  {line.partition('=')[0]}: " in printed
    assert "line 9 is not NAME=value" in printed
    assert "did you mean MAX_OPEN_TRADES?" in printed
    assert "Traceback" not in printed
    assert {path.name for path in tmp_path.iterdir()} == {".env", "bot.out"}


def test_every_mistake_in_a_script_is_named(tmp_path: Path) -> None:
    """The file and each place in it; exit 78, nothing started."""
    lines = [{"direction": "buy", "quantity": "1"}, {**WIDE, "after": -1, "pirce": 2}]
    with Bot(tmp_path, {"STRATEGIES": script(tmp_path, *lines)}) as bot:
        assert bot.wait() == 78
        printed = bot.printed()
    for named in ("script.json", "0.instrument_name", "1.after", "1.pirce"):
        assert named in printed
    assert "Traceback" not in printed
    assert not (tmp_path / "data").exists()


# -- one machine, several programs ----------------------------------------------------------------


def test_a_port_taken_by_something_else_is_a_clear_error(tmp_path: Path) -> None:
    """Exit 1 and what to change, whatever it is that answers there; nothing is left running."""
    web = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    cases = (
        (web, "is not an exchange; choose another PAPER_PORT"),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", "is in use"),
        (b"", "does not answer in time; choose another PAPER_PORT"),
    )
    with ExitStack() as stack:
        ports = [stack.enter_context(stranger(answer))[0] for answer, _ in cases]
        bots = [
            stack.enter_context(Bot(tmp_path / str(port), {"PAPER_PORT": port})) for port in ports
        ]
        for port, bot, (_, said) in zip(ports, bots, cases, strict=True):
            assert bot.wait() == 1
            assert [x["event"] for x in bot.logged()] == ["not_started"]
            assert said in bot.logged()[0]["reason"]
            assert str(port) in bot.logged()[0]["reason"]
            assert "Traceback" not in bot.printed()


def test_settings_that_only_the_exchange_can_judge_are_settings_all_the_same(
    tmp_path: Path,
) -> None:
    """Exit 78, which is not tried again, and their names; the mistake is said."""
    plan = tmp_path / "plan.toml"
    plan.write_text("[[faults]]\nkind = 'earthquake'\n")
    feed = tmp_path / "feed.csv"
    feed.write_text("no prices\n")
    for number, settings in enumerate(({"PAPER_FAULTS": plan}, {"PAPER_FEED": f"replay:{feed}"})):
        port = free_port()
        with Bot(tmp_path / str(number), {"PAPER_PORT": port, **settings}) as bot:
            assert bot.wait() == 78
            (told,) = bot.logged()
            assert told["reason"].startswith("PAPER_FEED, PAPER_FAULTS or ")
            assert "exchange.out" in told["reason"]


def test_a_folder_that_cannot_be_had_is_named_by_its_setting(tmp_path: Path) -> None:
    """Exit 1: it may be a disk that is not there yet."""
    taken = tmp_path / "taken"
    taken.touch()
    port = free_port()
    for number, (arguments, setting) in enumerate(
        [((), "DATA_DIR"), ((), "LOG_DIR"), (("exchange",), "DATA_DIR"), (("collect",), "DATA_DIR")]
    ):
        settings = {"PAPER_PORT": port, setting: taken / "below"}
        with Process(tmp_path / str(number), arguments, settings) as process:
            assert process.wait() == 1
            assert f"{setting}: {taken}" in process.printed()
            assert "Traceback" not in process.printed()


def test_a_bot_that_joins_another_folders_exchange_says_so(tmp_path: Path) -> None:
    """A second clone by mistake; one that comes back to its own is told as an ordinary thing."""
    settings = {"PAPER_PORT": free_port(), "STRATEGIES": "none"}
    with Bot(tmp_path / "first", settings) as first:
        first.ready()
        with Bot(tmp_path / "second", settings) as second:
            joined = second.wait_for("paper_exchange_joined")
            assert joined["level"] == "warning"
            assert str(settings["PAPER_PORT"]) in joined["address"]
            second.kill()
        first.kill()
        with Bot(tmp_path / "first", settings) as again:
            assert again.wait_for("paper_exchange_joined")["level"] == "info"


def test_the_exchange_alone_says_when_its_port_is_taken(tmp_path: Path) -> None:
    """Exit 1: not the settings are wrong but the moment."""
    with (
        stranger() as (port, _),
        Process(tmp_path, ("exchange", "--port", str(port)), {}) as alone,
    ):
        assert alone.wait() == 1
        assert f"port {port} on 127.0.0.1 is in use" in alone.printed()
        assert "Traceback" not in alone.printed()


def test_a_data_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    """A file in the place of a folder: exit 1 and its name."""
    (tmp_path / "taken").write_text("", "utf-8")
    with Bot(tmp_path, {"DATA_DIR": "taken", "PAPER_PORT": free_port()}) as bot:
        assert bot.wait() == 1
        assert "taken" in bot.printed()
        assert "Traceback" not in bot.printed()


def test_a_stop_during_the_start_leaves_nothing_running(tmp_path: Path) -> None:
    """SIGTERM while the embedded exchange comes up: both end, without a traceback."""
    with Bot(tmp_path, {"PAPER_PORT": free_port()}) as bot:
        exchange = wait_for(lambda: child_of(bot.pid), "the exchange was started")
        try:
            SystemClock().sleep(0.05)  # by then the bot knows of it, and it does not answer yet
            bot.send(signal.SIGTERM)
            assert bot.wait() in {0, 128 + signal.SIGTERM}
            assert "Traceback" not in bot.printed()
            wait_for(lambda: not is_alive(exchange), "the exchange ends with the bot")
        finally:
            end_exchange(exchange)


# -- what is on disk -----------------------------------------------------------------------------


def test_an_unreadable_registry_is_kept_and_the_trade_goes_on(rebuilt: Rebuilt) -> None:
    """Kept under a dated name, rebuilt from the journal, told loudly; the stop stays."""
    bot, registry = rebuilt.bot, rebuilt.registry
    assert bot.ready()["trades"] == 1
    kept = Path(bot.wait_for("registry_rebuilt")["kept_aside"])
    assert re.fullmatch(r"registry\.unreadable-\d{8}T\d{6}(-\d+)?\.json", kept.name)
    assert registry.with_name(kept.name).read_bytes() == DAMAGE
    alerts = [x["text"] for x in bot.all("alert", level="critical")]
    assert any("registry was unreadable" in text for text in alerts)
    bot.wait_until(lambda: disagreement(rebuilt.observer, registry) == "", "book and venue agree")
    assert len(Books.read(registry).trades) == 1
    assert not bot.all("entry_sent") + bot.all("stop_placed")


def test_a_second_instance_is_refused_with_the_firsts_pid(rebuilt: Rebuilt) -> None:
    """Two bots on one book would trade against each other: exit 75, the first goes on."""
    with Bot(rebuilt.folder, rebuilt.settings) as second:
        assert second.wait() == 75
        assert f"process {rebuilt.bot.pid}" in second.printed()
        assert "Traceback" not in second.printed()
    assert rebuilt.bot.is_running


def test_wrong_credentials_end_the_bot_after_a_few_tries(refused: Bot) -> None:
    """One line a try that says whose fault it is, no endless knocking, exit 77."""
    assert refused.wait(40) == 77
    refusals = refused.all("session_refused")
    assert [x["attempt"] for x in refusals] == [1, 2, 3]
    assert all("the venue refuses these credentials" in x["reason"] for x in refusals)
    assert refused.all("stopped")[0]["exit_code"] == 77
    assert "mistyped" not in refused.printed()
    assert "Traceback" not in refused.printed()
