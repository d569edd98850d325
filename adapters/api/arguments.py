"""The arguments of the table of commands as models: what the API's description is made of.

The grammar is that of every door (`domain.arguments`). The patterns describe how programs should
write it; they refuse nothing.
"""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model
from pydantic_core import PydanticCustomError

from domain.arguments import Argument, BadArguments, Kind, values_of
from domain.commands import CommandSpec

_POSITIVE = r"([1-9][0-9]{0,11}(\.[0-9]{1,15})?|0\.[0-9]{0,7}[1-9][0-9]{0,7})"
_PATTERNS = {
    Kind.INSTRUMENT: r"[A-Z0-9]{1,16}(_[A-Z]{3,5})?-PERPETUAL",
    Kind.QUANTITY: rf"{_POSITIVE}(coin|usd|contracts)?",
    Kind.PRICE: _POSITIVE,
    Kind.TRADE_ID: r"[a-z0-9-]{1,40}",
    Kind.TARGET: r"[a-z0-9-]{1,40}|[A-Z0-9]{1,16}(_[A-Z]{3,5})?-PERPETUAL",
    Kind.SIDE: r"buy|sell",
    Kind.WORD: r"/?[a-zA-Z_]{1,32}",
}


def arguments_model(spec: CommandSpec) -> type[BaseModel]:
    """The command's arguments as a model, from the table."""
    fields: dict[str, Any] = {}
    for argument in spec.arguments:
        fields[argument.name] = _field(argument)
    model: type[BaseModel] = create_model(
        f"{spec.name.title()}Arguments", __config__=ConfigDict(extra="forbid"), **fields
    )
    return model


def _field(argument: Argument) -> tuple[Any, Any]:
    default = ... if argument.is_required else (argument.default or None)
    if argument.kind is Kind.COUNT:
        first = int(argument.default or 1)
        return int, Field(first, ge=1, le=argument.most, description=argument.help)
    core = _PATTERNS.get(argument.kind) or "|".join(argument.choices)
    pattern = f"^({core})$" if argument.is_required else f"^({core})?$"
    described = Field(json_schema_extra={"pattern": pattern})
    text: Any = Annotated[str, AfterValidator(_understood(argument)), described]
    kind = text if default is not None else text | None
    return kind, Field(default, description=argument.help)


def _understood(argument: Argument) -> Callable[[str], str]:
    """The text as it came, if it can be read; why not is said without repeating it."""

    def check(text: str) -> str:
        try:
            values_of((argument,), {argument.name: text})
        except BadArguments as error:
            why = f"not {error.should}" if error.should else str(error)
            raise PydanticCustomError("bad_argument", "{why}", {"why": why}) from error
        return text

    return check
