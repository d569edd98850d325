"""A Desk that remembers what it was asked, and the API over it on a real socket."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import requests

from actors.messages.desk import CommandReply, Confirmation, Refusal, Status, VitalsSnapshot
from actors.ports import DeskSilent
from adapters.api.hub import EventHub
from adapters.api.server import ApiServer
from adapters.clock import SystemClock
from domain.arguments import BadArguments
from domain.commands import Door, find, parse_named
from domain.content import Column, Content, Table
from domain.health import ActorVitals, Vitals

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
TOKEN = "a-token-for-tests-0123456789"
CANARY = "canary-secret-7f3a"

WELL = Vitals(
    up_seconds=100.0,
    actors=(ActorVitals(name="execution", waiting=0, busy_seconds=None, is_alive=True),),
    has_session=True,
    is_reconciled=True,
    protect_only="",
    disk_troubles=(),
    is_flattening=False,
    killed_by=None,
    paused_by=None,
    has_book=True,
    look_age_seconds=0.5,
    poll_seconds=2.0,
    uncovered=(),
    drifting=(),
    price_age_seconds=0.1,
    dead_letters=0,
)


@dataclass
class FakeDesk:
    """Answers by the table of commands; ``calls`` is what it was asked."""

    calls: list[tuple[Any, ...]] = field(default_factory=list[tuple[Any, ...]])
    vital: Vitals = WELL
    is_silent: bool = False
    lines: tuple[str, ...] = ("fine",)
    effect: str = "the exact effect"
    more_rows: tuple[tuple[str, int], ...] = ()
    gate: threading.Event | None = None
    """What is not urgent waits for it."""

    def run(
        self,
        door: Door,
        who: str,
        name: str,
        *,
        text: str = "",
        arguments: Mapping[str, str] | None = None,
        request_id: str = "",
    ) -> CommandReply:
        assert not text
        self.calls.append((door, who, name, dict(arguments or {}), request_id))
        if self.is_silent:
            raise DeskSilent("nobody at the desk")
        spec = find(name)
        assert spec is not None
        if self.gate is not None and not spec.is_urgent:
            self.gate.wait(20)
        try:
            parse_named(spec, arguments or {})
        except BadArguments as error:
            return self._reply(name, Status.REFUSED, Refusal.BAD_ARGUMENTS, (str(error),))
        if spec.is_confirmed:
            return self._reply(name, Status.NEEDS_CONFIRMATION)
        if spec.is_urgent:
            return self._reply(name, Status.ACCEPTED)
        return self._reply(name, Status.DONE)

    def confirm(self, door: Door, who: str, token: str, *, request_id: str = "") -> CommandReply:
        self.calls.append((door, who, "confirm", token, request_id))
        if token != "tok1":
            return self._reply("confirm", Status.REFUSED, Refusal.UNKNOWN_CONFIRMATION)
        return self._reply("open", Status.ACCEPTED)

    def dismiss(self, door: Door, who: str, token: str, *, request_id: str = "") -> CommandReply:
        self.calls.append((door, who, "dismiss", token, request_id))
        return self._reply("dismiss", Status.DONE)

    def vitals(self) -> VitalsSnapshot:
        if self.is_silent:
            raise DeskSilent("nobody at the desk")
        return VitalsSnapshot(
            at=NOON,
            vitals=self.vital,
            equity_usd=Decimal("1000.50"),
            result_usd=Decimal("-5.25"),
            loss_limit_usd=Decimal(20),
            max_open_trades=3,
            open_trades=1,
            positions=1,
            alerts_waiting=0,
            requests_left=17,
            reports_dropped=0,
        )

    def _reply(
        self, name: str, status: Status, reason: str = "", lines: tuple[str, ...] | None = None
    ) -> CommandReply:
        table = Table(
            key="rows",
            title="Rows",
            columns=(Column(key="price", title="price", digits=2), Column(key="n", title="n")),
            rows=((Decimal("1.10"), 3), (None, 0), *self.more_rows),
        )
        is_asking = status is Status.NEEDS_CONFIRMATION
        return CommandReply(
            at=NOON,
            request_id="r1",
            command=name,
            status=status,
            reason=str(reason),
            content=Content(lines=lines or self.lines, tables=(table,)),
            confirmation=Confirmation(
                token="tok1",
                effect=self.effect,
                expires_at=NOON + timedelta(seconds=60),
            )
            if is_asking
            else None,
        )


def hide(text: str) -> str:
    return text.replace(CANARY, "(hidden)")


class Running:
    """The API on a free port of this machine, until closed."""

    def __init__(self, desk: FakeDesk, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.desk = desk
        self.hub = EventHub(1)
        self.hub.has_begun.set()
        self.failures: list[str] = []
        self.address = ""
        self._is_up = threading.Event()
        self._server = ApiServer(
            host=host,
            port=port,
            token=TOKEN,
            version="1",
            desk=desk,
            hub=self.hub,
            clock=SystemClock(),
            redact=hide,
            said=self._said,
            failed=self._failed,
        )
        self._server.start()
        assert self._is_up.wait(20)

    def _said(self, address: str) -> None:
        self.address = address
        self._is_up.set()

    def _failed(self, why: str) -> None:
        self.failures.append(why)
        self._is_up.set()

    def get(self, path: str, **more: Any) -> requests.Response:
        return self._sent(requests.get, path, more)

    def post(self, path: str, **more: Any) -> requests.Response:
        return self._sent(requests.post, path, more)

    def _sent(
        self, send: Callable[..., requests.Response], path: str, more: dict[str, Any]
    ) -> requests.Response:
        headers = {"Authorization": f"Bearer {TOKEN}", **more.pop("headers", {})}
        return send(f"{self.address}{path}", headers=headers, timeout=20, **more)

    def close(self) -> None:
        self._server.close()
