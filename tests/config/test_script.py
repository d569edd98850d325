"""Reading scripts: numbers keep their digits, mistakes are named."""

from pathlib import Path

import pytest

from config.script import ScriptInvalid, read_script


def _file(folder: Path, text: str) -> Path:
    path = folder / "drill.json"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_script_is_read_with_every_digit(tmp_path: Path) -> None:
    """Numbers and texts both become the text of the number."""
    line = (
        '{"after": 2, "instrument_name": "BTC-PERPETUAL", "direction": "buy",'
        ' "quantity": 0.10, "stop_loss": "-1%", "take_profit": 101000.50}'
    )
    (only,) = read_script(_file(tmp_path, f"[{line}]"))
    assert (only.quantity, only.stop_loss, only.take_profit) == ("0.10", "-1%", "101000.50")
    assert (only.after, only.entry_type, only.price, only.label) == (2.0, "market", None, "")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{", "no JSON"),
        ("{}", "list"),
        ('[{"direction": "buy", "quantity": "1"}]', "0.instrument_name"),
        ('[{"instrument_name": "X", "direction": "buy", "quantity": true}]', "0.quantity"),
        ('[{"instrument_name": "X", "direction": "buy", "quantity": 1, "sl": 2}]', "0.sl"),
        ('[{"after": -1, "instrument_name": "X", "direction": "b", "quantity": 1}]', "0.after"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, text: str, named: str) -> None:
    """The error says which file, which line and which field."""
    path = _file(tmp_path, text)
    with pytest.raises(ScriptInvalid) as caught:
        read_script(path)
    assert str(path) in str(caught.value)
    assert named in str(caught.value)


def test_a_missing_script_is_named(tmp_path: Path) -> None:
    """A file that is not there is one clear error."""
    with pytest.raises(ScriptInvalid, match="No such file"):
        read_script(tmp_path / "nothing.json")
