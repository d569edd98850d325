"""Secrets go in by the settings and come out nowhere: no file, no terminal, no traceback."""

import json
import signal
from pathlib import Path

import requests

from domain.commands import COMMANDS, Effect
from tests.endtoend.bulwark import NOWHERE, Bot, Exchange, free_port
from tests.endtoend.scripts import WIDE, script

KEY = "canary-key-4711"
CANARIES = {
    "DERIBIT_CLIENT_SECRET": "canary-secret-61f0c2",
    "TELEGRAM_BOT_TOKEN": "770011:canary-telegram-0b3c77",
    "API_TOKEN": "canary-api-99d2",
    "HEARTBEAT_URL": "https://hc.example/ping/canary-heartbeat-5a1e",
}


def leaks(folder: Path) -> list[str]:
    """Which canary stands in which file; what the person wrote into `.env` is no leak."""
    files = [x for x in folder.rglob("*") if x.is_file() and x.name != ".env"]
    texts = [value.rpartition("/")[2] for value in CANARIES.values()]
    return [f"{x.name}: {text}" for x in files for text in texts if text.encode() in x.read_bytes()]


def told(port: int) -> list[str]:
    """Which canary stands in what the API tells of everything it has."""
    root, token = f"http://127.0.0.1:{port}", CANARIES["API_TOKEN"]
    names = [x.name for x in COMMANDS if x.effect is Effect.READS and x.name != "trade"]
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {token}"
        paths = [f"/v1/{name}" for name in names] + ["/metrics", "/healthz", "/openapi.json"]
        answers = {path: session.get(f"{root}{path}", timeout=20) for path in paths}
        stream = session.get(
            f"{root}/events", headers={"Last-Event-ID": "1-1"}, stream=True, timeout=20
        )
        told = [answer.text for answer in answers.values()] + [str(next(stream.iter_content(4096)))]
        stream.close()
    assert {path: x.status_code for path, x in answers.items() if x.status_code != 200} == {}
    texts = [value.rpartition("/")[2] for value in CANARIES.values()]
    return [text for text in texts if any(text in each for each in told)]


def test_no_secret_is_written_anywhere(tmp_path: Path) -> None:
    """A trade, a dump of all threads, everything the API has, a stop; then a damaged book; then an
    actor that fails at every start, until the process gives up.
    """
    port, registry = free_port(), tmp_path / "data/paper/registry.json"
    lines = [f"{name}={value}" for name, value in CANARIES.items()]
    lines += [
        f"DERIBIT_CLIENT_ID={KEY}",
        "TELEGRAM_CHAT_ID=1",
        f"TELEGRAM_API_URL={NOWHERE}",
        "LOG_LEVEL=DEBUG",
    ]
    lines += [f"PAPER_PORT={port}", f"STRATEGIES={script(tmp_path, WIDE)}"]
    (tmp_path / ".env").write_text("\n".join(lines), "utf-8")
    login = ("--client-id", KEY, "--client-secret", CANARIES["DERIBIT_CLIENT_SECRET"])
    with Exchange(tmp_path, port, *login) as exchange:
        with Bot(tmp_path, {}) as bot:
            bot.wait_for("target_placed")
            bot.send(signal.SIGUSR1)
            bot.wait_for("thread_dump")
            bot.wait_for("door_opened")
            assert told(bot.api_port) == []
            assert bot.stop() == 0
        book = json.loads(registry.read_text("utf-8"))
        for trade in book["trades"].values():
            trade["plan"]["contracts"] = "many"
        registry.write_text(json.dumps(book), "utf-8")
        with Bot(tmp_path, {}) as bot:
            bot.wait_for("registry_rebuilt")
            assert bot.stop() == 0
        # A book to be rebuilt from a journal that cannot be read: at every start an actor fails.
        (tmp_path / "data/paper/journal/2020-01-01.jsonl").mkdir()
        registry.write_bytes(bytes(100))
        with Bot(tmp_path, {}) as bot:
            assert bot.wait(60) not in {0, 78}
            assert any("Traceback" in str(x.get("trace")) for x in bot.logged())
        assert exchange.stop() == 0
    assert leaks(tmp_path) == []
