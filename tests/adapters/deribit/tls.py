"""A websocket peer behind TLS that sends its bytes as a test wants them, half records included."""

import base64
import hashlib
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_T = TypeVar("_T")
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def certify(folder: Path) -> Path:
    """A certificate for 127.0.0.1 that vouches for itself, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    text = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = folder / "peer.pem"
    path.write_bytes(text + made.public_bytes(serialization.Encoding.PEM))
    return path


class Peer:
    """The venue's end of one connection; `send` returns the encrypted bytes instead of sending."""

    def __init__(self, sock: socket.socket, certificate: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self._sock = sock
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)
        self._patiently(self._tls.do_handshake)
        request = b""
        while b"\r\n\r\n" not in request:
            request += self.read()
        lines = (line.partition(b": ") for line in request.split(b"\r\n"))
        (key,) = (value for name, _, value in lines if name.lower() == b"sec-websocket-key")
        accept = base64.b64encode(hashlib.sha1(key + _MAGIC).digest())  # noqa: S324 (the protocol's)
        self.put(
            self.encrypted(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
            )
        )

    def _patiently(self, act: Callable[[], _T]) -> _T:
        while True:
            try:
                return act()
            except ssl.SSLWantReadError:
                pass
            finally:
                self.put(self._out.read())
            data = self._sock.recv(65536)
            if not data:
                raise ConnectionError("hung up")
            self._in.write(data)

    def encrypted(self, data: bytes) -> bytes:
        """What would have to travel."""
        self._tls.write(data)
        return self._out.read()

    def put(self, data: bytes) -> None:
        self._sock.sendall(data)

    def read(self) -> bytes:
        """The next bytes of the other end, decrypted."""
        return self._patiently(lambda: self._tls.read(65536))


@contextmanager
def peer(certificate: Path, play: Callable[[Peer], None]) -> Iterator[str]:
    """The address of a peer that plays once, on a thread, until it is hung up on."""
    failures: list[BaseException] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)

        def serve() -> None:
            try:
                sock, _ = server.accept()
                with sock:
                    sock.settimeout(20)
                    play(Peer(sock, certificate))
            except (ssl.SSLError, ConnectionError):
                return  # what the test misses then, it says itself
            except BaseException as error:  # noqa: BLE001 (told by the test)
                failures.append(error)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"wss://127.0.0.1:{server.getsockname()[1]}/"
        thread.join(20)
    assert not failures, failures
