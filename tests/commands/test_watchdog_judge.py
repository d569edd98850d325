"""What the watchdog tells: each occurrence once, the truth about what supervisord does."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from adapters.storage.pulse import Beat
from commands.watchdog_judge import (
    LOOP_DEATHS,
    LOOP_WINDOW,
    Act,
    Change,
    Judge,
    Look,
    Notice,
    ended_with,
)


@dataclass
class Night:
    """A judge, the time, and what it has told."""

    judge: Judge
    now: float = 1000.0
    told: list[Notice] = field(default_factory=list[Notice])

    def wait(self, seconds: float) -> "Night":
        self.now += seconds
        return self

    def change(self, state: str, program: str = "bot", **fields: Any) -> list[Notice]:
        return self._keep(
            self.judge.changed(Change(program=program, state=state, **fields), self.now)
        )

    def look(self, number: int = 1, pid: int = 7, **fields: Any) -> list[Notice]:
        return self._keep(self.judge.looked(Look(beat=Beat(pid, number), **fields), self.now))

    def _keep(self, notices: Iterator[Notice]) -> list[Notice]:
        found = list(notices)
        self.told += found
        return found


@pytest.fixture
def night() -> Night:
    return Night(Judge(limit=300, may_restart=False))


@pytest.fixture
def helping() -> Night:
    return Night(Judge(limit=300, may_restart=True))


def text(notices: list[Notice]) -> str:
    (only,) = notices
    return only.text


# -- silence ---------------------------------------------------------------------------------------


def test_silence_is_told_once_when_it_is_long_enough(night: Night) -> None:
    """Not a second sooner, and not again; nothing is done unless allowed."""
    assert night.look() == []
    assert night.wait(299.9).look() == []
    (notice,) = night.wait(0.1).look()
    assert notice.text.startswith("bot is UNRESPONSIVE: no sign of life for 300 s.")
    assert (notice.is_critical, notice.act) == (True, Act.NOTHING)
    assert night.wait(300).look() == []


def test_its_end_is_told_too(night: Night) -> None:
    """And the next silence is another one."""
    night.look()
    night.wait(300).look()
    assert text(night.wait(60).look(number=2)) == "bot responds again, after 360 s."
    assert "UNRESPONSIVE" in text(night.wait(300).look(number=2))


def test_a_beat_in_time_is_enough(night: Night) -> None:
    """Whatever the numbers: another content is a sign of life, and so is a healthy answer."""
    for number in (1, 5, 2, 9):
        assert night.wait(200).look(number=number) == []
    for _ in range(5):
        assert night.wait(200).look(number=9, answers=True) == []


def test_a_silent_bot_is_killed_when_that_is_allowed(helping: Night) -> None:
    """Once: supervisord starts the next one, whose silence counts from its start."""
    helping.look()
    (notice,) = helping.wait(300).look()
    assert (notice.program, notice.act) == ("bot", Act.KILL)
    assert helping.wait(10).look() == []
    helping.change("EXITED")
    helping.change("STARTING")
    helping.change("RUNNING")
    assert helping.wait(299).look() == []
    assert helping.wait(1).look()[0].act is Act.KILL


def test_a_bot_that_is_down_is_not_called_unresponsive(night: Night) -> None:
    """Its death was told already."""
    night.look()
    night.change("FATAL")
    assert night.wait(1000).look() == []


@pytest.mark.parametrize(
    ("state", "fields"),
    [
        ("STOPPED", {}),
        ("EXITED", {"is_expected": True, "exit_code": 78}),
        ("EXITED", {"is_expected": True, "exit_code": 0}),
        ("BACKOFF", {"tries": 2}),
    ],
)
def test_a_bot_that_does_not_run_is_not_called_silent(
    helping: Night, state: str, fields: dict[str, Any]
) -> None:
    """Stopped by a person or ended for good: it is not killed either."""
    helping.look()
    helping.change(state, **fields)
    for _ in range(5):
        assert helping.wait(200).look() == []


def test_a_watchdog_that_begins_late_asks_what_runs(helping: Night) -> None:
    """It has heard no event: supervisord's table says whether silence means something."""
    helping.judge.assume("bot", is_up=False)
    helping.look()
    assert helping.wait(1000).look() == []
    helping.judge.assume("bot", is_up=True)
    assert helping.wait(1000).look()[0].act is Act.KILL


def test_bad_health_is_told_when_it_lasts(night: Night) -> None:
    """With the reasons the bot gives; and its end."""
    assert night.look(1, trouble="no session") == []
    assert night.wait(150).look(2, trouble="no session") == []
    told = text(night.wait(150).look(3, trouble="no session, no price"))
    assert told == "bot is UNHEALTHY for 300 s: no session, no price."
    assert night.wait(300).look(4, trouble="no price") == []
    assert text(night.wait(1).look(5, answers=True)) == "bot is healthy again."


def test_no_verdict_is_neither_good_nor_bad_health(night: Night) -> None:
    """A bot that stops answering is not well again, and its trouble does not count anew."""
    for number in range(3):
        assert night.look(number) == []
        night.wait(200)
    night.look(4, trouble="no session")
    assert night.wait(200).look(5) == []
    assert "UNHEALTHY for 300 s" in text(night.wait(100).look(6, trouble="no session"))
    assert night.wait(100).look(7) == []
    assert night.wait(100).look(8, trouble="no session") == []
    assert text(night.wait(100).look(9, answers=True)) == "bot is healthy again."
    assert night.wait(100).look(10, trouble="no price") == []


# -- deaths ----------------------------------------------------------------------------------------


def test_a_death_and_the_new_start_are_told(night: Night) -> None:
    """What supervisord does about it, and that the stops stay."""
    (notice,) = night.change("EXITED", exit_code=-1)
    assert notice.is_critical
    assert notice.text == (
        "bot DIED: killed by a signal. supervisord starts it again. Stops stay on the venue."
    )
    assert night.wait(1).change("STARTING") == []
    assert text(night.wait(2).change("RUNNING")) == "bot runs again, 3 s after its end."


def test_a_restart_by_order_is_no_death(night: Night) -> None:
    """Said calmly, however often a person asks for it; that it runs again is told as ever."""
    for _ in range(LOOP_DEATHS + 1):
        (notice,) = night.change("EXITED", exit_code=74)
        assert notice == Notice(text="bot restarts by order: supervisord starts it again.")
        assert text(night.wait(3).change("RUNNING")) == "bot runs again, 3 s after its end."


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (70, "exit code 70, it gave up after a storm of failures"),
        (71, "exit code 71, a part of it hung"),
        (1, "exit code 1, it could not start"),
        (
            None,
            "unexpectedly, with a code supervisord did not tell; the last `stopped` line",
        ),
    ],
)
def test_a_death_is_told_with_its_cause(night: Night, code: int | None, said: str) -> None:
    """No cause is made up where none is known."""
    assert text(night.change("EXITED", exit_code=code)).startswith(f"bot DIED: {said}")


LOG = """\
2026-03-01 12:00:00,001 INFO spawned: 'exchange' with pid 70
2026-03-01 12:00:00,002 INFO spawned: 'bot' with pid 71
2026-03-01 12:00:05,000 WARN exited: exchange (exit status 1; not expected)
2026-03-01 12:00:09,000 WARN exited: bot (exit status 74; not expected)
2026-03-01 12:00:09,500 INFO spawned: 'bot' with pid 710
2026-03-01 12:01:00,000 WARN exited: bot (terminated by SIGKILL; not expected)
2026-03-01 12:01:00,500 INFO spawned: 'bot' with pid 712
"""


@pytest.mark.parametrize(
    ("program", "pid", "code"),
    [("bot", 71, 74), ("bot", 710, -1), ("exchange", 70, 1), ("bot", 712, None), ("bot", 9, None)],
)
def test_supervisords_log_says_how_a_process_ended(
    program: str, pid: int, code: int | None
) -> None:
    """The end after its start, and nobody else's."""
    assert ended_with(LOG, program, pid) == code


def test_a_log_that_begins_later_than_the_process_says_how_it_ended() -> None:
    """Whether or not the program has been started again meanwhile."""
    log = "".join(LOG.splitlines(keepends=True)[2:])
    assert ended_with(log, "bot", 9) == 74
    assert ended_with("".join(log.splitlines(keepends=True)[:2]), "bot", 9) == 74
    assert ended_with("".join(log.splitlines(keepends=True)[2:]), "bot", 9) is None


def test_the_first_start_is_no_news(night: Night) -> None:
    """Only what ended can run again."""
    assert night.change("STARTING") == []
    assert night.change("RUNNING") == []


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (78, "exit code 78, the settings are not valid. supervisord does not start it again"),
        (77, "check the API key, then .venv/bin/supervisorctl -c supervisor.conf start bot"),
        (75, "end the other instance first, then .venv/bin/supervisorctl -c supervisor.conf start"),
    ],
)
def test_an_end_that_repeating_does_not_cure_says_what_does(
    night: Night, code: int, said: str
) -> None:
    """Critical: nobody looks after the trades until a person has acted."""
    (notice,) = night.change("EXITED", is_expected=True, exit_code=code)
    assert said in notice.text
    assert notice.is_critical


def test_the_exchange_that_is_not_needed_is_no_news(night: Night) -> None:
    """On testnet and prod it ends at once, with every start; supervisord's log may not be had."""
    for code in (0, None):
        assert night.change("EXITED", program="exchange", is_expected=True, exit_code=code) == []
    assert "settings" in text(
        night.change("EXITED", program="exchange", is_expected=True, exit_code=78)
    )


def test_an_ordered_end_is_no_alarm(night: Night) -> None:
    """By itself or by supervisorctl: said, calmly."""
    for told in (
        night.change("EXITED", is_expected=True, exit_code=0),
        night.change("STOPPED"),
    ):
        assert [x.is_critical for x in told] == [False]


def test_a_crash_loop_is_told_once_instead_of_each_death(night: Night) -> None:
    """Then at most once a window; a death long after is a single one again."""
    for number in range(LOOP_DEATHS * 3):
        night.wait(10).change("EXITED", exit_code=70)
        assert ("DIED" in night.told[-1].text) == (number < LOOP_DEATHS - 1)
    assert len([x for x in night.told if "CRASH-LOOPING: 4 deaths within 30 s" in x.text]) == 1
    assert len(night.told) == LOOP_DEATHS
    assert "DIED" in text(night.wait(LOOP_WINDOW + 1).change("EXITED"))


def test_a_loop_that_goes_on_is_told_once_a_window(night: Night) -> None:
    """Whoever has slept through the first message is woken by another one."""
    for _ in range(round(3 * LOOP_WINDOW / 10)):
        night.wait(10).change("EXITED", exit_code=70)
    assert len([x for x in night.told if "CRASH-LOOPING" in x.text]) == 3


def test_failed_starts_are_told_at_the_first_and_as_a_loop(night: Night) -> None:
    """Each try of the back-off is a death of the loop, but not a message."""
    told = [text(x) for tries in (1, 2, 3, 4, 5) if (x := night.change("BACKOFF", tries=tries))]
    assert "ended while it started" in told[0]
    assert "CRASH-LOOPING" in told[1]
    assert len(told) == 2


def test_giving_up_is_told_with_what_to_do(night: Night) -> None:
    """Nothing is started behind the person's back unless allowed."""
    told = text(night.change("FATAL"))
    assert "bot is DOWN" in told
    assert "Start it by hand: .venv/bin/supervisorctl -c supervisor.conf start bot." in told
    assert night.wait(3600).look() == []


def test_a_given_up_program_is_started_again_when_that_is_allowed(helping: Night) -> None:
    """After a minute, once; the next giving up is another one."""
    assert "starts it again in 60 s" in text(helping.change("FATAL", program="collector"))
    assert helping.wait(59).look(1) == []
    (notice,) = helping.wait(1).look(2)
    assert (notice.program, notice.act) == ("collector", Act.START)
    assert helping.wait(200).look(3) == []


def test_a_program_that_a_person_stops_stays_stopped(helping: Night) -> None:
    """He had it started again by hand, and thought better of it: the watchdog does not."""
    for state in ("FATAL", "STARTING", "STOPPED"):
        helping.change(state, program="collector")
    assert helping.wait(3600).look() == []


def test_each_program_has_its_own_memory(night: Night) -> None:
    """Three deaths of one and three of another are no loop."""
    deaths: list[Callable[[], object]] = [
        lambda: night.wait(1).change("EXITED", program="exchange"),
        lambda: night.wait(1).change("EXITED", program="bot"),
    ]
    for death in deaths * (LOOP_DEATHS - 1):
        death()
    assert all("DIED" in notice.text for notice in night.told)
    assert "Stops stay" not in night.told[0].text
