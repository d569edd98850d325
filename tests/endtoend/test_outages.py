"""The venue goes away while a position is open: the bot says so, waits, and comes back."""

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from adapters.clock import SystemClock
from tests.endtoend.bulwark import Bot, Exchange, at_exchange, free_port
from tests.endtoend.observer import Observer, disagreement
from tests.endtoend.scripts import WIDE, script

STILL_SECONDS = 10.0
RECONCILE_SECONDS = 20.0
LONGEST_PAUSE = 30.0 * 1.3
"""Between two tries to reconnect, jitter included."""
time = SystemClock().monotonic


@pytest.fixture(scope="module")
def lonely(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    """A bot whose venue nobody listens at: it waits beside the other tests."""
    with Bot(tmp_path_factory.mktemp("lonely"), nowhere(free_port())) as bot:
        yield bot


def nowhere(port: int) -> dict[str, object]:
    """Settings of a bot that trades at that port and starts no exchange there."""
    return {"DERIBIT_HTTP_URL": f"http://127.0.0.1:{port}/api/v2", "STRATEGIES": "none"}


@dataclass(frozen=True, slots=True)
class Still:
    """A bot with an open trade whose venue has stood still since ``since`` (monotonic)."""

    folder: Path
    exchange: Exchange
    bot: Bot
    since: float


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Still]:
    """The venue stops in the moment a second trade is to be opened; other tests go on meanwhile."""
    folder = tmp_path_factory.mktemp("still")
    later = {**WIDE, "instrument_name": "ETH-PERPETUAL", "quantity": "0.1", "after": 2}
    settings = {"STRATEGIES": script(folder, WIDE, later), "MAX_OPEN_TRADES": 2}
    with (
        Exchange(folder, free_port()) as exchange,
        Bot(folder, at_exchange(exchange, **settings)) as bot,
    ):
        bot.wait_for("target_placed")
        bot.wait_for("signal_raised", instrument="ETH-PERPETUAL")
        exchange.send(signal.SIGSTOP)
        yield Still(folder, exchange, bot, time())


@pytest.mark.usefixtures("lonely", "still")
def test_a_venue_killed_and_started_again_finds_the_bot_protected(tmp_path: Path) -> None:
    """`kill -9` of the exchange: the session is lost and opened anew, the trade is verified."""
    port, registry = free_port(), tmp_path / "data/paper/registry.json"
    settings = {"STRATEGIES": script(tmp_path, WIDE)}
    with (
        Exchange(tmp_path, port) as first,
        Bot(tmp_path, at_exchange(first, **settings)) as bot,
    ):
        bot.wait_for("target_placed")
        first.kill()
        assert "connection" in bot.wait_for("session_lost")["reason"].lower()
        with Exchange(tmp_path, port):
            observer = Observer(port)
            bot.wait_until(lambda: len(bot.all("session_opened")) == 2, "a new session")
            bot.wait_until(lambda: disagreement(observer, registry) == "", "all agrees")
            assert len(bot.all("stop_placed")) == 1
            assert not bot.all("child_failed") + bot.all("emergency_began")
            assert bot.stop() == 0


def test_a_venue_that_stands_still_is_noticed_and_survived(still: Still) -> None:
    """Ten seconds without an answer to anything, a trade to be opened in the middle of it."""
    bot, registry = still.bot, still.folder / "data/paper/registry.json"
    bot.wait_until(lambda: time() - still.since > STILL_SECONDS, "it stood still", 20.0)
    bot.wait_until(lambda: bot.all("look_failed") + bot.all("session_lost"), "it is said")
    still.exchange.send(signal.SIGCONT)
    observer = Observer(still.exchange.port)
    bot.wait_until(lambda: disagreement(observer, registry) == "", "all agrees", 40.0)
    assert observer.entered_twice() == {}
    assert not bot.all("child_failed") + bot.all("gave_up")
    assert bot.stop() == 0


def test_a_venue_nobody_listens_at_means_protect_only(lonely: Bot) -> None:
    """Said once, few words about it, ever longer pauses, and SIGTERM ends it in order."""
    began = lonely.wait_for("protect_only_began", RECONCILE_SECONDS + 20.0)
    assert "could not be read" in began["reason"]
    tries = lonely.all("session_lost")
    assert 3 <= len(tries) <= 10
    pauses = [x["retry_in_seconds"] for x in tries]
    assert pauses[:5] == sorted(pauses[:5])
    assert max(pauses) <= LONGEST_PAUSE
    assert "Connection refused" in tries[0]["reason"]
    assert "Errno" not in tries[0]["reason"]
    assert len(lonely.all("catalogue_unreadable")) <= 3
    assert not lonely.all("ready") + lonely.all("child_failed")
    assert lonely.stop(signal.SIGTERM) == 0


@pytest.mark.slow
def test_protect_only_ends_when_the_venue_comes_up_at_last(tmp_path: Path) -> None:
    """Minutes late: the bot connects, reconciles and is ready without being restarted."""
    port = free_port()
    with Bot(tmp_path, nowhere(port)) as bot:
        bot.wait_for("protect_only_began", RECONCILE_SECONDS + 10.0)
        with Exchange(tmp_path, port):
            bot.wait_for("ready", LONGEST_PAUSE + 20.0)
            bot.wait_for("protect_only_ended")
            assert bot.stop() == 0
