"""The command line as a person explores it."""

import signal
from contextlib import ExitStack
from pathlib import Path

from tests.endtoend.bulwark import Process


def run(folder: Path, *calls: tuple[str, ...]) -> list[tuple[int, str]]:
    """Exit code and output of each call; they run side by side."""
    with ExitStack() as stack:
        processes = [
            stack.enter_context(Process(folder / str(number), call, {"COLUMNS": 100}))
            for number, call in enumerate(calls)
        ]
        return [(process.wait(), process.printed()) for process in processes]


def test_help_shows_an_example_and_version_the_version(tmp_path: Path) -> None:
    """Every help ends with one example; all exit 0 and make no file."""
    general, exchange, version = run(tmp_path, ("--help",), ("exchange", "--help"), ("--version",))
    assert general[0] == exchange[0] == version[0] == 0
    assert "Example: python run.py " in general[1]
    assert "Example: python run.py exchange --speed 10" in exchange[1]
    assert version[1] == "bulwark 0.1.0\n"
    assert not [path for path in tmp_path.rglob("*") if path.name in {"data", "logs"}]


def test_a_wrong_option_is_a_usage_error(tmp_path: Path) -> None:
    """Exit 2, the option by name, and where help is."""
    wrong = {("--nonsense",): "--nonsense", ("exchange", "--port", "70000"): "--port"}
    for (code, printed), named in zip(run(tmp_path, *wrong), wrong.values(), strict=True):
        assert code == 2
        assert named in printed
        assert "-h' for help" in printed
        assert "Traceback" not in printed


def test_ctrl_c_before_the_program_is_read_ends_it_without_a_traceback(tmp_path: Path) -> None:
    """A library that presses Ctrl-C while it is imported stands for a quick hand."""
    (tmp_path / "typer.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    with Process(tmp_path, (), {"PYTHONPATH": tmp_path}) as process:
        assert process.wait() == -signal.SIGINT  # which a shell tells as 130
        assert process.printed() == ""


def test_a_missing_library_is_named_with_the_cure(tmp_path: Path) -> None:
    """Another Python than that of .venv, or a .venv of another version: no traceback."""
    (tmp_path / "typer.py").write_text("import a_library_of_next_year\n")
    with Process(tmp_path, (), {"PYTHONPATH": tmp_path}) as process:
        assert process.wait() == 1
        assert "the library a_library_of_next_year is not in" in process.printed()
        assert "make install" in process.printed()
        assert "Traceback" not in process.printed()


def test_values_the_exchange_cannot_use_are_named(tmp_path: Path) -> None:
    """Exit 78, as for settings: the option or the value that is wrong."""
    wrong = {
        ("--speed", "nan"): "--speed is a number, not 'nan'",
        ("--balance", "BTC"): "--balance is a currency and an amount, such as BTC=1, not 'BTC'",
        ("--taker-fee", "0.5"): "the taker fee is a fraction up to 0.01, not 0.5",
        ("--switch", "passed_trigger=burn"): "passed_trigger is refuse or fire, not 'burn'",
        ("--feed", "replay:not-here.gz"): "not-here.gz",
        ("--faults", "not-here.toml"): "not-here.toml has 1 mistake",
    }
    calls = [("exchange", "--port", "0", *option) for option in wrong]
    for (code, printed), said in zip(run(tmp_path, *calls), wrong.values(), strict=True):
        assert code == 78
        assert said in printed
        assert "Traceback" not in printed
