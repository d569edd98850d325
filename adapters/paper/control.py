"""The control endpoint of the exchange: faults put in force, listed and ended while it runs.

``GET /control/faults`` lists, ``POST`` adds (one fault or a plan, in the schema of a plan file),
``DELETE`` ends all, ``DELETE /control/faults/<name>`` one. Who calls must show the exchange's own
log-in and must be no web page: browsers say whose page they act for, and by which name they
reached this machine.
"""

import ipaddress
from collections.abc import Mapping
from typing import Any

import structlog
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route
from structlog.typing import FilteringBoundLogger

from adapters.paper import jsontext, rpc
from adapters.paper.desk import Desk
from adapters.paper.errors import VenueError
from adapters.paper.faults.reading import PlanInvalid, plain, plan_from
from adapters.paper.rpc import HttpProof

PATH = "/control/faults"
_log: FilteringBoundLogger = structlog.get_logger(actor="exchange")


class _Refused(Exception):
    """The answer is this status and these reasons."""

    def __init__(self, status: int, *reasons: str) -> None:
        super().__init__(status, reasons)
        self.status = status
        self.reasons = reasons


class Control:
    """The handlers of the endpoint, around one desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def handle(self, http: HttpRequest) -> Response:
        """One request."""
        try:
            body = await _body(http)
            self._check(http, body)
            answer = self._answer(http, body)
        except _Refused as error:
            return _json({"mistakes": error.reasons}, error.status)
        return _json(answer)

    def _check(self, http: HttpRequest, body: str) -> None:
        if "origin" in http.headers or not _is_loopback(http.url.hostname or ""):
            raise _Refused(403, "web pages may not do this")
        header = http.headers.get("authorization", "")
        path, query = http.url.path, http.url.query
        uri = f"{path}?{query}" if query else path
        proof = HttpProof(header=header, verb=http.method, uri=uri, body=body)
        try:
            self._desk.check_owner(proof)
        except VenueError as error:
            raise _Refused(401, f"the exchange's log-in is needed: {error.message}") from None

    def _answer(self, http: HttpRequest, body: str) -> Mapping[str, Any]:
        name = http.path_params.get("name")
        match http.method:
            case "POST":
                return {"added": self._add(body)}
            case "DELETE":
                return {"ended": self._end(name)}
            case _:
                return self._listed()

    def _listed(self) -> dict[str, Any]:
        faults = self._desk.weather.faults
        struck = faults.counts()
        rows = plain(faults.plan).get("fault", [])
        return {"fault": [{**row, "struck": struck[row["name"]]} for row in rows]}

    def _add(self, body: str) -> list[str]:
        try:
            given = jsontext.decode_object(body)
        except ValueError as error:
            raise _Refused(400, f"the body is no JSON object: {error}") from None
        tables = {"fault": [given]} if "kind" in given else given
        try:
            names = self._desk.add_faults(plan_from(tables, "the request"))
        except PlanInvalid as error:
            raise _Refused(400, *error.mistakes) from None
        except ValueError as error:
            raise _Refused(409, str(error)) from None
        _log.info("faults_added", faults=names)
        return list(names)

    def _end(self, name: str | None) -> list[str]:
        faults = self._desk.weather.faults
        names = faults.clear() if name is None else faults.remove([name])
        if name is not None and not names:
            raise _Refused(404, f"no fault called {name!r} is in force")
        _log.info("faults_ended", faults=names)
        return list(names)


def routes(desk: Desk) -> list[Route]:
    """The endpoint's routes."""
    control = Control(desk)
    return [
        Route(PATH, control.handle, methods=["GET", "POST", "DELETE"]),
        Route(PATH + "/{name:path}", control.handle, methods=["DELETE"]),
    ]


async def _body(http: HttpRequest) -> str:
    body = bytearray()
    async for chunk in http.stream():
        body += chunk
        if len(body) > rpc.LARGEST_BODY:
            raise _Refused(413, "more than 32 kB")
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise _Refused(400, "the body is not UTF-8") from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _json(value: Mapping[str, Any], status: int = 200) -> Response:
    headers = {"cache-control": "no-store"}
    return Response(jsontext.encode(value), status, media_type="application/json", headers=headers)
