"""The kinds of values settings have: from text, with the bounds a sane value keeps."""

from datetime import time
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from config import values
from domain.orders import TriggerBy


class Env(StrEnum):
    """Which venue: the paper exchange, Deribit's test net, or Deribit."""

    PAPER = "paper"
    TESTNET = "testnet"
    PROD = "prod"


class Bracket(StrEnum):
    """How a bracket is sent: step by step, or as one linked order."""

    SEQUENTIAL = "sequential"
    OTOCO = "otoco"


class ForeignPositions(StrEnum):
    """What happens to a position nobody here opened."""

    ALERT = "alert"
    PROTECT = "protect"


class WatchdogAction(StrEnum):
    """What the watchdog does about a bot that does not respond, besides telling."""

    ALERT = "alert"
    RESTART = "restart"


class Collector(StrEnum):
    """Who runs the collector's process: a person or supervisord, or the bot."""

    OWN = "own"
    BOT = "bot"


_lower = BeforeValidator(values.lower)
_split = BeforeValidator(values.split_list)
_number = BeforeValidator(values.number)
_whole = BeforeValidator(values.whole)


def _secret_of(value: SecretStr) -> SecretStr:
    values.one_word(value.get_secret_value())
    return value


def _token_of(value: SecretStr) -> SecretStr:
    values.header_word(value.get_secret_value())
    return value


def _ping_of(value: SecretStr) -> SecretStr:
    values.heartbeat_url(value.get_secret_value())
    return value


EnvChoice = Annotated[Env, _lower]
BracketChoice = Annotated[Bracket, _lower]
WatchdogChoice = Annotated[WatchdogAction, _lower]
ForeignChoice = Annotated[ForeignPositions, _lower]
CollectorChoice = Annotated[Collector, _lower]
TriggerChoice = Annotated[TriggerBy, _lower]
LogLevel = Annotated[
    Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(values.upper)
]

Word = Annotated[str, AfterValidator(values.one_word)]
Secret = Annotated[SecretStr, AfterValidator(_secret_of)]
Token = Annotated[SecretStr, AfterValidator(_token_of)]
PingUrl = Annotated[SecretStr, AfterValidator(_ping_of)]
HttpUrl = Annotated[str, AfterValidator(values.http_url)]
WsUrl = Annotated[str, AfterValidator(values.ws_url)]
Loopback = Annotated[str, AfterValidator(values.loopback)]
Whole = Annotated[int, _whole]
Port = Annotated[int, _whole, Field(ge=1, le=65535)]

Perpetuals = Annotated[tuple[str, ...], NoDecode, _split, AfterValidator(values.perpetuals)]
Symbols = Annotated[tuple[str, ...], NoDecode, _split, AfterValidator(values.symbols)]
Strategies = Annotated[tuple[str, ...], NoDecode, _split, AfterValidator(values.strategies)]
Ids = Annotated[tuple[Whole, ...], NoDecode, _split]

Minutes = Annotated[int, _whole, Field(ge=0, le=1440)]
Count = Annotated[int, _whole, Field(ge=1, le=100)]
Money = Annotated[Decimal, BeforeValidator(values.digits), Field(gt=0, le=10**9)]
Fraction = Annotated[Decimal, _number, Field(gt=0, le=Decimal("0.5"))]
Deadline = Annotated[float, _number, Field(gt=0, le=60)]
Interval = Annotated[float, _number, Field(ge=0.1, le=3600)]
Speed = Annotated[float, _number, Field(gt=0, le=10_000)]

Folder = Annotated[Path, AfterValidator(values.folder)]
ExistingFile = Annotated[Path, AfterValidator(values.existing_file)]
Feed = Annotated[str, AfterValidator(values.feed)]
TimeOfDay = Annotated[time, BeforeValidator(values.clock_time)]

FRACTION = "a fraction above 0 and at most 0.5 (0.02 means 2 %)"
MINUTES = "a whole number from 0 to 1440"
COUNT = "a whole number from 1 to 100"
PORT = "a whole number from 1 to 65535"
MONEY = "USD, above 0 and at most a billion; digits and a point only"
DEADLINE = "seconds above 0 and at most 60"
INTERVAL = "seconds from 0.1 to 3600"
TEXT = "text without blanks"
ASCII = "printable ASCII text without blanks"
HTTP = "an address starting with http:// or https://"
WS = "an address starting with ws:// or wss://"
