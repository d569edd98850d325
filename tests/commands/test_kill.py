"""`run.py kill` with settings that are not all right."""

from pathlib import Path

import pytest

from commands import kill
from config.settings import Settings
from tests.adapters.api.fakes import TOKEN, FakeDesk, Running
from tests.adapters.paper.serving import running
from tests.commands.running import run
from tests.endtoend.bulwark import free_port


def test_a_mistake_that_concerns_no_kill_holds_up_none(tmp_path: Path) -> None:
    """It is said, and the daemon is told to kill; without one the account is closed."""
    (tmp_path / ".env").write_text("MAX_OPEN_TRADES=abc\nSTRATEGIES=nothing\n", "utf-8")
    api = Running(FakeDesk())
    port = int(api.address.rpartition(":")[2])
    settings = {"API_PORT": port, "API_TOKEN": TOKEN}
    given = run(tmp_path, "kill", "--wait", "0", settings=settings)
    api.close()
    assert (given.code, given.output[:5]) == (0, "fine\n")
    assert 'MAX_OPEN_TRADES: "abc" is not accepted' in given.errors
    assert "which goes on" in given.errors
    with running(tmp_path / "venue") as venue:
        ran = run(tmp_path, "kill", "--direct", settings={"PAPER_PORT": venue.port})
    assert ran.code == 0, ran
    assert "Verified flat" in ran.output
    assert "STRATEGIES" in ran.errors


@pytest.mark.parametrize(
    "line",
    ["DERIBIT_ENV=pord", "DERIBIT_EVN=prod", "INSTRUMENTS=BTC", "DATA_DIR=~/x", "no assignment"],
)
@pytest.mark.parametrize("options", [(), ("--direct",)])
def test_what_may_mean_another_account_is_not_guessed(
    tmp_path: Path, line: str, options: tuple[str, ...]
) -> None:
    """With the default in its place another one would be verified flat."""
    (tmp_path / ".env").write_text(f"{line}\nMAX_OPEN_TRADES=abc\n", "utf-8")
    settings = {"API_PORT": free_port(), "PAPER_PORT": free_port()}
    assert run(tmp_path, "kill", *options, settings=settings).code == 78


def test_every_name_that_concerns_a_kill_is_a_setting() -> None:
    """One that was renamed would concern it no more."""
    assert {x.lower() for x in kill.NEEDED} <= set(Settings.model_fields)
