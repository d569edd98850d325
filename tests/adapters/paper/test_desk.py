"""Requests, frames, heartbeats and saves around the engine, on a clock that is told the time."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from adapters.paper.desk import Desk
from adapters.paper.errors import AccountNotSaved
from adapters.paper.exchange import Exchange
from adapters.paper.feed import Tick
from adapters.paper.rpc import HttpProof, Request
from adapters.paper.store import LOG, AccountStore, read
from tests.adapters.paper.harness import BALANCES, INVERSE, NOON
from tests.adapters.paper.serving import fill_up

LOG_IN = {"grant_type": "client_credentials", "client_id": "paper", "client_secret": "paper"}


class Ear:
    """A connection that remembers what it was sent."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.closed: tuple[int, str] | None = None

    def send(self, frame: bytes) -> None:
        self.heard.append(json.loads(frame))

    def hang_up(self, code: int, reason: str) -> None:
        self.closed = code, reason

    def drop(self) -> None:
        self.closed = 1006, ""


class Room:
    """A desk, one connection, and the time."""

    def __init__(self, folder: Path) -> None:
        self.now_us = NOON * 1000
        self.set_by_us = 0
        self.store = AccountStore(folder)
        exchange = Exchange(seed=1, balances=BALANCES, now_ms=NOON)
        self.desk = Desk(
            exchange,
            self.store,
            lambda: self.now_us + self.set_by_us,
            steady_ms=lambda: self.now_us // 1000,
        )
        self.ear = Ear()
        self.session = self.desk.connect(self.ear)

    def say(self, method: str, **params: Any) -> Any:
        """A frame in, the reply out."""
        before = len(self.ear.heard)
        body = {"jsonrpc": "2.0", "id": before, "method": method, "params": params}
        self.desk.frame(self.session, json.dumps(body))
        replies = [frame for frame in self.ear.heard[before:] if frame.get("id") == before]
        return replies[0] if replies else None

    def tick(self, seconds: float) -> None:
        """Time passes."""
        self.now_us += int(seconds * 1_000_000)
        self.desk.tick(Tick(0, {}))


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    made = Room(tmp_path)
    yield made
    made.store.close()


def test_a_reply_carries_the_clock(room: Room) -> None:
    """Microseconds in and out, their difference, and that this is not the real venue."""
    reply = room.say("public/get_time")
    assert reply["result"] == NOON
    assert (reply["usIn"], reply["usOut"], reply["usDiff"]) == (NOON * 1000, NOON * 1000, 0)
    assert reply["testnet"] is True


def test_frames_may_come_before_or_after_the_reply(room: Room) -> None:
    """A client must not rely on the order: over a few requests both happen."""
    room.say("public/auth", **LOG_IN)
    room.say("private/subscribe", channels=["user.orders.any.any.raw"], label="mine")
    orders: set[tuple[str, ...]] = set()
    for _ in range(2):
        before = len(room.ear.heard)
        room.say("private/buy", instrument_name=INVERSE, amount=10, price=99_000)
        kinds = ["reply" if "id" in frame else "frame" for frame in room.ear.heard[before:]]
        orders.add(tuple(kinds))
    assert orders == {("reply", "frame"), ("frame", "reply")}
    assert room.ear.heard[-1].get("params", {}).get("label", "mine") == "mine"


def test_an_order_is_on_disk_before_its_reply(room: Room, tmp_path: Path) -> None:
    """When the client hears of it, a kill -9 of the exchange cannot undo it."""
    room.say("public/auth", **LOG_IN)
    seen: list[bool] = []
    hear = room.ear.send

    def send(frame: bytes) -> None:
        kept = read(tmp_path)
        seen.append(kept is not None and any(each["label"] == "a" for each in kept["live"]))
        hear(frame)

    room.ear.send = send  # type: ignore[method-assign]
    room.say("private/buy", instrument_name=INVERSE, amount=10, price=99_000, label="a")
    assert seen == [True]


def test_on_a_full_disk_nobody_is_answered_and_afterwards_all_is_found(
    room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was done is neither told nor taken back: the client has to look it up."""
    room.say("public/auth", **LOG_IN)
    fill_up(monkeypatch)
    order = {"instrument_name": INVERSE, "amount": 10, "price": 99_000, "label": "a"}
    heard = len(room.ear.heard)
    with pytest.raises(AccountNotSaved):
        room.say("private/buy", **order)
    assert len(room.ear.heard) == heard
    assert room.ear.closed == (1006, "")
    assert room.desk.refuses() == 503
    kept = read(tmp_path)
    assert kept is not None
    assert kept["live"] == []
    monkeypatch.undo()
    room.tick(1)
    assert room.desk.refuses() is None
    saved = read(tmp_path)
    assert saved is not None
    assert [each["label"] for each in saved["live"]] == ["a"]
    room.tick(6)  # entries go on behind the new beginning
    assert read(tmp_path) is not None


def test_prices_are_saved_now_and_then(room: Room, tmp_path: Path) -> None:
    """Without any order the file still follows the market every few seconds."""
    room.tick(0.2)
    first = (tmp_path / LOG).read_bytes()
    room.tick(1)
    assert (tmp_path / LOG).read_bytes() == first
    room.tick(5)
    assert (tmp_path / LOG).read_bytes() != first


def test_a_connected_client_is_never_idle(room: Room) -> None:
    """Idleness counts from the last client that left."""
    room.tick(60)
    assert room.desk.idle_seconds() == 0
    room.desk.disconnect(room.session)
    room.tick(5)
    assert room.desk.idle_seconds() == 5


def test_a_heartbeat_is_asked_and_answered(room: Room) -> None:
    """After the interval comes a test_request; public/test keeps the connection."""
    room.say("public/set_heartbeat", interval=10)
    room.tick(9)
    assert room.ear.heard[-1].get("method") is None
    room.tick(1)
    assert room.ear.heard[-1]["params"] == {"type": "test_request"}
    room.say("public/test")
    room.tick(9)
    assert room.ear.closed is None
    room.tick(1)
    assert room.ear.heard[-1]["params"] == {"type": "test_request"}


def test_an_unanswered_heartbeat_closes_after_ten_seconds(room: Room) -> None:
    """Close code 4000, and other calls do not count as an answer."""
    room.say("public/set_heartbeat", interval=10)
    room.tick(10)
    room.say("public/get_time")
    room.tick(9.9)
    assert room.ear.closed is None
    room.tick(0.1)
    assert room.ear.closed == (4000, "heartbeat close")


def test_a_quiet_connection_hears_a_heartbeat_beside_the_test(room: Room) -> None:
    """One that was sent something in between gets the test request alone."""

    def beats() -> list[str]:
        return [each["params"]["type"] for each in room.ear.heard if "id" not in each]

    room.say("public/set_heartbeat", interval=10)
    room.tick(10)
    assert beats() == ["test_request"]
    room.say("public/test")
    room.tick(10)
    room.ear.heard.clear()
    room.desk.frame(room.session, json.dumps({"method": "public/test"}))
    room.session.is_quiet = True
    room.tick(10)
    assert [each["params"]["type"] for each in room.ear.heard[1:]] == ["heartbeat", "test_request"]


def test_a_socket_that_never_said_a_word_is_dropped(room: Room) -> None:
    """After a minute, without a closing handshake; one word keeps it."""
    mute = Ear()
    room.desk.connect(mute)
    room.say("public/test")
    room.tick(60.4)
    assert mute.closed is None
    room.tick(0.1)
    assert (mute.closed, room.ear.closed) == ((1006, ""), None)


def test_silence_counts_as_a_lost_connection_for_who_asked_for_cancels(room: Room) -> None:
    """Ten minutes without a frame."""
    room.say("public/auth", **LOG_IN)
    room.say("private/enable_cancel_on_disconnect")
    room.tick(599)
    assert room.ear.closed is None
    room.tick(1)
    assert room.ear.closed == (1006, "")


def test_there_is_room_for_thirty_two_connections(room: Room) -> None:
    """As many as the venue lets one address have."""
    for _ in range(31):
        assert room.desk.refuses() is None
        session = room.desk.connect(Ear())
    assert room.desk.refuses() == 429
    room.desk.disconnect(session)
    assert room.desk.refuses() is None


def test_a_clock_that_was_set_back_is_told_once(room: Room) -> None:
    """The exchange's time waits for it; set back again later it is told again."""
    with capture_logs() as logged:
        room.tick(1)
        for seconds in (3_600, 0, -3_600):
            room.set_by_us = seconds * 1_000_000
            for _ in range(3):
                room.tick(0.1)
        room.tick(7_200)
        room.set_by_us -= 5_000_000
        room.tick(0.1)
    told = [x for x in logged if x["event"] == "paper_clock_behind"]
    assert [(x["log_level"], x["seconds"]) for x in told] == [("warning", 3599.9), ("warning", 4.9)]


def test_a_clock_that_is_behind_the_kept_account_is_told_at_the_start(tmp_path: Path) -> None:
    """A restart does not help: it is the account's time that never runs back."""
    exchange, store = Exchange(seed=1, balances=BALANCES, now_ms=NOON), AccountStore(tmp_path)
    desk = Desk(exchange, store, lambda: (NOON - 60_000) * 1000, kept_ms=NOON)
    with capture_logs() as logged:
        desk.tick(Tick(0, {}))
    store.close()
    assert [x["seconds"] for x in logged if x["event"] == "paper_clock_behind"] == [60]


def test_a_clock_that_was_set_back_holds_up_no_save(
    room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the prices of every five seconds, nor the next try on a disk that was full."""
    room.tick(10)
    room.set_by_us = -3_600_000_000
    with monkeypatch.context() as full:
        fill_up(full)
        with pytest.raises(AccountNotSaved):
            room.tick(5)
    assert room.desk.refuses() == 503
    room.tick(1)
    room.tick(5)
    assert room.desk.refuses() is None


def test_what_comes_in_together_is_saved_together(tmp_path: Path) -> None:
    """Nobody hears of an order before the one save for all of them; then all do."""
    due: list[Any] = []
    exchange, store = Exchange(seed=1, balances=BALANCES, now_ms=NOON), AccountStore(tmp_path)
    desk, ear = Desk(exchange, store, lambda: NOON * 1000, due.append), Ear()
    session = desk.connect(ear)
    desk.frame(session, json.dumps({"id": 0, "method": "public/auth", "params": LOG_IN}))
    due.pop()()
    order = {"instrument_name": INVERSE, "amount": 10, "price": 99_000}
    for count in range(3):
        desk.frame(session, json.dumps({"id": count, "method": "private/buy", "params": order}))
    told: list[bool] = []
    desk.when_saved(told.append)
    assert (len(ear.heard), len(due), told) == (1, 1, [])
    due.pop()()
    assert [frame["id"] for frame in ear.heard] == [0, 0, 1, 2]
    assert told == [True]
    kept = read(tmp_path)
    assert kept is not None
    assert len(kept["live"]) == 3
    store.close()


def test_a_dropped_connection_cancels_if_it_asked_for_it(room: Room) -> None:
    """The others hear of the cancel; dropping twice is nothing."""
    other = Ear()
    listening = room.desk.connect(other)
    for session in (room.session, listening):
        room.desk.frame(session, json.dumps({"method": "public/auth", "params": LOG_IN}))
    subscribe = {"method": "private/subscribe", "params": {"channels": ["user.orders.any.any.raw"]}}
    room.desk.frame(listening, json.dumps(subscribe))
    room.say("private/enable_cancel_on_disconnect")
    room.say("private/buy", instrument_name=INVERSE, amount=10, price=99_000)
    room.desk.disconnect(room.session)
    room.desk.disconnect(room.session)
    assert other.heard[-1]["params"]["data"]["cancel_reason"] == "cancel_on_disconnect"


def test_log_out_hangs_up_without_a_reply(room: Room) -> None:
    """The connection closes normally."""
    room.say("public/auth", **LOG_IN)
    assert room.say("private/logout") is None
    assert room.ear.closed == (1000, "logout")


def test_too_many_requests_end_the_session(room: Room) -> None:
    """The refusal is sent, then the venue hangs up."""
    room.say("public/auth", **LOG_IN)
    replies = [room.say("private/cancel", order_id="1") for _ in range(21)]
    assert replies[-1]["error"] == {"code": 10028, "message": "too_many_requests"}
    assert room.ear.closed == (1008, "too_many_requests")
    assert room.say("public/get_time") is None


def test_over_http_too_many_requests_kill_the_token(room: Room) -> None:
    """The bearer has to log in again."""
    _, body = room.desk.http(Request("public/auth", LOG_IN, None), None)
    token = json.loads(body)["result"]["access_token"]
    proof = HttpProof(header=f"Bearer {token}", verb="GET", uri="/", body="")
    codes: list[int] = []
    for _ in range(22):
        status, body = room.desk.http(Request("private/cancel", {"order_id": "1"}, 1), proof)
        assert status == 400
        codes.append(json.loads(body)["error"]["code"])
    assert codes == [10004] * 20 + [10028, 13009]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("no json", 11050),
        ("[]", 11050),
        ('{"id": 1}', 11050),
        ('{"method": "public/test", "params": [1]}', 11050),
        ('{"method": "' + "x" * 40_000 + '"}', -32600),
        ('{"method": "public/nonsense"}', -32601),
    ],
)
def test_nonsense_is_answered_and_the_connection_stays(room: Room, text: str, code: int) -> None:
    """Every bad frame gets an error in the venue's form."""
    room.desk.frame(room.session, text)
    assert room.ear.heard[-1]["error"]["code"] == code
    assert room.ear.closed is None


def test_a_method_may_begin_with_a_slash(room: Room) -> None:
    """One client writes it so."""
    assert room.say("/public/get_time")["result"] == NOON
    assert room.say("//public/get_time")["error"]["code"] == -32601
