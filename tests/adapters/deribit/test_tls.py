"""The websocket behind TLS, as the real venue has it."""

import ssl
import struct
import threading
import time
from pathlib import Path

import pytest

from adapters.clock import SystemClock
from adapters.deribit.frames import Frames
from adapters.deribit.websocket import WebSocketRpc
from tests.adapters.deribit.tls import Peer, certify, peer

TEXT = b'{"jsonrpc":"2.0","id":1,"result":"%s"}' % (b"x" * 8_000)
FRAME = struct.pack("!BBH", 0x81, 126, len(TEXT)) + TEXT
PATIENCE = 30.0
"""How long a write may take: much longer than the test waits for anything."""


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = certify(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made))
    return made


def test_half_a_record_holds_up_no_write(certificate: Path) -> None:
    """A packet of a large reply is lost: what protects leaves meanwhile, and the reply comes."""
    was_heard = threading.Event()

    def play(venue: Peer) -> None:
        record = venue.encrypted(FRAME)
        venue.put(record[: len(record) // 2])
        assert venue.read()  # the order
        was_heard.set()
        venue.put(record[len(record) // 2 :])
        venue.read()

    with peer(certificate, play) as url:
        frames = Frames(SystemClock(), tick_seconds=0.05)
        frames.open(url, connect_timeout=5, write_timeout=PATIENCE)
        began = time.monotonic()
        assert frames.receive(1.0) is None
        assert time.monotonic() - began < PATIENCE / 2
        frames.send_whole(b"an order")
        assert was_heard.wait(10)
        assert frames.receive(10.0) == TEXT
        frames.send_whole(b"done")
        frames.shutdown()


def test_a_reply_in_two_packets_is_waited_for(certificate: Path) -> None:
    """The caller that reads for itself does not take the first half for the end of its time."""

    def play(venue: Peer) -> None:
        assert venue.read()  # the request
        record = venue.encrypted(FRAME)
        for start in range(0, len(record), 1_400):
            venue.put(record[start : start + 1_400])
            time.sleep(0.01)
        venue.read()

    with peer(certificate, play) as url:
        rpc = WebSocketRpc(
            url, SystemClock(), on_notification=lambda *_: None, on_lost=lambda _: None
        )
        rpc.connect()
        try:
            assert rpc.call("public/test", {}, timeout=20.0) == "x" * 8_000
        finally:
            rpc.close()


def test_a_reply_that_trickles_is_waited_for_no_longer_than_was_said(certificate: Path) -> None:
    """Each byte began the wait anew; the message is whole for whoever asks later."""
    is_over = threading.Event()

    def play(venue: Peer) -> None:
        for start in range(40):
            venue.put(venue.encrypted(FRAME[start : start + 1]))
            if is_over.wait(0.05):
                break
        venue.put(venue.encrypted(FRAME[start + 1 :]))
        venue.read()

    with peer(certificate, play) as url:
        frames = Frames(SystemClock(), tick_seconds=0.05)
        frames.open(url, connect_timeout=5, write_timeout=PATIENCE)
        assert frames.receive(0.3) is None
        is_still_trickling = not is_over.is_set()
        is_over.set()
        assert is_still_trickling
        assert frames.receive(10.0) == TEXT
        frames.send_whole(b"done")
        frames.shutdown()


def test_a_connection_that_is_ended_under_its_writer_keeps_its_keys(certificate: Path) -> None:
    """Without them what he writes in that moment would leave in the clear."""

    def play(venue: Peer) -> None:
        venue.read()

    with peer(certificate, play) as url:
        frames = Frames(SystemClock(), tick_seconds=0.05)
        frames.open(url, connect_timeout=5, write_timeout=5)
        frames.abort()
        assert isinstance(frames.sock, ssl.SSLSocket)
        assert frames.sock.version() is not None
        with pytest.raises(OSError, match=r"."):
            frames.send_whole(b"an order")
        frames.shutdown()
        frames.abort()


def test_a_certificate_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    """Money goes to no stranger."""
    made = certify(tmp_path)

    def play(venue: Peer) -> None:
        raise AssertionError(venue)

    with peer(made, play) as url, pytest.raises(ssl.SSLCertVerificationError):
        Frames(SystemClock(), tick_seconds=0.05).open(url, connect_timeout=5, write_timeout=5)
