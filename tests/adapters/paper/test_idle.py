"""An exchange that nobody uses ends by itself, if told to."""

import threading
import urllib.request
from pathlib import Path

from adapters.paper.server import PaperServer, PaperSettings


def test_it_ends_after_the_idle_time_and_a_request_counts_as_use(tmp_path: Path) -> None:
    """An embedded exchange whose bot was killed does not stay for ever."""
    server = PaperServer(PaperSettings(port=0, folder=tmp_path, idle_seconds=0.5))
    ready = threading.Event()
    thread = threading.Thread(target=lambda: server.run(lambda _: ready.set()), daemon=True)
    thread.start()
    assert ready.wait(10)
    url = f"http://127.0.0.1:{server.port}/api/v2/public/test"
    with urllib.request.urlopen(url, timeout=5) as reply:
        assert reply.status == 200
    thread.join(10)
    assert not thread.is_alive()
