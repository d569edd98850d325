"""What the watchdog makes of what it sees: pure, told the time, nothing sent from here.

It sees two things: what supervisord says about its programs, and whether the bot's pulse goes on.
"""

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from actors.kernel import ExitCode
from adapters.storage.pulse import Beat

BOT, EXCHANGE = "bot", "exchange"
CTL = ".venv/bin/supervisorctl -c supervisor.conf"
PYTHON = ".venv/bin/python run.py"
UP = frozenset({"STARTING", "RUNNING"})
LOOP_WINDOW = 600.0
LOOP_DEATHS = 4
"""So many deaths within the window (seconds) are a loop; told once, then at most once a window."""
RETRY_AFTER = 60.0
"""How long after supervisord has given up the watchdog starts a program again, if it may."""

MEANINGS = {
    -1: "killed by a signal",
    0: "an ordered stop",
    1: "it could not start",
    70: "it gave up after a storm of failures",
    71: "a part of it hung",
    74: "a restart by order",
    75: "another instance is running",
    76: "preflight has not passed",
    77: "the venue refuses the credentials",
    78: "the settings are not valid",
    143: "it was stopped while it started",
}
"""What the exit codes of our programs mean."""


def ended_with(log: str, program: str, pid: int) -> int | None:
    """How a process ended by supervisord's own log: -1 for a signal, None where it is not there.

    Neither its events nor, once it has started the program again, its table say so. Where the log
    begins later than the process, its end comes before any other's start.
    """
    name = re.escape(program)
    after = re.split(rf"spawned: '{name}' with pid {pid}$", log, flags=re.MULTILINE)[-1]
    life = re.split(rf"spawned: '{name}' with pid ", after, maxsplit=1)[0]
    said = re.search(rf"exited: {name} \((?:exit status (\d+))?", life)
    if said is None:
        return None
    return int(said[1]) if said[1] else -1


class Act(StrEnum):
    """What is to be done about a program."""

    NOTHING = "nothing"
    KILL = "kill"
    START = "start"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A program went from one state of supervisord's to another.

    ``exit_code`` is -1 for a signal, None where it is not known.
    """

    program: str
    state: str
    before: str = ""
    pid: int = 0
    tries: int = 0
    is_expected: bool = False
    exit_code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The bot as it is now: its last beat, and its own verdict of its health.

    ``answers`` that it is well, or ``trouble`` says what is not. Neither: there is no verdict.
    """

    beat: Beat | None
    trouble: str = ""
    answers: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What a person is told, and what is to be done besides."""

    text: str
    is_critical: bool = False
    program: str = ""
    act: Act = Act.NOTHING


@dataclass(slots=True)
class _Program:
    """What is remembered about one program."""

    deaths: deque[float] = field(default_factory=lambda: deque[float](maxlen=LOOP_DEATHS))
    died_at: float | None = None
    loop_told_at: float | None = None
    gave_up_at: float | None = None
    is_up: bool = True


class Judge:
    """Turns what is seen into notices, each once per occurrence. Times are monotonic seconds."""

    def __init__(self, *, limit: float, may_restart: bool) -> None:
        self.follow(limit=limit, may_restart=may_restart)
        self._programs: dict[str, _Program] = {}
        self._beat: Beat | None = None
        self._beat_at: float | None = None
        self._silence_told = False
        self._trouble_since: float | None = None
        self._trouble_told = False

    def follow(self, *, limit: float, may_restart: bool) -> None:
        """How long silence may last, and what may be done, from now on."""
        self._limit = limit
        self._may_restart = may_restart

    def assume(self, program: str, *, is_up: bool) -> None:
        """What supervisord's table says when the watchdog begins: it has heard no event yet."""
        self._programs.setdefault(program, _Program()).is_up = is_up

    # -- supervisord's word --------------------------------------------------------------------

    def changed(self, change: Change, now: float) -> Iterator[Notice]:
        """What a change of state is worth telling."""
        program = self._programs.setdefault(change.program, _Program())
        program.is_up = change.state in UP
        if change.program == BOT and change.state in {"STARTING", "STOPPED", "EXITED", "FATAL"}:
            self._forget_pulse(now)
        if change.state == "EXITED":
            yield from self._exited(program, change, now)
        elif change.state == "BACKOFF":
            yield from self._failed_to_start(program, change, now)
        elif change.state == "FATAL":
            program.gave_up_at = now
            yield self._fatal(change)
        elif change.state == "RUNNING":
            yield from self._running(program, change, now)
        elif change.state == "STOPPED":
            program.died_at = program.gave_up_at = None
            yield Notice(text=f"{change.program} was stopped by order.")

    def _exited(self, program: _Program, change: Change, now: float) -> Iterator[Notice]:
        why = _why(change)
        if change.is_expected:
            program.died_at = None
            if change.exit_code in {0, None} and change.program == EXCHANGE:
                return  # testnet and prod need none: it ends at once, each time, known code or not
            if change.exit_code == 0:
                yield Notice(text=f"{change.program} has ended: {why}.")
            else:
                yield Notice(
                    text=f"{change.program} has ended: {why}. supervisord does not start it "
                    f"again: {_remedy(change)} {_positions(change)}",
                    is_critical=True,
                )
            return
        program.died_at = now
        if change.exit_code == ExitCode.RESTART:
            yield Notice(text=f"{change.program} restarts by order: supervisord starts it again.")
        elif self._is_loop(program, now):
            yield from self._loop(program, change, now)
        else:
            yield Notice(
                text=f"{change.program} DIED: {why}. supervisord starts it again. "
                f"{_positions(change)}",
                is_critical=True,
            )

    def _failed_to_start(self, program: _Program, change: Change, now: float) -> Iterator[Notice]:
        if program.died_at is None:
            program.died_at = now
        if self._is_loop(program, now):
            yield from self._loop(program, change, now)
        elif change.tries == 1:
            yield Notice(
                text=f"{change.program} ended while it started. "
                f"supervisord tries again, waiting longer each time. {_positions(change)}",
                is_critical=True,
            )

    def _is_loop(self, program: _Program, now: float) -> bool:
        program.deaths.append(now)
        return len(program.deaths) == LOOP_DEATHS and now - program.deaths[0] <= LOOP_WINDOW

    def _loop(self, program: _Program, change: Change, now: float) -> Iterator[Notice]:
        if program.loop_told_at is not None and now - program.loop_told_at < LOOP_WINDOW:
            return
        program.loop_told_at = now
        yield Notice(
            text=f"{change.program} is CRASH-LOOPING: {LOOP_DEATHS} deaths within "
            f"{now - program.deaths[0]:.0f} s, the last: {_why(change)}. "
            f"supervisord goes on trying. {_positions(change)}",
            is_critical=True,
        )

    def _fatal(self, change: Change) -> Notice:
        then = (
            f"The watchdog starts it again in {RETRY_AFTER:.0f} s."
            if self._may_restart
            else f"Start it by hand: {CTL} start {change.program}."
        )
        return Notice(
            text=f"{change.program} is DOWN: it ended too often while it started, and "
            f"supervisord has given up. See logs/{change.program}.out. {then} {_positions(change)}",
            is_critical=True,
        )

    def _running(self, program: _Program, change: Change, now: float) -> Iterator[Notice]:
        program.gave_up_at = None
        if program.died_at is not None:
            after = now - program.died_at
            program.died_at = None
            yield Notice(text=f"{change.program} runs again, {after:.0f} s after its end.")

    # -- the pulse -----------------------------------------------------------------------------

    def looked(self, look: Look, now: float) -> Iterator[Notice]:
        """What the bot's pulse and health are worth telling, and what is due by the clock."""
        yield from self._pulse(look, now)
        yield from self._health(look, now)
        for name, program in self._programs.items():
            gave_up_at = program.gave_up_at
            if self._may_restart and gave_up_at is not None and now - gave_up_at >= RETRY_AFTER:
                program.gave_up_at = None
                yield Notice(text=f"The watchdog starts {name} again.", program=name, act=Act.START)

    def _pulse(self, look: Look, now: float) -> Iterator[Notice]:
        if self._beat_at is None or look.beat != self._beat or look.answers:
            silent_for = now - (self._beat_at if self._beat_at is not None else now)
            self._beat, self._beat_at = look.beat, now
            if self._silence_told:
                self._silence_told = False
                yield Notice(text=f"bot responds again, after {silent_for:.0f} s.")
            return
        silent_for = now - self._beat_at
        if silent_for < self._limit or self._silence_told or not self._is_up:
            return
        self._silence_told = True
        if self._may_restart:
            then, act = "The watchdog kills it, and supervisord starts it again.", Act.KILL
        else:
            then = f"It is left alone; to restart it: {CTL} signal KILL bot."
            act = Act.NOTHING
        yield Notice(
            text=f"bot is UNRESPONSIVE: no sign of life for {silent_for:.0f} s. {then} "
            "Stops on the venue stay where they are, but nobody looks after the trades.",
            is_critical=True,
            program=BOT,
            act=act,
        )

    def _health(self, look: Look, now: float) -> Iterator[Notice]:
        """Without a verdict nothing begins and nothing ends: the pulse says what silence means."""
        if look.answers:
            if self._trouble_told:
                yield Notice(text="bot is healthy again.")
            self._trouble_since, self._trouble_told = None, False
        if look.answers or not look.trouble:
            return
        if self._trouble_since is None:
            self._trouble_since = now
        if now - self._trouble_since >= self._limit and not self._trouble_told:
            self._trouble_told = True
            yield Notice(
                text=f"bot is UNHEALTHY for {now - self._trouble_since:.0f} s: {look.trouble}.",
                is_critical=True,
            )

    @property
    def _is_up(self) -> bool:
        """Whether supervisord believes that the bot runs: the silence of others is no news."""
        bot = self._programs.get(BOT)
        return bot is None or bot.is_up

    def _forget_pulse(self, now: float) -> None:
        """Another process: its silence counts from now."""
        self._beat_at, self._silence_told = now, False
        self._trouble_since, self._trouble_told = None, False


def _why(change: Change) -> str:
    code = change.exit_code
    if code is None:
        return (
            "unexpectedly, with a code supervisord did not tell; the last `stopped` line of "
            f"logs/{change.program}.log has it, if there is one"
        )
    meaning = MEANINGS.get(code, "an error")
    return meaning if code < 0 else f"exit code {code}, {meaning}"


def _remedy(change: Change) -> str:
    """What a person does about an end that repeating would not cure."""
    name = change.program
    if change.exit_code == 78:
        return f"correct .env ({PYTHON} names every mistake), then {CTL} start {name}."
    if change.exit_code == 77:
        return f"check the API key, then {CTL} start {name}."
    if change.exit_code == 76:
        return f"{PYTHON} preflight, then {CTL} start {name}."
    if change.exit_code == 75:
        return f"end the other instance first, then {CTL} start {name}."
    return f"see logs/{name}.out, then {CTL} start {name}."


def _positions(change: Change) -> str:
    return "Stops stay on the venue." if change.program == BOT else ""
