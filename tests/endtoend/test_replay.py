"""Recorded prices played at many times their speed: the bot trades them like any others."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.endtoend.bulwark import Bot, LogFile, free_port, wait_for
from tests.endtoend.explained import unexplained
from tests.endtoend.recording import BAD_LINES, write_recording

TRADES = 3


@dataclass(frozen=True, slots=True)
class Replay:
    """One bot on its own exchange that plays ``recording``."""

    bot: Bot
    speed: int

    @property
    def closed(self) -> int:
        return len(self.bot.all("trade_closed"))


def replay(folder: Path, recording: Path, speed: int) -> Replay:
    """A started bot; the caller ends it."""
    settings = {
        "PAPER_PORT": free_port(),
        "PAPER_FEED": f"replay:{recording}",
        "PAPER_SPEED": speed,
    }
    return Replay(Bot(folder / f"at-{speed}", settings), speed)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """Six minutes of a market, and how many lines they are."""
    path = tmp_path_factory.mktemp("recorded") / "btcusdt.gz"
    return path, write_recording(path, seconds=360)


@pytest.fixture(scope="module")
def replays(
    recording: tuple[Path, int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Replay]]:
    """Ten and fifty times as fast, side by side, until each has closed its trades."""
    folder = tmp_path_factory.mktemp("replays")
    with ExitStack() as stack:
        running = [replay(folder, recording[0], speed) for speed in (50, 10)]
        for each in running:
            stack.enter_context(each.bot)
        for each in running:
            wait_for(lambda each=each: each.closed >= TRADES, f"{TRADES} trades closed", 60.0)
        yield running


def test_a_recording_is_traded_at_ten_and_fifty_times_its_speed(replays: list[Replay]) -> None:
    """Three trades each from ready to closed, and no warning that is not the market's doing."""
    for each in replays:
        assert each.closed >= TRADES
        assert unexplained(each.bot.logged()) == []


def test_bad_lines_are_counted_and_reported(
    replays: list[Replay], recording: tuple[Path, int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """At its end the exchange says what it read and what it could not."""
    fast = next(each for each in replays if each.speed == 50)
    log = LogFile(fast.bot.log.path.with_name("exchange.log"))
    report = log.wait("paper_replay_ended", seconds=30.0)
    assert report["bad"] == len(BAD_LINES)
    assert report["lines"] == recording[1]
    assert report["used"] + report["unused"] + report["bad"] == report["lines"]


@pytest.mark.slow
@pytest.mark.parametrize("speed", [50, 10])
def test_a_whole_recording_is_replayed(speed: int, tmp_path: Path) -> None:
    """To its end; BULWARK_RECORDING may name a real one."""
    given = os.environ.get("BULWARK_RECORDING", "")
    path = Path(given) if given else tmp_path / "made.gz"
    if not given:
        write_recording(path, seconds=360)
    played = replay(tmp_path, path, speed)
    with played.bot as bot:
        bot.ready()
        log = LogFile(bot.log.path.with_name("exchange.log"))
        report = log.wait("paper_replay_ended", seconds=120.0)
        assert played.closed >= TRADES
        assert unexplained(bot.logged()) == []
        print(f"\nat {speed}x: {played.closed} trades, {report}")
        assert bot.stop() == 0
