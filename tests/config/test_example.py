"""The example file is made from the settings and stays in step with them."""

import runpy
from pathlib import Path

import pytest

from commands.plan import plan_of
from config.settings import Settings, SettingsInvalid, load

EXAMPLE = Path(__file__).parents[2] / "config" / ".env.example"


def test_the_example_is_in_step(capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m config.example > config/.env.example` would change nothing."""
    runpy.run_module("config.example", run_name="__main__")
    assert capsys.readouterr().out == EXAMPLE.read_text(encoding="utf-8")


def test_the_example_means_the_defaults() -> None:
    """A copy of the example behaves like no file at all."""
    assert load(EXAMPLE, {}) == load(Path("/nonexistent/.env"), {})


def test_a_copy_of_the_example_names_nothing_on_a_persons_behalf(tmp_path: Path) -> None:
    """With real money a copy still asks for STRATEGIES, and on paper its trades are small."""
    real = {"DERIBIT_ENV": "prod", "DERIBIT_CLIENT_ID": "x", "DERIBIT_CLIENT_SECRET": "y"}
    with pytest.raises(SettingsInvalid, match="STRATEGIES"):
        load(EXAMPLE, real)
    assert plan_of(load(EXAMPLE, {}), ()) == plan_of(load(tmp_path / ".env", {}), ())


def test_the_example_names_every_setting() -> None:
    """Each setting stands in it once, with a value or empty."""
    names = [
        line.partition("=")[0]
        for line in EXAMPLE.read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    assert names == [name.upper() for name in Settings.model_fields]
