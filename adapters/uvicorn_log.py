"""What uvicorn says of its clients' mistakes fills no log: whoever connects could fill it.

They are answered on the wire.
"""

import logging

_FAULTS_OF_CLIENTS = (
    "Invalid HTTP request received",
    "Invalid UTF-8 sequence received",
    "ASGI callable returned without completing handshake",
    "Unsupported upgrade request",
    "No supported WebSocket library detected",
)


def spare_the_log() -> None:
    """From now on only what went wrong on this side is logged."""
    logging.getLogger("uvicorn.error").addFilter(_is_worth_logging)


def _is_worth_logging(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(_FAULTS_OF_CLIENTS)
