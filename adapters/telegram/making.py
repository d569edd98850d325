"""Making the bot: its two connections, and nothing of it that would log an address."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from telegram.ext import AIORateLimiter, ExtBot
from telegram.request import HTTPXRequest

ANSWER_SECONDS = 20.0
CONNECT_SECONDS = 10.0
_HERE = frozenset({"127.0.0.1", "localhost", "::1"})
_CHATTY = ("httpx", "httpcore", "telegram.request.BaseRequest", "telegram.ext.AIORateLimiter")
"""Loggers that print addresses (the token is in them), replies, or what we report ourselves."""


@asynccontextmanager
async def open_bot(token: str, root: str) -> AsyncGenerator[ExtBot[Any]]:
    """A bot that can call. It asks Telegram nothing by itself: the token's first use may fail,
    and the library's own start-up would put the token into the error.
    """
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    requests = [
        HTTPXRequest(
            connection_pool_size=size,
            read_timeout=ANSWER_SECONDS,
            write_timeout=ANSWER_SECONDS,
            connect_timeout=CONNECT_SECONDS,
            pool_timeout=ANSWER_SECONDS,
            # A proxy of the environment is for the world outside, not for this machine.
            httpx_kwargs={"trust_env": urlsplit(root).hostname not in _HERE},
        )
        for size in (8, 1)
    ]
    bot: ExtBot[Any] = ExtBot(
        token,
        base_url=f"{root.rstrip('/')}/bot",
        base_file_url=f"{root.rstrip('/')}/file/bot",
        request=requests[0],
        get_updates_request=requests[1],
        rate_limiter=AIORateLimiter(),
    )
    for request in requests:
        await request.initialize()
    try:
        yield bot
    finally:
        for request in requests:
            await request.shutdown()
