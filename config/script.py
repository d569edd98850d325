"""Reading a script of trades: ``STRATEGIES=script:<file.json>``.

A list of objects with the arguments of ``execute_generic_trade`` and ``after``, seconds since
ready. What a line asks for is judged when it is played; only its form is judged here.
"""

import json
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from domain.strategies import ScriptLine


class ScriptInvalid(Exception):
    """The script cannot be read; the text names the file and every mistake."""


def _text(value: Any) -> Any:
    """Numbers may be written as numbers or as text; inside they are text, digit by digit."""
    return str(value) if isinstance(value, int | Decimal) and not isinstance(value, bool) else value


Number = Annotated[str, BeforeValidator(_text)]


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid")

    after: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    instrument_name: str
    direction: str
    quantity: Number
    entry_type: str = "market"
    price: Number | None = None
    stop_loss: Number | None = None
    take_profit: Number | None = None
    label: str = ""
    break_even_at: Number | None = None
    trail: Number | None = None


_LINES = TypeAdapter(list[_Line])


def read_script(path: Path) -> tuple[ScriptLine, ...]:
    """The lines of a script, in the order of the file.

    Raises:
        ScriptInvalid: no such file, no JSON, or lines that are not as they should be.
    """
    try:
        raw = json.loads(path.read_text("utf-8"), parse_float=Decimal)
        lines = _LINES.validate_python(raw)
    except OSError as error:
        raise ScriptInvalid(f"{path}: {error.strerror}") from error
    except ValidationError as error:
        mistakes = "; ".join(
            f"{'.'.join(str(part) for part in mistake['loc'])}: {mistake['msg']}"
            for mistake in error.errors()
        )
        raise ScriptInvalid(f"{path}: {mistakes}") from error
    except ValueError as error:
        raise ScriptInvalid(f"{path} is no JSON: {error}") from error
    return tuple(ScriptLine(**line.model_dump()) for line in lines)
