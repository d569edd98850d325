"""Settings: typed values, every mistake at once, secrets never shown."""

import contextlib
from datetime import time
from decimal import Decimal
from pathlib import Path
from typing import get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from config import kinds
from config.kinds import Bracket, Env, ForeignPositions
from config.settings import Settings, SettingsInvalid, describe, load
from domain.orders import TriggerBy

NOWHERE = Path("/nonexistent/.env")
LIVE = {"DERIBIT_CLIENT_ID": "id-12345", "DERIBIT_CLIENT_SECRET": "canary-secret"}
TOKEN = "12345678:AAcanary-canary-canary-canary"


def loaded(tmp_path: Path, text: str | bytes, **environ: str) -> Settings:
    """The settings from a file of this content and this environment."""
    path = tmp_path / ".env"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load(path, environ)


def problems(**environ: str) -> dict[str, str]:
    """What is wrong with these settings: key -> line."""
    with pytest.raises(SettingsInvalid) as caught:
        load(NOWHERE, environ)
    return {problem.key: str(problem) for problem in caught.value.problems}


def test_without_anything_the_defaults_hold() -> None:
    """Nothing has to be set: the bot runs on the embedded paper exchange."""
    found = load(NOWHERE, {})
    assert found.deribit_env is Env.PAPER
    assert found.is_paper
    assert found.embeds_exchange
    assert found.http_url == "http://127.0.0.1:8581/api/v2"
    assert found.ws_url == "ws://127.0.0.1:8581/ws/api/v2"
    assert found.deribit_client_id == "paper"
    assert found.deribit_client_secret == SecretStr("paper")
    assert found.data_folder == Path("data/paper")
    assert found.instruments == ("BTC-PERPETUAL", "ETH-PERPETUAL")
    assert found.max_daily_loss_pct == Decimal("0.02")
    assert found.risk_per_trade_pct == Decimal("0.005")
    assert found.max_notional_usd == Decimal(100000)
    assert found.initial_equity is None
    assert (found.daily_report_at, found.timezone) == (time(23, 50), ZoneInfo("UTC"))
    assert (found.max_open_trades, found.max_trades_per_instrument, found.stop_retries) == (1, 1, 3)
    assert (found.stop_trigger, found.bracket) == (TriggerBy.MARK_PRICE, Bracket.SEQUENTIAL)
    assert found.foreign_positions is ForeignPositions.ALERT
    assert found.secrets() == ()


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    """A variable of the environment beats the file; an empty one does not count."""
    text = "MAX_OPEN_TRADES=2\nAPI_PORT=9000\nSTOP_RETRIES=\nLOG_LEVEL=debug\n"
    found = loaded(tmp_path, text, MAX_OPEN_TRADES="5", API_PORT=" ", HOME="/root")
    assert (found.max_open_trades, found.api_port, found.stop_retries) == (5, 9000, 3)
    assert found.log_level == "DEBUG"


def test_nothing_is_read_behind_the_callers_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the mapping handed in counts, not the process's own environment."""
    monkeypatch.setenv("MAX_OPEN_TRADES", "7")
    assert load(NOWHERE, {}).max_open_trades == 1


def test_values_have_their_types(tmp_path: Path) -> None:
    """Lists, money, times, zones, choices and files arrive as what they are."""
    ticks = tmp_path / "ticks.gz"
    ticks.touch()
    found = load(
        NOWHERE,
        {
            **LIVE,
            "DERIBIT_ENV": "PROD",
            "INSTRUMENTS": " btc-perpetual , ETH_USDC-PERPETUAL,",
            "INITIAL_EQUITY": "25000.50",
            "STOP_TRIGGER": "index_price",
            "BRACKET": "Sequential",
            "TELEGRAM_BOT_TOKEN": TOKEN,
            "TELEGRAM_CHAT_ID": "-100123",
            "TELEGRAM_USER_IDS": "1, 2",
            "TIMEZONE": "Europe/Berlin",
            "DAILY_REPORT_AT": "07:05",
            "PAPER_FEED": f"replay:{ticks}",
            "STRATEGIES": f"breakout,script:{ticks}",
            "HEARTBEAT_URL": "https://hc.example/ping/canary?x=1",
            "API_HOST": "[::1]",
        },
    )
    assert found.instruments == ("BTC-PERPETUAL", "ETH_USDC-PERPETUAL")
    assert found.initial_equity == Decimal("25000.50")
    assert (found.stop_trigger, found.bracket) == (TriggerBy.INDEX_PRICE, Bracket.SEQUENTIAL)
    assert (found.telegram_chat_id, found.telegram_user_ids) == (-100123, (1, 2))
    assert (found.timezone, found.daily_report_at) == (ZoneInfo("Europe/Berlin"), time(7, 5))
    assert found.strategies == ("breakout", f"script:{ticks}")
    assert found.api_host == "::1"
    assert not found.is_paper
    assert not found.embeds_exchange
    assert found.data_folder == Path("data/prod")
    assert found.http_url == "https://www.deribit.com/api/v2"
    assert found.ws_url == "wss://www.deribit.com/ws/api/v2"
    assert set(found.secrets()) == {
        "canary-secret",
        TOKEN,
        "https://hc.example/ping/canary?x=1",
    }
    assert "canary" not in repr(found) + str(found)


@pytest.mark.parametrize(
    ("given", "http", "ws"),
    [
        ({"DERIBIT_ENV": "testnet", **LIVE}, "https://test.deribit.com", "wss://test.deribit.com"),
        ({"PAPER_PORT": "9999"}, "http://127.0.0.1:9999", "ws://127.0.0.1:9999"),
        ({"DERIBIT_HTTP_URL": "https://venue:1/api/v2/"}, "https://venue:1", "wss://venue:1"),
        ({"DERIBIT_WS_URL": "ws://venue/ws/api/v2"}, "http://venue", "ws://venue"),
        ({"DERIBIT_WS_URL": "wss://venue/ws/api/v2"}, "https://venue", "wss://venue"),
        (
            {"DERIBIT_WS_URL": "ws://a/ws/api/v2", "DERIBIT_HTTP_URL": "http://b/api/v2"},
            "http://b",
            "ws://a",
        ),
    ],
)
def test_addresses_follow_the_venue(given: dict[str, str], http: str, ws: str) -> None:
    """Each venue has its addresses; one that is overridden brings its sibling along."""
    found = load(NOWHERE, given)
    assert found.http_url == f"{http}/api/v2"
    assert found.ws_url == f"{ws}/ws/api/v2"


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("DERIBIT_ENV", ["live", "papertestnet"]),
        (
            "MAX_DAILY_LOSS_PCT",
            ["0", "-0.1", "0.51", "2%", "0,02", "nan", "inf", "x", "0.0_2", "2e-2"],
        ),
        ("RISK_PER_TRADE_PCT", ["0", "1"]),
        ("PROTECTION_DEADLINE_SECONDS", ["0", "61", "nan", "3s"]),
        ("ORPHAN_SWEEP_SECONDS", ["0", "3_0"]),
        ("API_PORT", ["0", "65536", "http"]),
        ("PAPER_PORT", ["-1", "85_81"]),
        ("PAPER_SEED", ["1_0", "1.0"]),
        ("API_HOST", ["0.0.0.0", "10.1.2.3", "example.com", "::"]),  # noqa: S104 - refused
        ("INITIAL_EQUITY", ["0", "-1", "1e999999999", "1_000", "1 000", "+5"]),
        ("MAX_NOTIONAL_USD", ["0", "1e4", "10,000", "."]),
        ("MAX_OPEN_TRADES", ["0", "1.5", "101", "1_0", "+5", "\u0663"]),
        ("STOP_TRIGGER", ["mark"]),
        ("BRACKET", ["oco", "otoco,sequential"]),
        ("FOREIGN_POSITIONS", ["close"]),
        ("INSTRUMENTS", [",", "BTC", "BTC-PERPETUAL,btc-perpetual", "BTC-27MAR26"]),
        ("COLLECT_SYMBOLS", ["BTC/USDT", ","]),
        ("TIMEZONE", ["Mars/Olympus", "CEST"]),
        ("DAILY_REPORT_AT", ["24:00", "7:5", "noon"]),
        ("PAPER_FEED", ["live", "replay:", "replay:/no/such/file"]),
        ("STRATEGIES", ["momentum", "script:/no/such/file", "breakout,breakout", "breakout,none"]),
        ("DERIBIT_HTTP_URL", ["ws://x/api/v2", "127.0.0.1:8581", "http://", "http://x:99999"]),
        ("DERIBIT_WS_URL", ["http://x", "ws://us er/x", "wss://x/y?z=1"]),
        ("BINANCE_WS_URL", ["https://fstream.binance.com"]),
        ("TELEGRAM_API_URL", ["ftp://x"]),
        ("HEARTBEAT_URL", ["hc.example"]),
        ("LOG_LEVEL", ["LOUD"]),
        ("DATA_DIR", ["~/x", "~"]),
        ("LOG_DIR", ["~me/x"]),
        ("TELEGRAM_USER_IDS", ["@me", "1,two", "1_0"]),
        ("DERIBIT_CLIENT_ID", ["two words"]),
        ("API_TOKEN", ["schlüssel-zum-haus", "ключ", "two words", "a\x01b", "a\x7fb"]),
    ],
)
def test_insane_values_are_refused(key: str, values: list[str]) -> None:
    """A value outside what makes sense is refused under its own key, and nothing else is."""
    for value in values:
        assert list(problems(**{key: value})) == [key], value


def test_a_number_that_is_none_is_answered_with_its_limits() -> None:
    """Python reads 1_0 as ten, which nobody means."""
    assert problems(MAX_OPEN_TRADES="1_0") == {
        "MAX_OPEN_TRADES": 'MAX_OPEN_TRADES: "1_0" is not accepted; '
        "it must be a whole number from 1 to 100"
    }


def test_every_mistake_is_reported_at_once(tmp_path: Path) -> None:
    """One start tells all: the file's lines, unknown names, bad values and what is missing."""
    text = (
        "DERIBIT_ENV=prod\nMAX_DAILY_LOS_PCT=0.01\nAPI_PORT=0\nthis is no assignment\n"
        "STOP_RETRIES=3\nSTOP_RETRIES=4\nXYZZY=1\n"
    )
    with pytest.raises(SettingsInvalid) as caught:
        loaded(tmp_path, text, MAX_DAILY_LOSS_PCT="5")
    assert str(caught.value).splitlines() == [
        "The settings have 9 mistakes:",
        "  .env: line 4 is not NAME=value",
        "  STOP_RETRIES: it stands twice, in lines 5 and 6; keep one",
        "  MAX_DAILY_LOS_PCT: there is no such setting; did you mean MAX_DAILY_LOSS_PCT?",
        "  XYZZY: there is no such setting",
        f'  MAX_DAILY_LOSS_PCT: "5" is not accepted; it must be {kinds.FRACTION}',
        '  API_PORT: "0" is not accepted; it must be a whole number from 1 to 65535',
        "  DERIBIT_CLIENT_ID: needed when DERIBIT_ENV is prod",
        "  DERIBIT_CLIENT_SECRET: needed when DERIBIT_ENV is prod",
        "  STRATEGIES: name it when DERIBIT_ENV is prod: breakout, a script, or none",
    ]


def test_one_mistake_is_counted_as_one() -> None:
    """The message agrees with its number."""
    with pytest.raises(SettingsInvalid, match="have 1 mistake:\n"):
        load(NOWHERE, {"API_PORT": "0"})


@pytest.mark.parametrize(
    ("given", "key", "words"),
    [
        ({"DERIBIT_ENV": "testnet"}, "DERIBIT_CLIENT_SECRET", "needed when DERIBIT_ENV is testnet"),
        ({"TELEGRAM_BOT_TOKEN": TOKEN}, "TELEGRAM_CHAT_ID", "needed with TELEGRAM_BOT_TOKEN"),
        ({"TELEGRAM_CHAT_ID": "5"}, "TELEGRAM_BOT_TOKEN", "needed with TELEGRAM_CHAT_ID"),
        ({"TELEGRAM_USER_IDS": "5"}, "TELEGRAM_BOT_TOKEN", "needed with TELEGRAM_USER_IDS"),
        ({"TELEGRAM_USER_IDS": "5"}, "TELEGRAM_CHAT_ID", "needed with TELEGRAM_USER_IDS"),
        ({"API_PORT": "8581"}, "PAPER_PORT", "API_PORT is 8581 too"),
        (
            {
                **LIVE,
                "DERIBIT_ENV": "testnet",
                "DERIBIT_HTTP_URL": "https://www.deribit.com/api/v2",
            },
            "DERIBIT_HTTP_URL",
            "www.deribit.com is prod, but DERIBIT_ENV is testnet",
        ),
        (
            {"DERIBIT_WS_URL": "wss://deribit.com/ws/api/v2"},
            "DERIBIT_WS_URL",
            "deribit.com is prod, but DERIBIT_ENV is paper",
        ),
        (
            {**LIVE, "DERIBIT_ENV": "prod", "DERIBIT_WS_URL": "wss://test.deribit.com/ws/api/v2"},
            "DERIBIT_WS_URL",
            "is testnet, but DERIBIT_ENV is prod",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(given: dict[str, str], key: str, words: str) -> None:
    """Settings right one by one and wrong together are named with both sides."""
    assert words in problems(**given)[key]


def test_the_right_addresses_of_deribit_are_accepted() -> None:
    """Writing out a venue's own address changes nothing."""
    url = "https://test.deribit.com/api/v2"
    found = load(NOWHERE, {**LIVE, "DERIBIT_ENV": "testnet", "DERIBIT_HTTP_URL": url})
    assert found.http_url == url


def test_ports_matter_only_where_both_are_used() -> None:
    """With the exchange elsewhere its port is free for the API."""
    url = "http://127.0.0.1:8581/api/v2"
    assert load(NOWHERE, {"API_PORT": "8581", "DERIBIT_HTTP_URL": url}).api_port == 8581


def test_a_doubtful_venue_raises_no_second_alarm() -> None:
    """When the venue itself is misspelt, nothing is said about its credentials or its address."""
    url = "https://www.deribit.com/api/v2"
    found = problems(DERIBIT_ENV="pord", TELEGRAM_CHAT_ID="x", DERIBIT_HTTP_URL=url)
    assert list(found) == ["DERIBIT_ENV", "TELEGRAM_CHAT_ID"]


def test_keys_of_a_real_venue_are_no_log_in_to_the_paper_exchange() -> None:
    """Only a log-in that was named for paper is one there."""
    assert load(NOWHERE, LIVE).paper_login == ("id-12345", "canary-secret")
    for venue in ("testnet", "prod"):
        found = load(NOWHERE, {**LIVE, "DERIBIT_ENV": venue, "STRATEGIES": "none"})
        assert found.paper_login == ("paper", "paper")


@pytest.mark.parametrize(
    "given",
    [
        {"TELEGRAM_CHAT_ID": TOKEN},
        {"TELEGRAM_CHAT_ID": "canary-secret", "DERIBIT_CLIENT_SECRET": "canary-secret"},
        {"INSTRUMENTS": "canary-secret", "API_TOKEN": "canary-secret"},
        {"DERIBIT_CLIENT_SECRET": "canary secret with blanks"},
        {"DERIBIT_HTTP_URL": "https://me:canary@host/api/v2"},
        {"HEARTBEAT_URL": "canary"},
        {"API_TOKEN": "can ary", "TELEGRAM_USER_IDS": "x"},
    ],
)
def test_no_message_shows_a_secret(given: dict[str, str]) -> None:
    """Not even a secret pasted behind the wrong name appears in what is printed."""
    with pytest.raises(SettingsInvalid) as caught:
        load(NOWHERE, given)
    everything = str(caught.value) + repr(caught.value) + repr(caught.value.__context__)
    assert "canary" not in everything
    assert "can ary" not in everything
    assert "(hidden)" in everything


def test_a_misspelt_secret_in_the_file_is_not_shown(tmp_path: Path) -> None:
    """Neither the value of an unknown name nor an unreadable line is repeated."""
    with pytest.raises(SettingsInvalid) as caught:
        loaded(tmp_path, "DERIBIT_CLIENT_SECRTE=canary\nAPI TOKEN=canary\n")
    assert "canary" not in str(caught.value)
    assert "did you mean DERIBIT_CLIENT_SECRET?" in str(caught.value)


def test_odd_text_is_shown_readably() -> None:
    """Unprintable and very long values are shortened and escaped."""
    assert '"' + "9" * 60 + '..."' in problems(API_PORT="9" * 500)["API_PORT"]
    assert r"'\x1b[31m'" in problems(API_PORT="\x1b[31m")["API_PORT"]


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbfMAX_OPEN_TRADES=4\r\nAPI_TOKEN='a#$B{c}${HOME}'\r\n",
        b"# comment\n\nexport max_open_trades = 4 # four\n\nAPI_TOKEN=a#$B{c}${HOME}\n\n",
    ],
)
def test_files_of_any_editor_are_read(tmp_path: Path, text: bytes) -> None:
    """Byte order mark, CRLF, comments, quotes and `export` are fine; `$` is plain text."""
    found = loaded(tmp_path, text)
    assert found.max_open_trades == 4
    assert found.api_token == SecretStr("a#$B{c}${HOME}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"A=1\nAPI_TOKEN=\xe4\n", ".env: line 2 is not UTF-8 text"),
        ("MAX_OPEN_TRADES=4\n".encode("utf-16"), ".env: line 1 is not UTF-8 text"),
        ("MAX_OPEN_TRADES=4\n".encode("utf-16-le"), ".env: it is not UTF-8 text"),
        (b"\n\nMAX_OPEN_TRADES\n", ".env: line 3 is not NAME=value"),
        (b"\n\nAPI_TOKEN='open\n", ".env: line 3 is not NAME=value"),
        (b"=4\n", ".env: line 1 is not NAME=value"),
    ],
)
def test_a_broken_file_is_one_clear_problem(tmp_path: Path, text: bytes, words: str) -> None:
    """What cannot be read as assignments is said with its line, once."""
    with pytest.raises(SettingsInvalid) as caught:
        loaded(tmp_path, text)
    assert len(caught.value.problems) == 1
    assert words in str(caught.value)


def test_a_file_that_cannot_be_opened_is_a_problem(tmp_path: Path) -> None:
    """A folder in the place of the file is reported, not raised."""
    with pytest.raises(SettingsInvalid, match="cannot be read"):
        load(tmp_path, {})


def test_the_description_hides_secrets_and_reads_back() -> None:
    """Every setting is described; what is shown, given again, means the same."""
    found = load(NOWHERE, {**LIVE, "DERIBIT_ENV": "testnet", "STRATEGIES": "none"})
    rows = {row.key: row for row in describe(found)}
    assert len(rows) == len(Settings.model_fields)
    assert rows["DERIBIT_CLIENT_SECRET"].value == "(hidden)"
    assert rows["DERIBIT_CLIENT_SECRET"].default == ""
    assert rows["STRATEGIES"].value == "none"
    assert rows["PROTECTION_DEADLINE_SECONDS"].value == "3"
    assert rows["DAILY_REPORT_AT"].value == "23:50"
    assert all(row.meaning and row.allowed and row.group for row in rows.values())
    again = {row.key: row.value for row in rows.values() if row.value != "(hidden)"}
    assert load(NOWHERE, {**again, "DERIBIT_CLIENT_SECRET": "canary-secret"}) == found


def test_every_secret_is_known_to_be_one() -> None:
    """A setting typed as a secret is hidden, and no other is."""

    def holds_secret(annotation: object) -> bool:
        return annotation is SecretStr or any(map(holds_secret, get_args(annotation)))

    typed = {
        name.upper()
        for name, field in Settings.model_fields.items()
        if holds_secret(field.annotation)
    }
    long = dict.fromkeys(typed, "with blank and canary")
    assert set(problems(**long)) >= typed
    assert all("(hidden)" in line for key, line in problems(**long).items() if key in typed)


@settings(max_examples=60)
@given(
    st.dictionaries(
        st.sampled_from([name.upper() for name in Settings.model_fields]),
        st.text(st.characters(blacklist_categories=("Cs",)), max_size=12)
        | st.sampled_from(["prod", "1", "0.5", "http://x", "a,b", "replay:x"]),
        max_size=8,
    )
)
def test_any_text_is_a_value_or_a_reported_mistake(environ: dict[str, str]) -> None:
    """Whatever is given, the answer is settings or named problems, never another failure."""
    with contextlib.suppress(SettingsInvalid):
        load(NOWHERE, environ)
