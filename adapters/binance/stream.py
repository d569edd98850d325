"""Aggregate trades over one combined-stream websocket, and a new one whenever it ends.

The venue ends every connection after a day, and pings; a line that says nothing for a minute is
asked, and given up when it stays silent. Frames are kept raw: the thread that reads does nothing
else, so it keeps up with any burst. When nobody takes them, the newest are dropped and counted:
every tick has a number, so what is dropped is asked for again.
"""

# websocket-client annotates its own methods with bare lists and tuples.
# pyright: reportUnknownMemberType=false

import threading
from collections.abc import Sequence
from typing import Any, cast

import structlog
import websocket
from websocket import ABNF, WebSocketTimeoutException

from actors.ports import Clock
from adapters.dialing import dialled
from domain.ticks import venue_name

MOST_WAITING = 500_000
"""Frames that may wait to be taken: about 100 MB."""
SILENCE_SECONDS = 60.0
TICK_SECONDS = 1.0
CONNECT_SECONDS = 10.0
BACK_OFF_FIRST, BACK_OFF_CAP = 0.5, 30.0
_DATA = frozenset({ABNF.OPCODE_TEXT, ABNF.OPCODE_BINARY})


class BinanceStream:
    """One market's stream: `start` it once, `take` what came, `stop` it."""

    def __init__(self, base_url: str, symbols: Sequence[str], clock: Clock) -> None:
        streams = "/".join(f"{venue_name(symbol).lower()}@aggTrade" for symbol in symbols)
        self._url = f"{base_url}/stream?streams={streams}"
        self._clock = clock
        self._frames: list[bytes] = []
        self._changing = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="binance-stream", daemon=True)
        self._log = structlog.get_logger(actor="collector")
        self.is_connected = False
        self.connections = 0
        self.dropped = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends the connection and waits for its thread."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(CONNECT_SECONDS + 2 * TICK_SECONDS)

    def take(self) -> list[bytes]:
        """Every frame that came since the last time."""
        with self._changing:
            frames, self._frames = self._frames, []
        return frames

    @property
    def waiting(self) -> int:
        return len(self._frames)

    @property
    def connection(self) -> int:
        """Which one is up, counted from 1; 0 while none is."""
        return self.connections if self.is_connected else 0

    def _run(self) -> None:
        failures = 0
        while not self._over.is_set():
            heard = False
            try:
                heard, reason = self._connection()
            except Exception as error:  # noqa: BLE001 - whatever it is, it must not end the thread
                reason = f"{type(error).__name__}: {error}"[:120]
            was_connected, self.is_connected = self.is_connected, False
            failures = 0 if heard else failures + 1
            if self._over.is_set():
                return
            if was_connected or failures == 1:
                self._log.warning("stream_lost", reason=reason)
            self._over.wait(min(BACK_OFF_CAP, BACK_OFF_FIRST * 2 ** min(failures, 10)))

    def _connection(self) -> tuple[bool, str]:
        """One connection, until it ends; whether it brought anything, and why it ended."""
        link = websocket.WebSocket(
            enable_multithread=False,
            skip_utf8_validation=True,  # the JSON parser refuses what is not UTF-8
        )
        sock = dialled(self._url, self._clock, seconds=CONNECT_SECONDS)
        sock.settimeout(CONNECT_SECONDS)
        link.connect(self._url, socket=sock, redirect_limit=0)
        try:
            link.settimeout(TICK_SECONDS)
            self.connections += 1
            self.is_connected = True
            self._log.info("stream_connected", connections=self.connections)
            return self._read(link)
        finally:
            link.shutdown()

    def _read(self, link: websocket.WebSocket) -> tuple[bool, str]:
        heard_at = self._clock.monotonic()
        heard = asked = False
        while not self._over.is_set():
            try:
                opcode, frame = cast(Any, link).recv_data_frame(control_frame=True)
            except WebSocketTimeoutException:
                silence = self._clock.monotonic() - heard_at
                if silence > 2 * SILENCE_SECONDS:
                    return heard, f"nothing received for {silence:.0f} s"
                if silence > SILENCE_SECONDS and not asked:
                    asked = True
                    link.ping()
                continue
            heard_at, asked = self._clock.monotonic(), False
            if opcode in _DATA:
                heard = True
                self._keep(frame.data)
            elif opcode == ABNF.OPCODE_CLOSE:
                return heard, "closed by the venue"
        return heard, "stopped"

    def _keep(self, data: bytes | str) -> None:
        frame = data.encode() if isinstance(data, str) else bytes(data)
        with self._changing:
            if len(self._frames) < MOST_WAITING:
                self._frames.append(frame)
            else:
                self.dropped += 1
