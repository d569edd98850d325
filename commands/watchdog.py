"""`run.py watchdog`: an event listener of supervisord that tells a person when the bot is not well.

It shares nothing with the bot but the settings: it reads the bot's pulse and its health, hears
what supervisord does with its programs, and has its own way to Telegram. Its standard output
belongs to supervisord's protocol, so nothing else is ever printed there.
"""

import os
import sys
import xmlrpc.client
from collections.abc import Mapping
from typing import Any

import structlog
from supervisor import childutils  # pyright: ignore[reportMissingTypeStubs]

from actors.door import HOTLINE_SECONDS
from actors.kernel import ExitCode
from actors.ports import Clock
from adapters.clock import SystemClock
from adapters.storage.pulse import last_beat
from commands.common import ENV_FILE, fail, open_log, read_settings
from commands.health_probe import ask
from commands.watchdog_judge import BOT, UP, Act, Change, Judge, Look, Notice, ended_with
from commands.watchdog_phone import Account, Phone
from config.kinds import WatchdogAction
from config.logs import register_secret
from config.settings import Settings, SettingsInvalid, load

STATE = "PROCESS_STATE_"
HEALTH_TIMEOUT = HOTLINE_SECONDS + 1.0
"""For the verdict that the Desk is silent, too; less than the 5 s from one tick to the next."""
LOG_BYTES = 64 * 1024
"""So much of the end of supervisord's log is read: some hundred starts and ends."""
_childutils: Any = childutils
_log: Any = structlog.get_logger(actor="watchdog")


def run_watchdog() -> None:
    """Until supervisord is gone."""
    if "SUPERVISOR_SERVER_URL" not in os.environ:
        fail("The watchdog is started by supervisord: see docs/operating.md.", ExitCode.FAILED)
    settings = read_settings()
    with open_log(settings, "watchdog.log"):
        _log.info("watchdog_started", pid=os.getpid(), limit_s=settings.watchdog_limit_seconds)
        Watchdog(settings, SystemClock()).run()


class Watchdog:
    """Supervisord's events in, notices out."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._clock = clock
        self._phone: Phone | None = None
        self._judge = Judge(limit=settings.watchdog_limit_seconds, may_restart=False)
        self._follow(settings)
        self._supervisord: Any = _childutils.getRPCInterface(os.environ)

    def run(self) -> None:
        """Until supervisord is gone."""
        for program, state in self._table().items():
            self._judge.assume(program, is_up=state in UP)
        while (event := _next_event()) is not None:
            name, fields = event
            try:
                self._handle(name, fields)
            except Exception:  # noqa: BLE001 (whatever it is, the next event must be heard)
                _log.exception("watchdog_failed")
            _childutils.listener.ok(sys.stdout)

    def _handle(self, name: str, fields: Mapping[str, str]) -> None:
        now = self._clock.monotonic()
        if name.startswith(STATE):
            change = self._change(name.removeprefix(STATE), fields)
            if (change.program, change.state) == (BOT, "STARTING"):
                self._read_again()
            _log.info("supervisord_says", program=change.program, state=change.state)
            notices = list(self._judge.changed(change, now))
        else:
            notices = list(self._judge.looked(self._look(), now))
        for notice in notices:
            self._tell(notice)
        if self._phone is not None and (problem := self._phone.deliver(self._clock.monotonic())):
            _log.warning("watchdog_not_heard", error=problem, waiting=self._phone.waiting)

    def _read_again(self) -> None:
        """The bot that starts may have other settings; what is wrong with them it says itself."""
        try:
            settings = load(ENV_FILE, os.environ)
        except SettingsInvalid as error:
            names = [problem.key for problem in error.problems]
            _log.warning("watchdog_keeps_its_settings", invalid=names)
            return
        if settings != self._settings:
            for secret in settings.secrets():
                register_secret(secret)
            self._follow(settings)

    def _follow(self, settings: Settings) -> None:
        """Watches by these settings. What waits to be told is told by the newest way there is."""
        self._settings = settings
        self._judge.follow(
            limit=settings.watchdog_limit_seconds,
            may_restart=settings.watchdog_action is WatchdogAction.RESTART,
        )
        account = _account(settings)
        self._has_chat = account is not None
        if account is None:
            _log.warning("watchdog_has_no_telegram")
        elif self._phone is None:
            self._phone = Phone(account)
        else:
            self._phone.follow(account)

    def _change(self, state: str, fields: Mapping[str, str]) -> Change:
        program, pid = fields.get("processname", ""), int(fields.get("pid", "0"))
        return Change(
            program=program,
            state=state,
            before=fields.get("from_state", ""),
            pid=pid,
            tries=int(fields.get("tries", "0")),
            is_expected=fields.get("expected") == "1",
            exit_code=self._exit_code(program, pid) if state == "EXITED" else None,
        )

    def _table(self) -> dict[str, str]:
        """Each program's state now; empty where supervisord does not say."""
        try:
            rows: list[dict[str, Any]] = self._supervisord.supervisor.getAllProcessInfo()
        except (OSError, xmlrpc.client.Error):
            return {}
        return {str(row["name"]): str(row["statename"]) for row in rows}

    def _exit_code(self, program: str, pid: int) -> int | None:
        """By supervisord's log, whose line is written before we hear of the end."""
        try:
            log = str(self._supervisord.supervisor.readLog(-LOG_BYTES, 0))
        except (OSError, xmlrpc.client.Error):
            return None
        return ended_with(log, program, pid)

    def _look(self) -> Look:
        health = ask(self._settings, HEALTH_TIMEOUT)  # where it does not answer the pulse decides
        trouble = "" if health.is_well or not health.answers else health.faults or "no reason given"
        beat = last_beat(self._settings.data_folder / "pulse")
        return Look(beat=beat, answers=health.is_well, trouble=trouble)

    def _tell(self, notice: Notice) -> None:
        level = _log.critical if notice.is_critical else _log.warning
        level("watchdog_alert", text=notice.text)
        if self._phone is not None and self._has_chat:
            mark = "[!] " if notice.is_critical else ""
            self._phone.add(f"{mark}Watchdog [{self._settings.deribit_env}]: {notice.text}")
        self._act(notice)

    def _act(self, notice: Notice) -> None:
        order = self._supervisord.supervisor
        try:
            if notice.act is Act.KILL:
                order.signalProcess(notice.program, "KILL")
            elif notice.act is Act.START:
                order.startProcess(notice.program, False)
        except (OSError, xmlrpc.client.Error) as error:
            _log.error("watchdog_cannot_act", act=notice.act, error=str(error))


def _account(settings: Settings) -> Account | None:
    token, chat = settings.telegram_bot_token, settings.telegram_chat_id
    if token is None or chat is None:
        return None
    return Account(api_url=settings.telegram_api_url, token=token.get_secret_value(), chat_id=chat)


def _next_event() -> tuple[str, dict[str, str]] | None:
    """The next event's name and fields; None when supervisord has gone."""
    try:
        headers, payload = _childutils.listener.wait(sys.stdin, sys.stdout)
    except (KeyError, OSError):  # the end of the pipe
        return None
    return headers["eventname"], _childutils.get_headers(payload.partition("\n")[0])
