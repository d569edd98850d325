"""`run.py logs`: filters, garbage, errors at a glance."""

import json
from pathlib import Path
from typing import Any

import pytest

from commands.logs import grouped
from tests.commands.running import run

TRADE = "1m8h44cdb4fkgnenrjx"


def entry(event: str, level: str = "info", actor: str = "execution", **fields: Any) -> bytes:
    at = fields.pop("ts", "2026-03-01T12:00:00+00:00")
    line = {"ts": at, "level": level, "event": event, "actor": actor, **fields}
    return json.dumps(line).encode() + b"\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A log as it may look after a bad night."""
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "bot.log.1").write_bytes(entry("ready", trades=0) + b'{"ts":"2026-03-01T1')
    (logs / "bot.log").write_bytes(
        entry("stop_placed", actor=f"trade-{TRADE}", trade_id=TRADE, note="größer 🚀")
        + b"\xff\xfe not json \x1b[2J\n"
        + entry("look_failed", "error", "watcher", error="no answer", ts="2026-03-01T12:00:01")
        + entry("look_failed", "error", "watcher", error="timed out", ts="2026-03-01T12:00:09")
        + entry("session_lost", "warning", "auth", reason="closed", ts="2026-03-01T12:00:10")
        + entry("gave_up", "critical", "supervisor", reason="storm")
        + b'{"ts":"2026-03-01T12:0'
    )
    return tmp_path


def events(output: str) -> list[str]:
    return [json.loads(line)["event"] for line in output.splitlines()]


def test_the_last_lines_are_readable_whatever_stands_between_them(folder: Path) -> None:
    """Garbage is shown escaped: no control character reaches the terminal."""
    ran = run(folder, "logs")
    assert ran.code == 0
    assert "stop_placed" in ran.output
    assert "größer" in ran.output
    assert "\\x1b[2J" in ran.output
    assert "\x1b" not in ran.output


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (("--level", "error"), ["look_failed", "look_failed", "gave_up"]),
        (("--level", "error", "-n", "1"), ["gave_up"]),
        (("--actor", "trade"), ["stop_placed"]),
        (("--actor", "auth"), ["session_lost"]),
        (("--trade", TRADE), ["stop_placed"]),
        (("--trade", "another"), []),
        (("--event", "look_*", "--event", "ready"), ["ready", "look_failed", "look_failed"]),
        (("--level", "warning", "--actor", "auth"), ["session_lost"]),
    ],
)
def test_filters_narrow_together(folder: Path, options: tuple[str, ...], found: list[str]) -> None:
    """Each condition must hold; ``-n`` counts what is left. What is no entry matches none."""
    ran = run(folder, "logs", "--json", *options)
    assert (ran.code, events(ran.output)) == (0, found)


def test_errors_at_a_glance(folder: Path) -> None:
    """Counted by kind, the gravest first, each with its last words and the time of them."""
    ran = run(folder, "logs", "--errors", "--json")
    found = json.loads(ran.output)
    rows = [(x["level"], x["event"], x["count"], x["detail"]) for x in found["groups"]]
    assert rows == [
        ("critical", "gave_up", 1, "storm"),
        ("error", "look_failed", 2, "timed out"),
        ("warning", "session_lost", 1, "closed"),
    ]
    assert found["groups"][1]["first"] == "2026-03-01T12:00:01"
    assert found["groups"][1]["last"] == "2026-03-01T12:00:09"
    assert found["unreadable_lines"] == 2
    table = run(folder, "logs", "--errors")
    assert "timed out" in table.output
    assert "2 of them unreadable" in table.output
    assert "from 2026-03-01 12:00:00 to 2026-03-01 12:00:00 in" in table.output


def test_no_errors_is_said(folder: Path) -> None:
    """An empty table would leave a doubt; so would a log that has taken no line for hours."""
    ended = entry("day_measured", ts="2026-03-01T12:10:00+00:00")
    (folder / "logs" / "bot.log").write_bytes(entry("ready") + ended)
    ran = run(folder, "logs", "--errors")
    assert "Nothing at warning or above." in ran.output
    assert "to 2026-03-01 12:10:00 in" in ran.output
    found = json.loads(run(folder, "logs", "--errors", "--json").output)
    assert found["until"] == "2026-03-01T12:10:00+00:00"


def test_a_traceback_is_told_by_its_last_line() -> None:
    """That is where the error stands."""
    text = "Traceback (most recent call last):\n  File x\nValueError: wrong\n"
    (group,) = grouped([{"ts": "t", "level": "error", "event": "e", "exception": text}])
    assert group.detail == "ValueError: wrong"


def test_an_alert_is_not_hidden_behind_good_news() -> None:
    """Alerts are grouped by what they are about, whatever their figures: a KILL stays in sight."""
    texts = (
        "KILL by risk: the day's loss is 12 USD\nNo entries.",
        "NOT FLAT YET: BTC +250\nStill trying.",
        "NOT FLAT YET: BTC +100\nStill trying.",
        "Verified flat after 3.2 s\nNo position.",
    )
    entries = [json.loads(entry("alert", "critical", actor="alerter", text=x)) for x in texts]
    told = sorted((x.count, x.detail.split(" / ")[0]) for x in grouped(entries))
    assert told == [
        (1, "KILL by risk: the day's loss is 12 USD"),
        (1, "Verified flat after 3.2 s"),
        (2, "NOT FLAT YET: BTC +100"),
    ]


def test_the_last_of_each_names_its_trade_and_its_figures() -> None:
    """The headline too: with it a person goes to the runbook, with the id to the journal."""
    alert = entry(
        "alert", "critical", text="NO STOP: BTC-PERPETUAL +250 contracts\nOnly 0 covered."
    )
    failed = entry("stop_failed", "error", reason="price too high", code=10043, label="bw.x.sl.1")
    first, second = grouped([json.loads(alert), json.loads(failed)])
    assert first.detail == "NO STOP: BTC-PERPETUAL +250 contracts / Only 0 covered."
    assert second.detail == "price too high  code=10043 label=bw.x.sl.1"


def test_errors_are_told_alike_on_every_terminal(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A narrow one breaks the lines itself: what is copied from it is whole."""
    long = "no answer from the venue to private/get_order_state_by_label within 5.0 s"
    (folder / "logs" / "bot.log").write_bytes(
        entry("look_failed", "error", "watcher", error=long, label=f"bw.{TRADE}.sl.1")
    )
    told = set[str]()
    for columns in ("36", "200"):
        monkeypatch.setenv("COLUMNS", columns)
        told.add(run(folder, "logs", "--errors").output)
    (output,) = told
    assert f"         {long}  label=bw.{TRADE}.sl.1\n" in output


def test_errors_at_a_glance_move_no_cursor(folder: Path) -> None:
    """What somebody sent may hold control characters: they are shown, and do nothing."""
    (folder / "logs" / "bot.log").write_bytes(
        entry("look_failed", "error", "\x1b[2Jwho", error="\x1b]0;title\x07no", said="\x1b[1A")
    )
    ran = run(folder, "logs", "--errors")
    assert "\x1b" not in ran.output
    assert "\\x1b]0;title\\x07no  said=\\x1b[1A" in ran.output


@pytest.mark.parametrize("field", ["stack", "exception"])
def test_a_line_without_a_readable_form_ends_nothing(folder: Path, field: str) -> None:
    """A traceback that is no text: shown as it is, and what follows after it."""
    odd = entry("thread_dump", "warning", **{field: ["a", "b"]})
    (folder / "logs" / "bot.log").write_bytes(odd + entry("gave_up", "critical"))
    ran = run(folder, "logs", "-n", "2")
    assert ran.code == 0
    first, second = ran.output.splitlines()
    assert first.startswith("? '{")
    assert "thread_dump" in first
    assert "gave_up" in second


def test_a_log_that_does_not_exist_is_said(tmp_path: Path) -> None:
    """Exit 1 and which file was looked for; a path cannot lead out of the log folder."""
    ran = run(tmp_path, "logs", "--log", "../../exchange")
    assert ran.code == 1
    assert "no logs/exchange.log yet" in ran.errors


@pytest.mark.parametrize("name", ["", "bott", "a/.."])
@pytest.mark.parametrize("options", [(), ("-f",)])
def test_a_log_that_nobody_writes_is_not_waited_for(
    tmp_path: Path, name: str, options: tuple[str, ...]
) -> None:
    """A slip of the keyboard: not understood, and what there is."""
    ran = run(tmp_path, "logs", *options, "--log", name)
    assert ran.code == 2
    assert "one of bot, exchange, collector, watchdog, preflight" in ran.errors


def test_a_log_may_be_named_as_its_file_is(folder: Path) -> None:
    """What tab makes of it; and another program's, where it is there."""
    assert run(folder, "logs", "--log", "logs/bot.log") == run(folder, "logs")
    (folder / "logs" / "supervisord.log").write_text("spawned\n", "utf-8")
    assert "spawned" in run(folder, "logs", "--log", "supervisord").output
