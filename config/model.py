"""Everything that can be set, once: names, types, defaults, meanings. Read at every start.

Names are those of the environment variables; attributes are the same in lower case.
Fractions are fractions (0.02 is 2 %), money is USD, intervals are seconds.
"""

from datetime import time
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from config import kinds
from config.kinds import Bracket, Collector, Env, ForeignPositions, WatchdogAction
from domain.orders import TriggerBy

_ADDRESSES = {Env.TESTNET: "test.deribit.com", Env.PROD: "www.deribit.com"}
PAPER_LOGIN = "paper"


def _setting(default: Any, meaning: str, allowed: str, group: str = "") -> Any:
    return Field(
        default, description=meaning, json_schema_extra={"allowed": allowed, "group": group}
    )


class Settings(BaseSettings):
    """The settings as values. Made by `config.settings.load`, which also reports every mistake."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True
    )

    deribit_env: kinds.EnvChoice = _setting(
        Env.PAPER, "the venue to trade on", "paper, testnet or prod", "Venue"
    )
    deribit_client_id: kinds.Word | None = _setting(
        None, "the API key's id; needed for testnet and prod", kinds.TEXT
    )
    deribit_client_secret: kinds.Secret | None = _setting(
        None, "the API key's secret; needed for testnet and prod", kinds.TEXT
    )
    deribit_http_url: kinds.HttpUrl | None = _setting(
        None, "another address of the venue, such as http://127.0.0.1:8581/api/v2", kinds.HTTP
    )
    deribit_ws_url: kinds.WsUrl | None = _setting(
        None, "another address of the venue, such as ws://127.0.0.1:8581/ws/api/v2", kinds.WS
    )
    instruments: kinds.Perpetuals = _setting(
        ("BTC-PERPETUAL", "ETH-PERPETUAL"),
        "the perpetuals that may be traded",
        "names separated by commas, such as BTC-PERPETUAL,ETH-PERPETUAL",
        "Trades",
    )
    strategies: kinds.Strategies = _setting(
        ("breakout",),
        "the strategies to host",
        "breakout, script:<file>, several separated by commas, or none",
    )
    bracket: kinds.BracketChoice = _setting(
        Bracket.SEQUENTIAL,
        "how entry, stop and target are sent: one after another, or as one linked order",
        "sequential or otoco",
    )
    stop_trigger: kinds.TriggerChoice = _setting(
        TriggerBy.MARK_PRICE,
        "the price a stop watches",
        "mark_price, index_price or last_price",
    )
    stop_retries: kinds.Count = _setting(
        3, "how often a stop is tried before the position is closed at market", kinds.COUNT
    )
    protection_deadline_seconds: kinds.Deadline = _setting(
        3.0, "how long a position may lack its stop before it is closed at market", kinds.DEADLINE
    )
    orphan_sweep_seconds: kinds.Interval = _setting(
        30.0, "how often orders without a trade are looked for", kinds.INTERVAL
    )
    position_poll_seconds: kinds.Interval = _setting(
        2.0, "how often positions and orders are read from the venue", kinds.INTERVAL
    )
    initial_equity: kinds.Money | None = _setting(
        None,
        "the equity MAX_DAILY_LOSS_PCT is a fraction of; empty: that at the day's start",
        kinds.MONEY,
        "Limits",
    )
    max_daily_loss_pct: kinds.Fraction = _setting(
        Decimal("0.02"),
        "the loss since the day's start, as a fraction of INITIAL_EQUITY, that stops trading",
        kinds.FRACTION,
    )
    max_open_trades: kinds.Count = _setting(1, "open trades at a time", kinds.COUNT)
    max_trades_per_instrument: kinds.Count = _setting(
        1, "open trades at a time in one instrument, all in one direction", kinds.COUNT
    )
    max_notional_usd: kinds.Money = _setting(
        Decimal(100000), "the largest open exposure, all trades together", kinds.MONEY
    )
    risk_per_trade_pct: kinds.Fraction = _setting(
        Decimal("0.005"),
        "what a strategy's trade may lose at its stop, as a fraction of the equity traded",
        kinds.FRACTION,
    )
    foreign_positions: kinds.ForeignChoice = _setting(
        ForeignPositions.ALERT,
        "what to do with a position opened elsewhere: tell only, or give it a stop",
        "alert or protect",
    )
    foreign_stop_pct: kinds.Fraction = _setting(
        Decimal("0.05"),
        "how far from the mark price such a stop is set, as a fraction",
        kinds.FRACTION,
    )
    telegram_bot_token: kinds.Secret | None = _setting(
        None, "the bot's token; without one there is no Telegram", kinds.TEXT, "Telegram"
    )
    telegram_chat_id: kinds.Whole | None = _setting(
        None, "the chat alerts go to", "the chat's number, negative for groups"
    )
    telegram_user_ids: kinds.Ids = _setting(
        (),
        "who may give commands and acknowledge alerts; without any each alert is told once",
        "users' numbers separated by commas",
    )
    telegram_api_url: kinds.HttpUrl = _setting(
        "https://api.telegram.org", "the root of the Bot API", kinds.HTTP
    )
    alert_repeat_minutes: kinds.Minutes = _setting(
        15,
        "how often a critical alert is repeated until somebody has acknowledged it; 0: never",
        kinds.MINUTES,
    )
    daily_report_at: kinds.TimeOfDay = _setting(
        time(23, 50), "when the day's report is sent", "hours and minutes, such as 23:50"
    )
    timezone: ZoneInfo = _setting(
        ZoneInfo("UTC"),
        "the zone in which a day begins and reports are dated",
        "a name of the time zone database, such as UTC or Europe/Berlin",
    )
    heartbeat_url: kinds.PingUrl | None = _setting(
        None, "an address that is pinged while all is well (secret)", kinds.HTTP, "Doors"
    )
    api_host: kinds.Loopback = _setting(
        "127.0.0.1", "where the HTTP API answers", "an address of this machine only: 127.0.0.1"
    )
    api_port: kinds.Port = _setting(8580, "the HTTP API's port", kinds.PORT)
    api_token: kinds.Token | None = _setting(
        None, "what callers of the HTTP API must show", kinds.ASCII
    )
    watchdog_limit_seconds: kinds.Interval = _setting(
        300.0, "how long the bot may give no sign of life before a person is told", kinds.INTERVAL
    )
    watchdog_action: kinds.WatchdogChoice = _setting(
        WatchdogAction.ALERT,
        "what is done then: tell only, or kill the bot so that supervisord starts it again",
        "alert or restart",
    )
    binance_ws_url: kinds.WsUrl = _setting(
        "wss://fstream.binance.com/market",
        "the root of the USD-M tick stream",
        kinds.WS,
        "Archive",
    )
    binance_http_url: kinds.HttpUrl = _setting(
        "https://fapi.binance.com", "the root of the interface that fills USD-M gaps", kinds.HTTP
    )
    binance_spot_ws_url: kinds.WsUrl = _setting(
        "wss://stream.binance.com:9443", "the root of the spot tick stream", kinds.WS
    )
    binance_spot_http_url: kinds.HttpUrl = _setting(
        "https://api.binance.com", "the root of the interface that fills spot gaps", kinds.HTTP
    )
    collect_symbols: kinds.Symbols = _setting(
        ("BTCUSDT",),
        "the symbols archived; those of the spot market carry spot:",
        "names separated by commas, such as BTCUSDT,spot:BTCUSDT",
    )
    collector: kinds.CollectorChoice = _setting(
        Collector.OWN,
        "whether the collector is a program of its own (run.py collect), or the bot keeps one",
        "own or bot",
    )
    paper_feed: kinds.Feed = _setting(
        "synthetic",
        "where the paper exchange's prices come from",
        "synthetic, replay:<file>, or replay:archive:BTCUSDT@2026-11-19T08:00/2h",
        "Paper exchange",
    )
    paper_seed: kinds.Whole = _setting(1, "the seed of synthetic prices", "a whole number")
    paper_speed: kinds.Speed = _setting(
        1.0, "how fast prices run", "a number above 0 and at most 10000; 1 is real time"
    )
    paper_port: kinds.Port = _setting(8581, "the paper exchange's port", kinds.PORT)
    paper_faults: kinds.ExistingFile | None = _setting(
        None,
        "what goes wrong at the paper exchange: a fault plan",
        "a TOML file, see docs/faults.md",
    )
    data_dir: kinds.Folder = _setting(
        Path("data"), "where data is kept, one folder inside for each venue", "a folder", "Files"
    )
    backup_dir: kinds.Folder = _setting(
        Path("backups"), "where run.py backup puts archives of the data", "a folder"
    )
    log_dir: kinds.Folder = _setting(Path("logs"), "where bot.log is kept", "a folder")
    log_level: kinds.LogLevel = _setting(
        "INFO", "the least level that is logged", "DEBUG, INFO, WARNING, ERROR or CRITICAL"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the base class fixes these names
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load` gives: nothing is picked up from the process behind its back."""
        return (init_settings,)

    @model_validator(mode="before")
    @classmethod
    def _paper_login(cls, given: Any) -> Any:
        """The paper exchange's log-in, unless told otherwise."""
        if str(given.get("deribit_env", Env.PAPER)).lower() != Env.PAPER:
            return given
        login = {"deribit_client_id": PAPER_LOGIN, "deribit_client_secret": PAPER_LOGIN}
        return {**login, **given}

    @property
    def is_paper(self) -> bool:
        return self.deribit_env is Env.PAPER

    @property
    def paper_login(self) -> tuple[str, str]:
        """What clients of our paper exchange log in with; keys of a real venue never go there."""
        key, secret = self.deribit_client_id, self.deribit_client_secret
        if not self.is_paper or key is None or secret is None:
            return PAPER_LOGIN, PAPER_LOGIN
        return key, secret.get_secret_value()

    @property
    def embeds_exchange(self) -> bool:
        """Whether the paper exchange must be started: paper, at no address of its own."""
        return self.is_paper and self.deribit_http_url is None and self.deribit_ws_url is None

    @property
    def http_url(self) -> str:
        """The venue's HTTP base, ``/api/v2`` included."""
        if self.deribit_http_url is not None:
            return self.deribit_http_url
        if self.deribit_ws_url is not None:
            return _other_door(self.deribit_ws_url, "/ws/api/v2", "/api/v2")
        if self.is_paper:
            return f"http://127.0.0.1:{self.paper_port}/api/v2"
        return f"https://{_ADDRESSES[self.deribit_env]}/api/v2"

    @property
    def ws_url(self) -> str:
        """The venue's websocket address, ``/ws/api/v2`` included."""
        return (
            _other_door(self.http_url, "/api/v2", "/ws/api/v2")
            if self.deribit_ws_url is None
            else self.deribit_ws_url
        )

    @property
    def data_folder(self) -> Path:
        """This venue's own folder: paper, testnet and prod never share one."""
        return self.data_dir / self.deribit_env

    def secrets(self) -> tuple[str, ...]:
        """Every secret value, for the log's redaction. The paper log-in is none."""
        values = (getattr(self, name) for name in type(self).model_fields)
        texts = (value.get_secret_value() for value in values if isinstance(value, SecretStr))
        return tuple(text for text in texts if text != PAPER_LOGIN)


def _other_door(url: str, path: str, other: str) -> str:
    """The same venue's other address: http and ws, https and wss, differ by scheme and path."""
    scheme, rest = url.split("://", 1)
    swapped = {"http": "ws", "https": "wss", "ws": "http", "wss": "https"}[scheme]
    return f"{swapped}://{rest.removesuffix(path)}{other}"
