"""The control endpoint: faults come and go while the exchange runs, and only its owner may."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.adapters.paper.serving import Running, running

GAP = {"kind": "reply_lost", "methods": "private/buy", "probability": 0.5}


class Remote:
    """A program on this machine that drives the endpoint."""

    def __init__(self, server: Running) -> None:
        self.url = f"http://127.0.0.1:{server.port}/control/faults"
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.auth = ("paper", "paper")

    def call(self, verb: str, name: str = "", **how: Any) -> tuple[int, Any]:
        reply = self.session.request(verb, self.url + name, timeout=10, **how)
        return reply.status_code, reply.json()


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[Remote]:
    with running(tmp_path) as server:
        made = Remote(server)
        yield made
        made.session.close()


def test_faults_are_added_listed_and_ended(remote: Remote) -> None:
    """One fault or a plan, in the schema of a plan file."""
    assert remote.call("GET") == (200, {"fault": []})
    assert remote.call("POST", json=GAP) == (200, {"added": ["reply_lost-1"]})
    plan = {"seed": 3, "fault": [{"kind": "maintenance", "name": "down"}, {"kind": "disconnect"}]}
    assert remote.call("POST", json=plan) == (200, {"added": ["down", "disconnect-1"]})
    _, listed = remote.call("GET")
    assert [(x["name"], x["kind"]) for x in listed["fault"]] == [
        ("reply_lost-1", "reply_lost"),
        ("down", "maintenance"),
        ("disconnect-1", "disconnect"),
    ]
    assert listed["fault"][0]["probability"] == 0.5
    assert listed["fault"][0]["struck"] == 0
    assert remote.call("DELETE", "/down") == (200, {"ended": ["down"]})
    assert remote.call("DELETE") == (200, {"ended": ["reply_lost-1", "disconnect-1"]})
    assert remote.call("GET") == (200, {"fault": []})


def test_what_strikes_is_counted(remote: Remote) -> None:
    """And a fault of the venue does not strike the endpoint."""
    remote.call("POST", json={"kind": "http_error"})
    page = remote.session.get(remote.url.replace("/control/faults", "/api/v2/public/test"))
    assert page.status_code == 502
    assert remote.call("GET")[1]["fault"][0]["struck"] == 1


def test_every_mistake_is_answered_in_words(remote: Remote) -> None:
    """Nothing is added then."""
    wrong = {"fault": [{**GAP, "probability": 2}, {"kind": "nope"}]}
    status, told = remote.call("POST", json=wrong)
    assert status == 400
    assert [x.partition(":")[0] for x in told["mistakes"]] == [
        "fault 1 (reply_lost), probability",
        "fault 2",
    ]
    assert remote.call("POST", data="[1]")[0] == 400
    assert remote.call("POST", data=b"\xff")[0] == 400
    assert remote.call("POST", data="x" * 40_000)[0] == 413
    assert remote.call("DELETE", "/nobody")[0] == 404
    assert remote.call("GET")[1] == {"fault": []}


def test_a_name_in_force_is_not_taken_twice(remote: Remote) -> None:
    """409; without a name, the next one free is given."""
    named = {**GAP, "name": "mine"}
    assert remote.call("POST", json=named)[0] == 200
    assert remote.call("POST", json=named)[0] == 409


def test_only_the_owner_may(remote: Remote) -> None:
    """The exchange's own log-in, as Basic or as a token; nothing else."""
    remote.session.auth = ("paper", "wrong")
    assert remote.call("POST", json=GAP)[0] == 401
    remote.session.auth = None
    assert remote.call("GET")[0] == 401
    assert remote.call("GET", headers={"Authorization": "Bearer nothing"})[0] == 401
    login = {"grant_type": "client_credentials", "client_id": "paper", "client_secret": "paper"}
    url = remote.url.replace("/control/faults", "/api/v2/public/auth")
    token = remote.session.get(url, params=login, timeout=10).json()["result"]["access_token"]
    assert remote.call("GET", headers={"Authorization": f"Bearer {token}"})[0] == 200


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://example.org"}, {"Origin": "null"}, {"Host": "rebound.example.org"}],
)
def test_web_pages_may_not_even_with_the_log_in(remote: Remote, headers: dict[str, str]) -> None:
    """Neither by acting across origins nor by a name that leads here."""
    for verb in ("GET", "POST", "DELETE"):
        assert remote.call(verb, headers=headers, json=GAP)[0] == 403
