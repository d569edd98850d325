"""Telegram: a message arrives at the chat, and a press on its button comes back."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests

from actors.ports import Clock
from commands.preflight.checks import Result, green, red, skipped
from config.kinds import Env
from config.settings import Settings

TIMEOUT = 10.0
POLL_SECONDS = 5


class BotApiFailed(Exception):
    """A request failed; the text names the kind of failure, never the address with the token."""


class BotApi:
    """The three requests this needs."""

    def __init__(self, root: str, token: str) -> None:
        self._root = f"{root.rstrip('/')}/bot{token}"
        self._session = requests.Session()
        self._session.trust_env = urlsplit(root).hostname not in {"127.0.0.1", "localhost"}

    def call(self, method: str, body: Mapping[str, Any]) -> Any:
        """The result.

        Raises:
            BotApiFailed: there is none.
        """
        try:
            timeout = TIMEOUT + POLL_SECONDS
            reply = self._session.post(f"{self._root}/{method}", json=body, timeout=timeout)
        except requests.RequestException as error:
            raise BotApiFailed(f"{method}: {type(error).__name__}") from None
        try:
            answer = reply.json()
            if answer["ok"] is True:
                return answer["result"]
            said = str(answer.get("description", ""))
        except (ValueError, KeyError, TypeError):
            said = ""
        raise BotApiFailed(f"{method}: HTTP {reply.status_code} {said}".rstrip())


def check(settings: Settings, clock: Clock, button: str, wait: float) -> Result:
    """Sends a message with a button and waits for it to be pressed by somebody who may.

    ``button`` is what the press must carry; ``wait`` is in seconds, 0 for sending only.
    """
    token, chat = settings.telegram_bot_token, settings.telegram_chat_id
    if token is None or chat is None:
        if settings.is_paper:
            return skipped("telegram", "not set; on paper that is allowed")
        return red("telegram", "nobody would hear", "set TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_ID")
    api = BotApi(settings.telegram_api_url, token.get_secret_value())
    try:
        _send(api, chat, button, wait)
        if not wait and settings.deribit_env is Env.PROD:
            return red("telegram", "the button was not asked for", "leave --button 0 out")
        if not wait:
            return green("telegram", "a message was sent; the button was not asked for")
        return _pressed(api, settings, clock, button, wait)
    except BotApiFailed as error:
        return red("telegram", str(error), "check the token, the chat id and the network")


def _send(api: BotApi, chat: int, button: str, wait: float) -> None:
    text = "Bulwark preflight: this is how alerts arrive."
    body: dict[str, Any] = {"chat_id": chat, "text": text}
    if wait:
        body["text"] = f"{text} Please press the button."
        keys = [[{"text": "I see it", "callback_data": button}]]
        body["reply_markup"] = {"inline_keyboard": keys}
    api.call("sendMessage", body)


def _pressed(api: BotApi, settings: Settings, clock: Clock, button: str, wait: float) -> Result:
    offset, until = 0, clock.monotonic() + wait
    while clock.monotonic() < until:
        body = {
            "offset": offset,
            "timeout": POLL_SECONDS,
            "allowed_updates": ["callback_query"],
        }
        updates: list[dict[str, Any]] = api.call("getUpdates", body)
        for update in updates:
            offset = max(offset, int(update["update_id"]) + 1)
            query: dict[str, Any] = update.get("callback_query") or {}
            if query.get("data") != button:
                continue
            api.call("answerCallbackQuery", {"callback_query_id": query.get("id")})
            # Taken: else the bot finds the press at its start, and tells of a command not done.
            api.call("getUpdates", {**body, "offset": offset, "timeout": 0})
            sender: dict[str, Any] = query.get("from") or {}
            return _by(int(sender.get("id", 0)), settings)
    return red(
        "telegram",
        f"sent, but the button was not pressed within {wait:.0f} s",
        "press it; if it never comes, look at the chat id",
    )


def _by(user: int, settings: Settings) -> Result:
    if settings.telegram_user_ids and user not in settings.telegram_user_ids:
        return red(
            "telegram",
            f"pressed by user {user}, who may give no commands",
            f"add {user} to TELEGRAM_USER_IDS, if that is you",
        )
    if not settings.telegram_user_ids:
        return red(
            "telegram",
            f"pressed by user {user}; nobody may give commands yet",
            f"TELEGRAM_USER_IDS={user}",
        )
    return green("telegram", f"sent, and the button was pressed by user {user}")
