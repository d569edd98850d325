"""The collector's process as the bot sees it: its news, and a child that is kept alive."""

import sys
from pathlib import Path

import orjson
import pytest

from adapters.storage.collector_process import MOST_PRINTED, CollectorProcess
from tests.adapters.archive.samples import HandClock
from tests.endtoend.bulwark import wait_for

NEWS = {
    "pid": 7,
    "at": 5.0,
    "stored": 900,
    "bytes_per_tick": 3.4,
    "symbols": {"BTCUSDT": {"holes": 2, "lag_ms": 40}, "ETHUSDT": {"holes": 1, "lag_ms": None}},
    "news": [{"number": 3, "event": "gap_filled", "symbol": "BTCUSDT", "gaps": 1, "seconds": 2.0}],
}


def test_news_are_read_as_they_were_written(tmp_path: Path) -> None:
    """Sums over the symbols, the worst lag; a field nobody knows is left out."""
    (tmp_path / "collector.json").write_bytes(orjson.dumps(NEWS))
    state = CollectorProcess(tmp_path, None, tmp_path / "out", HandClock()).look()
    assert state is not None
    assert (state.pid, state.stored, state.holes, state.lag_ms) == (7, 900, 3, 40)
    assert [(x.number, x.event, x.gaps) for x in state.news] == [(3, "gap_filled", 1)]
    assert state.last_number == 3


@pytest.mark.parametrize("text", [None, b"", b"{", b"[]", b'{"pid": "x"}', b"null"])
def test_what_cannot_be_read_is_nothing(tmp_path: Path, text: bytes | None) -> None:
    """Neither a crash, nor a collector that is well."""
    if text is not None:
        (tmp_path / "collector.json").write_bytes(text)
    assert CollectorProcess(tmp_path, None, tmp_path / "out", HandClock()).look() is None


def test_without_a_command_nothing_is_started(tmp_path: Path) -> None:
    """A collector that is a person's, or supervisord's, is only followed."""
    followed = CollectorProcess(tmp_path, None, tmp_path / "out", HandClock())
    followed.keep()
    followed.release()
    assert not followed.is_ours
    assert list(tmp_path.iterdir()) == []


def test_one_of_ours_is_started_again_but_not_in_a_storm(tmp_path: Path) -> None:
    """At most every half minute; at the end it is told to stop."""
    clock, out = HandClock(), tmp_path / "logs" / "out"
    command = (sys.executable, "-c", "print('began')")
    kept = CollectorProcess(tmp_path, command, out, clock)
    for expected in (1, 1, 2):
        kept.keep()
        wait_for(lambda: kept._process and kept._process.poll() is not None, "its end")
        assert out.read_text().count("began") == expected
        clock.pass_(20)
    kept.release()


def test_what_one_of_ours_prints_does_not_fill_the_disk(tmp_path: Path) -> None:
    """It may print for months, with nobody who rotates the file; what comes next is kept."""
    out = tmp_path / "out"
    prints = (
        "import signal, sys\n"
        f"print('x' * {MOST_PRINTED}, flush=True)\n"
        "signal.sigwait([signal.SIGTERM])\n"
        "print('last words')\n"
    )
    script = f"import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])\n{prints}"
    kept = CollectorProcess(tmp_path, (sys.executable, "-c", script), out, HandClock())
    kept.keep()
    wait_for(lambda: out.stat().st_size > MOST_PRINTED, "a long file")
    kept.keep()
    assert out.stat().st_size == 0
    kept.release()
    assert out.read_text() == "last words\n"


def test_the_end_of_the_bot_ends_it(tmp_path: Path) -> None:
    """In order: it is asked to, and waited for."""
    kept = CollectorProcess(
        tmp_path,
        (sys.executable, "-c", "import signal; signal.pause()"),
        tmp_path / "out",
        HandClock(),
    )
    kept.keep()
    process = kept._process
    assert process is not None
    kept.release()
    assert process.poll() is not None


def test_a_command_that_is_not_there_does_not_trouble_the_bot(tmp_path: Path) -> None:
    """It is said in the log, and tried again later."""
    kept = CollectorProcess(tmp_path, ("/nowhere/at/all",), tmp_path / "out", HandClock())
    kept.keep()
    kept.release()
    assert kept.look() is None
