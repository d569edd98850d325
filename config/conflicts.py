"""Settings that are right one by one and wrong together."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from config.invalid import Problem
from config.kinds import Env
from config.model import Settings

_DERIBIT = "deribit.com"
_TESTNET = "test.deribit.com"


def conflicts(settings: Settings) -> Iterator[Problem]:
    """Everything that does not fit together; see `config.settings.load`."""
    yield from _login(settings)
    yield from _venue(settings)
    yield from _telegram(settings)
    yield from _trading(settings)
    if settings.embeds_exchange and settings.api_port == settings.paper_port:
        yield _about("PAPER_PORT", f"API_PORT is {settings.api_port} too; each needs its own")


def _login(settings: Settings) -> Iterator[Problem]:
    needed = {
        "DERIBIT_CLIENT_ID": settings.deribit_client_id,
        "DERIBIT_CLIENT_SECRET": settings.deribit_client_secret,
    }
    for key, value in needed.items():
        if value is None:
            yield _about(key, f"needed when DERIBIT_ENV is {settings.deribit_env}")


def _venue(settings: Settings) -> Iterator[Problem]:
    """An address at Deribit must be that of the venue named: one of the two has real money."""
    addresses = {
        "DERIBIT_HTTP_URL": settings.deribit_http_url,
        "DERIBIT_WS_URL": settings.deribit_ws_url,
    }
    for key, address in addresses.items():
        host = urlsplit(address or "").hostname or ""
        if host != _DERIBIT and not host.endswith(f".{_DERIBIT}"):
            continue
        actual = Env.TESTNET if host == _TESTNET else Env.PROD
        if actual is not settings.deribit_env:
            yield _about(key, f"{host} is {actual}, but DERIBIT_ENV is {settings.deribit_env}")


def _telegram(settings: Settings) -> Iterator[Problem]:
    token, chat = settings.telegram_bot_token, settings.telegram_chat_id
    if token is not None and chat is None:
        yield _about("TELEGRAM_CHAT_ID", "needed with TELEGRAM_BOT_TOKEN: where alerts go")
    if token is None and chat is not None:
        yield _about("TELEGRAM_BOT_TOKEN", "needed with TELEGRAM_CHAT_ID: no alert is sent without")
    elif token is None and settings.telegram_user_ids:
        missing = "needed with TELEGRAM_USER_IDS: nobody can give commands without"
        yield _about("TELEGRAM_BOT_TOKEN", missing)
        yield _about("TELEGRAM_CHAT_ID", missing)


def _trading(settings: Settings) -> Iterator[Problem]:
    """What trades with real money is named by the person, never assumed."""
    if settings.deribit_env is Env.PROD and "strategies" not in settings.model_fields_set:
        yield _about("STRATEGIES", "name it when DERIBIT_ENV is prod: breakout, a script, or none")


def _about(key: str, explanation: str) -> Problem:
    return Problem(key=key, given=None, explanation=explanation)
