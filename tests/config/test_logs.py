"""Logging: what is written, what never is, and that it never costs the caller anything."""

import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.typing import FilteringBoundLogger

from config import logs
from config.console import WAITING_LINES
from config.logs import Log, configure, register_secret
from domain.orders import Side

NOON = datetime(2026, 11, 20, 12, 0, 0, 5, tzinfo=UTC)
CANARY = "canary-7f3a9"

Configure = Callable[..., Log]


class NoonClock:
    """It is always noon."""

    def now(self) -> datetime:
        return NOON

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None: ...


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


class Bytes(io.TextIOWrapper):
    """A stream with the encoding of an old console."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="cp1252", newline="\n")


@pytest.fixture
def configured(tmp_path: Path) -> Iterator[Configure]:
    """Sets logging up in a folder of the test's own, and everything back afterwards."""
    opened: list[Log] = []

    def make(level: str = "INFO", *, stream: Any = None) -> Log:
        log = configure(
            tmp_path, level, terminal=stream is not None, clock=NoonClock(), stream=stream
        )
        opened.append(log)
        return log

    yield make
    for log in opened:
        log.close()
    structlog.reset_defaults()
    logs._redactor.forget()  # pyright: ignore[reportPrivateUsage] - secrets are the process's


def logger(**fields: Any) -> FilteringBoundLogger:
    return structlog.get_logger(**fields)


def lines(folder: Path) -> list[dict[str, Any]]:
    path = folder / "bot.log"
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def test_an_event_is_one_line_with_its_fields(configured: Configure, tmp_path: Path) -> None:
    """Time, level, event and actor come first; money is text, other values what they mean."""
    configured()
    logger(actor="trade").info(
        "stop_placed",
        price=Decimal("61234.50"),
        at=NOON,
        side=Side.BUY,
        path=Path("a/b"),
        sizes=(1, 2),
        none=None,
        error=ValueError("bad"),
    )
    raw = (tmp_path / "bot.log").read_text()
    assert raw.startswith(
        '{"ts":"2026-11-20T12:00:00.000005+00:00","level":"info","event":"stop_placed",'
        '"actor":"trade",'
    )
    (line,) = lines(tmp_path)
    assert line["price"] == "61234.50"
    assert line["at"] == "2026-11-20T12:00:00.000005+00:00"
    assert (line["side"], line["path"], line["sizes"]) == ("buy", "a/b", [1, 2])
    assert (line["none"], line["error"]) == (None, "ValueError: bad")


def test_an_event_without_an_actor_names_its_thread(configured: Configure, tmp_path: Path) -> None:
    """Somebody always said it; context bound for the thread is part of the line."""
    configured()
    with structlog.contextvars.bound_contextvars(trade_id="t1"):
        logger().warning("said")
    (line,) = lines(tmp_path)
    assert (line["actor"], line["trade_id"], line["level"]) == ("MainThread", "t1", "warning")


def test_less_than_the_level_is_not_written(configured: Configure, tmp_path: Path) -> None:
    """The level is the least that counts."""
    configured("ERROR")
    logger().info("quiet")
    logger().warning("quiet")
    logging.getLogger("uvicorn").warning("quiet")
    logger().critical("loud")
    assert [line["event"] for line in lines(tmp_path)] == ["loud"]


def test_values_json_cannot_hold_do_no_harm(configured: Configure, tmp_path: Path) -> None:
    """Broken text, enormous numbers, odd keys and loops are written in some form."""
    loop: list[Any] = []
    loop.append(loop)

    class Mute:
        def __str__(self) -> str:
            raise ValueError("no")

    log = configured()
    logger().info("odd", text="caf\ud800e", number=2**90, keys={1: "a"}, mute=Mute())
    logger().info("loop", loop=loop)
    first, second = lines(tmp_path)
    assert (first["text"], first["number"]) == ("caf?e", str(2**90))
    assert (first["keys"], first["mute"]) == ({"1": "a"}, "<Mute>")
    assert second["event"] == "loop"
    assert log.lost == 0


def fail(message: str) -> None:
    raise KeyError(message)


def fail_twice(secret: str) -> None:
    """Fails with a secret in the message, and in that of the cause."""
    try:
        fail(secret)
    except KeyError as error:
        raise ValueError(f"log-in with {secret!r} failed: https://x/?k={secret}") from error


@dataclass
class Session:
    """Something whose token must not show."""

    user: str
    token: str = field(repr=False)


def test_the_canary_appears_nowhere(configured: Configure, tmp_path: Path) -> None:
    """A registered secret is in no sink: not in fields, keys, tracebacks or others' logs."""
    stream = Terminal()
    log_file = configured(stream=stream)
    register_secret(CANARY)
    log = logger(actor="auth")
    log.info(f"logged in with {CANARY}", detail={"deep": [CANARY, {CANARY: b"x"}]})
    log.error("failed", error=ValueError(CANARY), session=Session("me", CANARY))
    try:
        fail_twice(CANARY)
    except ValueError as error:
        log.exception("log_in_failed")
        log.critical("log_in_failed", exc_info=error)
        log.critical("log_in_failed", exc_info=sys.exc_info())
        logging.getLogger("somelib").exception("Unhandled %s", CANARY)
    logging.getLogger("x").warning("token is %s", CANARY)
    log_file.close()
    for written in ((tmp_path / "bot.log").read_text(), stream.getvalue()):
        assert CANARY not in written
        assert written.count("(hidden)") > 12
        assert written.count("Traceback (most recent call last)") == 8
    assert len(lines(tmp_path)) == 7


def test_tokens_nobody_registered_are_hidden_by_name(configured: Configure, tmp_path: Path) -> None:
    """Fields named like secrets are hidden; what a data class keeps to itself stays there."""
    configured()
    logger().info("session_opened", access_token="canary-1", session=Session("me", "canary-2"))
    (line,) = lines(tmp_path)
    assert line["access_token"] == "(hidden)"
    assert line["session"] == "Session(user='me')"


def test_without_an_exception_there_is_no_traceback(configured: Configure, tmp_path: Path) -> None:
    """Asking for the traceback of nothing gives none."""
    configured()
    logger().error("odd", exc_info=True)
    logger().error("odd", exc_info=False)
    logger().error("odd", exc_info=(None, None, None))
    assert ["exception" in line for line in lines(tmp_path)] == [False, False, False]


def test_an_endless_traceback_is_cut(configured: Configure, tmp_path: Path) -> None:
    """Its beginning and its end are kept."""
    configured()
    try:
        fail("start " + "x" * 100_000 + " end")
    except KeyError:
        logger().exception("failed")
    (line,) = lines(tmp_path)
    assert len(line["exception"]) < 17_000
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith(" end'")


def test_the_cut_leaves_no_part_of_a_secret(configured: Configure, tmp_path: Path) -> None:
    """Wherever in a secret a long traceback is cut, on either side of the gap."""
    configured()
    register_secret(CANARY)
    for before in range(7_900, 8_000, 5):
        logger().error("failed", exc_info=ValueError("x" * before + CANARY + "y" * 20_000))
        logger().error("failed", exc_info=ValueError("x" * 20_000 + CANARY + "y" * before))
    written = (tmp_path / "bot.log").read_text()
    assert CANARY[:4] not in written
    assert CANARY[-4:] not in written


def test_the_terminal_is_coloured_only_when_it_is_one(
    configured: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Colour for a terminal; none for a file, a pipe, or whoever set NO_COLOR."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal, pipe, plain = Terminal(), io.StringIO(), Terminal()
    for stream in (terminal, pipe, plain):
        if stream is plain:
            monkeypatch.setenv("NO_COLOR", "1")
        log = configured(stream=stream)
        logger().info("stop_placed", price=Decimal("1.50"))
        log.close()
    assert "\x1b[" in terminal.getvalue()
    for stream in (pipe, plain):
        assert "\x1b" not in stream.getvalue()
        assert "stop_placed" in stream.getvalue()
        assert "price=1.50" in stream.getvalue()


def test_a_terminal_of_another_encoding_shows_what_it_can(configured: Configure) -> None:
    """What the console's code page lacks appears escaped instead of raising."""
    stream = Bytes()
    log = configured(stream=stream)
    logger().info("said", text="Grüße 🚀 тест")
    log.close()
    assert isinstance(stream.buffer, io.BytesIO)
    shown = stream.buffer.getvalue().decode("cp1252")
    assert "Grüße" in shown
    assert r"\U0001f680" in shown
    assert log.lost == 0


def test_control_characters_do_not_reach_the_terminal(
    configured: Configure, tmp_path: Path
) -> None:
    """A message that would move the cursor or ring the bell is shown escaped."""
    stream = io.StringIO()
    log = configured(stream=stream)
    logger().info("command", text="\x1b[2J\x07/kill")
    log.close()
    assert "\x1b" not in stream.getvalue()
    assert "/kill" in stream.getvalue()
    assert lines(tmp_path)[0]["text"] == "\x1b[2J\x07/kill"


def test_a_closed_terminal_does_not_stop_the_log(configured: Configure, tmp_path: Path) -> None:
    """Lines go on into the file when the terminal is gone, and the loss is counted."""
    stream = io.StringIO()
    log = configured(stream=stream)
    stream.close()
    logger().info("said")
    log.close()
    assert [line["event"] for line in lines(tmp_path)] == ["said"]
    assert log.lost == 1


class Stopped(io.StringIO):
    """A terminal after Ctrl-S: it takes nothing until it is ``released``."""

    def __init__(self) -> None:
        super().__init__()
        self.released = threading.Event()

    def write(self, text: str) -> int:
        self.released.wait()
        return super().write(text)


def test_a_terminal_that_takes_nothing_holds_up_nobody(
    configured: Configure, tmp_path: Path
) -> None:
    """Whoever logs may be placing a stop. The file has all; the terminal gets what it can keep."""
    stream = Stopped()
    log = configured(stream=stream)
    for number in range(WAITING_LINES + 50):
        logger().info("said", number=number)
    assert len(lines(tmp_path)) == WAITING_LINES + 50
    assert 49 <= log.lost <= 50
    log.close()  # waits for a moment, not for ever
    assert stream.getvalue() == ""
    stream.released.set()


def test_a_terminal_that_goes_on_shows_what_waited(configured: Configure) -> None:
    stream = Stopped()
    log = configured(stream=stream)
    logger().info("first")
    logger().info("second")
    stream.released.set()
    log.close()
    assert stream.getvalue().index("first") < stream.getvalue().index("second")
    assert log.lost == 0


def test_lines_lost_by_the_file_are_confessed(configured: Configure, tmp_path: Path) -> None:
    """When the file takes lines again it says how many are missing."""
    log = configured()
    path = tmp_path / "bot.log"
    path.symlink_to("/dev/full")
    logger().info("lost")
    logger().info("lost")
    path.unlink()
    logger().info("kept")
    logger().info("kept")
    assert [line["event"] for line in lines(tmp_path)] == ["kept", "log_lines_lost", "kept"]
    assert lines(tmp_path)[1]["count"] == 2
    assert log.lost == 2


def test_an_event_that_cannot_be_made_into_a_line_is_counted(
    configured: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even a clock that fails costs the line, never the caller."""
    log = configured()

    def broken(_: NoonClock) -> None:
        fail("no time")

    monkeypatch.setattr(NoonClock, "now", broken)
    logger().info("lost")
    assert log.lost == 1


def test_other_libraries_are_heard_from_warning_up(configured: Configure, tmp_path: Path) -> None:
    """The standard library's log, and warnings, arrive in the same stream."""
    configured("DEBUG")
    logging.getLogger("somelib").info("quiet")
    logging.getLogger("somelib").warning("stale %s", "ref")
    logging.getLogger("uvicorn.error").critical("down")
    logging.getLogger("asyncio").error("%d is no number", "x")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    said = [(line["actor"], line["level"], line["event"]) for line in lines(tmp_path)]
    assert said[:3] == [
        ("somelib", "warning", "stale ref"),
        ("uvicorn.error", "critical", "down"),
        ("asyncio", "error", "%d is no number"),
    ]
    assert "DeprecationWarning: old" in said[3][2]


def test_addresses_of_http_libraries_are_hidden(configured: Configure, tmp_path: Path) -> None:
    """What these libraries say of the addresses they call is left out; some are secrets."""
    configured()
    for name in ("urllib3.connectionpool", "httpx"):
        try:
            fail("Max retries exceeded with url: /botTOKEN/x (https://host/botTOKEN)")
        except KeyError:
            logging.getLogger(name).warning(
                "Retrying after %s: /botTOKEN/getUpdates https://host/botTOKEN", "x", exc_info=True
            )
    said = lines(tmp_path)
    assert len(said) == 2
    for line in said:
        assert line["event"] == "Retrying after x: (address) (address)"
        assert "TOKEN" not in line["exception"]
        assert __file__ in line["exception"]


def test_what_ends_a_thread_is_logged(configured: Configure, tmp_path: Path) -> None:
    """An exception nobody caught leaves its traceback in the log; a wanted exit leaves nothing."""

    def run(error: BaseException) -> None:
        raise error

    configured()
    for error in (ValueError("boom"), SystemExit(1)):
        thread = threading.Thread(target=run, args=(error,), name="collector")
        thread.start()
        thread.join()
    (line,) = lines(tmp_path)
    assert (line["event"], line["thread"], line["level"]) == (
        "thread_died",
        "collector",
        "critical",
    )
    assert "ValueError: boom" in line["exception"]


def test_what_ends_the_process_is_logged_and_told(
    configured: Configure, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last exception is in the log and, where no terminal shows it, on stderr; redacted."""
    configured()
    register_secret(CANARY)
    sys.excepthook(ValueError, ValueError(f"boom {CANARY}"), None)
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    (line,) = lines(tmp_path)
    assert line["event"] == "uncaught_exception"
    assert "ValueError: boom (hidden)" in line["exception"]
    told = capsys.readouterr()
    assert "ValueError: boom (hidden)" in told.err
    assert "KeyboardInterrupt" in told.err
    assert told.out == ""
    stream = io.StringIO()
    log = configured(stream=stream)
    sys.excepthook(ValueError, ValueError("boom"), None)
    log.close()
    assert "ValueError: boom" in stream.getvalue()
    assert capsys.readouterr().err == ""


def test_nothing_goes_to_stdout(
    configured: Configure, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command's own output stays clean: the terminal's copy goes to stderr."""
    configured()
    with configure(tmp_path, "INFO", terminal=True, clock=NoonClock()):
        logger().error("said")
    said = capsys.readouterr()
    assert said.out == ""
    assert "said" in said.err


def test_closing_gives_everything_back(configured: Configure) -> None:
    """Afterwards the process logs and dies as it did before; closing twice is fine."""
    before = (logging.getLogger().handlers, logging.getLogger().level, sys.excepthook)
    with configured() as log:
        assert sys.excepthook != before[2]
    log.close()
    assert (logging.getLogger().handlers, logging.getLogger().level, sys.excepthook) == before
