"""Secrets do not get out, by value, by name, or by shape."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.redaction import Redactor, tells_secret

CANARY = 'canary/"se\\cret+é'


def redacted(redactor: Redactor, value: object) -> str:
    """What would be written of ``value``."""
    line = orjson.dumps(value)
    if redactor.suspects(line):
        line = orjson.dumps(redactor.scrub(orjson.loads(line)))
    return line.decode()


@pytest.mark.parametrize(
    "text",
    [
        CANARY,
        f"before {CANARY} after",
        repr({"a": CANARY}),
        "GET /x?key=canary%2F%22se%5Ccret%2B%C3%A9",
        "GET /x?key=canary/%22se%5Ccret%2B%C3%A9",
    ],
)
def test_a_registered_value_is_hidden_in_every_form(text: str) -> None:
    """Raw, quoted, escaped or URL-encoded, at any depth and even as a key."""
    redactor = Redactor()
    redactor.register(CANARY)
    for value in ({"a": text}, {text: 1}, {"a": [{"b": [text]}]}):
        assert "canary" not in redacted(redactor, value)
        assert "(hidden)" in redacted(redactor, value)


def test_a_value_of_digits_is_hidden_in_numbers_too() -> None:
    """A secret that looks like a number leaves valid JSON behind."""
    redactor = Redactor()
    redactor.register("12345678")
    line = redacted(redactor, {"a": 12345678, "b": 99.5, "c": None, "d": True, "e": "x"})
    assert orjson.loads(line) == {"a": "(hidden)", "b": 99.5, "c": None, "d": True, "e": "x"}


def test_a_secret_inside_another_leaves_no_rest() -> None:
    """The longer one is hidden first."""
    redactor = Redactor()
    redactor.register("canary")
    redactor.register("canary-long")
    assert redactor.text("canary-long canary") == "(hidden) (hidden)"


def test_very_short_values_are_not_hidden_by_value() -> None:
    """A three-letter secret would blot out the log; it is hidden by name only."""
    redactor = Redactor()
    redactor.register("buy")
    assert redacted(redactor, {"side": "buy", "api_token": "buy"}) == (
        '{"side":"buy","api_token":"(hidden)"}'
    )


def test_forgotten_secrets_are_plain_text_again() -> None:
    """Forgetting undoes registering."""
    redactor = Redactor()
    redactor.register("canary")
    redactor.forget()
    assert redactor.text("canary") == "canary"


@pytest.mark.parametrize(
    "name",
    ["access_token", "TOKEN", "client_secret", "password", "Authorization", "apiKey", "set-cookie"],
)
def test_names_of_secrets_hide_their_values(name: str) -> None:
    """Text, lists and objects under such a name are hidden; counts and nothing are not."""
    redactor = Redactor()
    assert tells_secret(name)
    for value in ("canary", ["canary"], {"x": "canary"}):
        assert redacted(redactor, {"deep": [{name: value}]}) == (
            f'{{"deep":[{{"{name}":"(hidden)"}}]}}'
        )
    assert redacted(redactor, {name: 5}) == f'{{"{name}":5}}'
    assert redacted(redactor, {name: None}) == f'{{"{name}":null}}'


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer canary-canary",
        "authorization='Basic Y2FuYXJ5canary'",
        "sent with bearer canary.canary",
        "POST https://api.telegram.org/bot12345:canary_canary/sendMessage",
        'frame {"access_token":"canary","scope":"x"}',
        r'frame "{\"client_secret\": \"canary\"}"',
        "https://venue/api?token=canary&x=1",
        "PASSWORD=canary",
        "https://me:canary@venue/api",
    ],
)
def test_shapes_of_secrets_hide_what_was_never_registered(text: str) -> None:
    """Tokens the venue handed out are hidden by what stands around them."""
    assert "canary" not in redacted(Redactor(), {"event": text})
    assert "(hidden)" in redacted(Redactor(), {"event": text})


@pytest.mark.parametrize(
    "text",
    ["token_refreshed", "tokens left: 12", "stop placed @ 61234.5", "/bot.log rotated", "secret"],
)
def test_ordinary_words_stay(text: str) -> None:
    """Event names and messages that only resemble are left alone."""
    assert redacted(Redactor(), {"event": text}) == f'{{"event":"{text}"}}'


@given(
    secret=st.text(st.characters(exclude_categories=("Cs",)), min_size=4, max_size=12),
    before=st.text(st.characters(exclude_categories=("Cs",)), max_size=5),
)
def test_no_registered_value_survives(secret: str, before: str) -> None:
    """Whatever a secret is made of, the written line does not contain it as a value."""
    redactor = Redactor()
    redactor.register(secret)
    written = orjson.loads(redacted(redactor, {"event": before + secret + before}))["event"]
    assert secret not in written.replace("(hidden)", "\0")
