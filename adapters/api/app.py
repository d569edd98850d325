"""The routes: one per command of the table, and health, metrics and events.

Reading commands are GET with query parameters, acting ones POST with a JSON body; both take the
arguments of the table by name. The Desk blocks, so it is asked from worker threads: few for
reading, others for acting, and others again for what reduces risk, so that nothing holds up a kill.
"""

import inspect
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Annotated, Any

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Body, Depends, FastAPI, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from pydantic import BaseModel
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from actors.messages.desk import CommandReply
from actors.ports import Clock, Desk, DeskSilent
from adapters.api.arguments import arguments_model
from adapters.api.guard import BodyTooLarge
from adapters.api.hub import EventHub
from adapters.api.metrics import Metrics
from adapters.api.replies import (
    HealthModel,
    ProblemModel,
    ReasonModel,
    Redact,
    ReplyModel,
    TokenModel,
    model_of,
    status_code,
)
from adapters.api.stream import MOST_LISTENERS, EventStream
from domain.commands import COMMANDS, CommandSpec, Door, Effect
from domain.health import verdict

TITLE = "Bulwark"
READERS, ACTORS, URGENT, WATCHERS = 3, 4, 4, 2
"""Worker threads: for reading, for acting, for what reduces risk, for health and metrics."""
HEALTH_KEPT_SECONDS = 0.5
_DOORS = {"api": Door.API, "cli": Door.CLI, "dashboard": Door.DASHBOARD}
_WHO = re.compile(r"[A-Za-z0-9._@-]{1,32}")
_KEY = r"^[!-~]([ -~]{0,126}[!-~])?$"
_KEY_HELP = (
    "Given twice under one key within ten minutes, a command is carried out once and answered "
    "the same; another command, or other arguments, are refused (409 key_reused). kill, pause and "
    "close are carried out each time, whatever the key was used for: repeating them is harmless. "
    "A key has 1 to 128 printable ASCII characters and no blank at its ends; another is refused "
    "(422), but by kill, pause and close passed over."
)
_Door = Annotated[str, Header(description="api, cli or dashboard")]
_Who = Annotated[str, Header(description="who asks, for the audit")]


class Caller(BaseModel):
    """Who calls, as the holder of the token says."""

    door: Door
    who: str
    request_id: str


PROBLEMS: dict[int | str, dict[str, Any]] = {
    code: {"model": ProblemModel, "description": text}
    for code, text in (
        (400, "The request cannot be read."),
        (401, "No token, or a wrong one."),
        (413, "The body is too large."),
        (421, "The Host header names another machine."),
        (429, "Too many requests."),
        (504, "The Desk did not answer in time."),
    )
}
REFUSALS: dict[int | str, dict[str, Any]] = {
    code: {"model": model, "description": text}
    for code, model, text in (
        (202, ReplyModel, "Accepted; how it goes on comes as `command_reported` on /events."),
        (403, ReplyModel, "This door may not."),
        (404, ReplyModel, "There is no such trade."),
        (409, ReplyModel, "Refused as things stand; `reason` says why."),
        (422, ReplyModel | ProblemModel, "The arguments are not understood."),
        (500, ReplyModel, "A mistake of the daemon; its log says more."),
        (503, ReplyModel, "A part of the daemon does not answer."),
    )
}


def caller(
    x_bulwark_door: _Door = "api",
    x_bulwark_who: _Who = "operator",
    idempotency_key: Annotated[str, Header(description=_KEY_HELP, pattern=_KEY)] = "",
) -> Caller:
    """What the headers say, for the audit; anything odd is the plain operator at the API.

    Not so an odd key: whoever gives one relies on it.
    """
    who = x_bulwark_who if _WHO.fullmatch(x_bulwark_who) else "operator"
    door = _DOORS.get(x_bulwark_door, Door.API)
    return Caller(door=door, who=who, request_id=idempotency_key)


def urgent_caller(
    x_bulwark_door: _Door = "api",
    x_bulwark_who: _Who = "operator",
    idempotency_key: Annotated[str, Header(description=_KEY_HELP)] = "",
) -> Caller:
    """The same for what reduces risk: an odd key holds up no kill."""
    key = idempotency_key if re.fullmatch(_KEY, idempotency_key) else ""
    return caller(x_bulwark_door, x_bulwark_who, key)


class Api:
    """The application's state: the Desk, its workers, the verdict of a moment ago."""

    def __init__(
        self, desk: Desk, hub: EventHub, metrics: Metrics, clock: Clock, redact: Redact
    ) -> None:
        self.desk = desk
        self.hub = hub
        self.metrics = metrics
        self.clock = clock
        self.redact = redact
        self.reading = CapacityLimiter(READERS)
        self.acting = CapacityLimiter(ACTORS)
        self.urgent = CapacityLimiter(URGENT)
        self.watching = CapacityLimiter(WATCHERS)
        self._judged: tuple[float, HealthModel] | None = None

    async def give(self, spec: CommandSpec, who: Caller, given: Mapping[str, str]) -> Response:
        """Gives a command in a worker thread."""
        since = self.hub.last_id

        def run() -> CommandReply:
            return self.desk.run(
                who.door, who.who, spec.name, arguments=given, request_id=who.request_id
            )

        return await self.answer(run, self._limiter(spec), since)

    def _limiter(self, spec: CommandSpec) -> CapacityLimiter:
        if spec.is_urgent:
            return self.urgent
        return self.reading if spec.effect is Effect.READS else self.acting

    async def answer(
        self, run: Callable[[], CommandReply], limiter: CapacityLimiter, since: str
    ) -> Response:
        """The reply as JSON, its status by what became of the command."""
        try:
            reply = await to_thread.run_sync(run, limiter=limiter)
        except DeskSilent as error:
            return problem(504, "desk_silent", f"{error}. Look before you give it again.")
        body = model_of(reply, self.redact).model_dump_json()
        return Response(
            body,
            status_code(reply),
            {"x-last-event-id": since},
            media_type="application/json",
        )

    async def health(self) -> HealthModel:
        """The verdict, at most half a second old: it is open to everybody on this machine."""
        now = self.clock.monotonic()
        if self._judged is not None and now - self._judged[0] < HEALTH_KEPT_SECONDS:
            return self._judged[1]
        model = await to_thread.run_sync(self._judge, limiter=self.watching)
        self._judged = (now, model)
        return model

    def _judge(self) -> HealthModel:
        try:
            findings = verdict(self.desk.vitals().vitals).findings
        except DeskSilent as error:
            reason = ReasonModel(code="desk_silent", text=str(error), is_fault=True)
            return HealthModel(is_well=False, reasons=[reason])
        reasons = [
            ReasonModel(code=x.code, text=self.redact(x.text), is_fault=x.is_fault)
            for x in findings
        ]
        return HealthModel(is_well=not any(x.is_fault for x in findings), reasons=reasons)


def problem(code: int, reason: str, text: str) -> JSONResponse:
    return JSONResponse({"reason": reason, "lines": [text]}, code)


def application(api: Api, version: str) -> FastAPI:
    """The whole application."""
    app = FastAPI(
        title=TITLE,
        version=version,
        description="Commands, health, metrics and events of one Bulwark daemon.",
        docs_url=None,
        redoc_url=None,
    )
    bearer = HTTPBearer(auto_error=False, description="API_TOKEN, or data/<env>/api.token")
    router = APIRouter(dependencies=[Depends(bearer)], responses=PROBLEMS)
    for spec in COMMANDS:
        _add_command(router, api, spec)
    _add_confirmations(router, api)
    _add_streams(router, api)
    app.include_router(router)
    _add_health(app, api)
    app.add_middleware(JsonOnly)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(BodyTooLarge, _too_large)
    app.add_exception_handler(HTTPException, _not_there)
    return app


class JsonOnly:
    """Every body here is JSON, whatever it is called: by `curl -d` a form, by others nothing.

    The name keeps pages out of an API without a token; here it would only keep out a kill.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            MutableHeaders(scope=scope)["content-type"] = "application/json"
        await self._app(scope, receive, send)


async def _invalid(_: Request, error: Exception) -> Response:
    """What is wrong with a request, without repeating what was sent."""
    lines = ["The request is not understood."]
    if isinstance(error, RequestValidationError):
        lines = [f"{'.'.join(str(y) for y in x['loc'])}: {x['msg']}" for x in error.errors()]
    return JSONResponse({"reason": "bad_arguments", "lines": [x[:200] for x in lines[:10]]}, 422)


async def _not_there(_: Request, error: Exception) -> Response:
    """No such path, or not with this method."""
    code = error.status_code if isinstance(error, HTTPException) else 500
    detail = error.detail if isinstance(error, HTTPException) else "Failed."
    answer = problem(code, detail.lower().replace(" ", "_")[:64], f"{detail}.")
    answer.headers.update(getattr(error, "headers", None) or {})
    return answer


async def _too_large(_: Request, __: Exception) -> Response:
    return problem(413, "body_too_large", "The body is too large.")


# -- commands --------------------------------------------------------------------------------------


def _add_command(router: APIRouter, api: Api, spec: CommandSpec) -> None:
    model = arguments_model(spec)
    is_reading = spec.effect is Effect.READS
    asks = urgent_caller if spec.is_urgent else caller
    source = Query() if is_reading else Body(default_factory=model) if not _needs(spec) else Body()

    async def endpoint(given: BaseModel, who: Caller) -> Response:
        named = {key: str(x) for key, x in given.model_dump(exclude_none=True).items()}
        return await api.give(spec, who, named)

    endpoint.__signature__ = inspect.Signature(  # pyright: ignore[reportFunctionMemberAccess] (FastAPI reads the parameters from here)
        [
            _parameter("given", Annotated[model, source]),
            _parameter("who", Annotated[Caller, Depends(asks)]),
        ]
    )
    confirmed = " Asks for confirmation first." if spec.is_confirmed else ""
    router.add_api_route(
        f"/v1/{spec.name}",
        endpoint,
        methods=["GET" if is_reading else "POST"],
        dependencies=[Depends(said_once if is_reading else written_once)],
        name=spec.name,
        summary=spec.help,
        description=f"{spec.help} It {spec.effect}.{confirmed}",
        response_model=ReplyModel,
        responses=REFUSALS,
    )


def said_once(request: Request) -> None:
    """Of an argument given twice nobody knows which is meant; the framework takes the last.

    Raises:
        RequestValidationError: one is.
    """
    _refuse_repeats("query", request.query_params.multi_items())


async def written_once(request: Request) -> None:
    """The same for a body, of whose repeated names JSON's readers take the last as well."""
    with suppress(json.JSONDecodeError, UnicodeDecodeError):  # which is refused without this
        body = await request.body()
        json.loads(body, object_pairs_hook=lambda pairs: _refuse_repeats("body", pairs))


def _refuse_repeats(place: str, pairs: Iterable[tuple[str, Any]]) -> None:
    counted = Counter(name for name, _ in pairs)
    twice = [name for name, number in counted.items() if number > 1]
    if twice:
        raise RequestValidationError(
            [{"loc": (place, name), "msg": "given more than once"} for name in twice]
        )


def _needs(spec: CommandSpec) -> bool:
    return any(argument.is_required for argument in spec.arguments)


def _parameter(name: str, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation)


def _add_confirmations(router: APIRouter, api: Api) -> None:
    def add(name: str, text: str, act: Callable[..., CommandReply]) -> None:
        async def endpoint(given: TokenModel, who: Annotated[Caller, Depends(caller)]) -> Response:
            def run() -> CommandReply:
                return act(who.door, who.who, given.token, request_id=who.request_id)

            return await api.answer(run, api.acting, api.hub.last_id)

        router.add_api_route(
            f"/v1/{name}",
            endpoint,
            methods=["POST"],
            name=name,
            summary=text,
            response_model=ReplyModel,
            responses=REFUSALS,
        )

    add("confirm", "Does what a reply asked to have confirmed, once.", api.desk.confirm)
    add("dismiss", "Makes a confirmation void.", api.desk.dismiss)


# -- health, metrics, events -----------------------------------------------------------------------


def _add_health(app: FastAPI, api: Api) -> None:
    async def healthz() -> Response:
        health = await api.health()
        return JSONResponse(health.model_dump(), 200 if health.is_well else 503)

    app.add_api_route(
        "/healthz",
        healthz,
        summary="Whether all is well, with reasons. Needs no token.",
        response_model=HealthModel,
        responses={
            503: {"model": HealthModel, "description": "It is not."},
            **{code: PROBLEMS[code] for code in (421, 429)},
        },
    )


def _add_streams(router: APIRouter, api: Api) -> None:
    async def metrics() -> Response:
        text = await to_thread.run_sync(api.metrics.text, limiter=api.watching)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def stream(
        last_event_id: Annotated[str, Header(description="go on after this event")] = "",
    ) -> Response:
        if api.hub.listeners >= MOST_LISTENERS:
            return problem(429, "too_many_listeners", f"At most {MOST_LISTENERS} may listen.")
        return EventStream(api.hub, last_event_id, api.redact)

    router.add_api_route(
        "/metrics",
        metrics,
        summary="Prometheus metrics.",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}, "description": "Exposition format."}},
    )
    router.add_api_route(
        "/events",
        stream,
        summary="Every event as it happens (server-sent); resumes after Last-Event-ID.",
        response_class=Response,
        responses={200: {"content": {"text/event-stream": {}}, "description": "The stream."}},
    )
