"""The arguments of the table of commands as models: what the API's description is made of."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from domain.arguments import Argument, Kind
from domain.commands import CommandSpec

_POSITIVE = r"([1-9][0-9]{0,11}(\.[0-9]{1,15})?|0\.[0-9]{0,7}[1-9][0-9]{0,7})"
_PATTERNS = {
    Kind.INSTRUMENT: r"^[A-Z0-9]{1,16}(_[A-Z]{3,5})?-PERPETUAL$",
    Kind.QUANTITY: rf"^{_POSITIVE}(coin|usd|contracts)?$",
    Kind.PRICE: rf"^{_POSITIVE}$",
    Kind.TRADE_ID: r"^[a-z0-9-]{1,40}$",
    Kind.TARGET: r"^([a-z0-9-]{1,40}|[A-Z0-9]{1,16}(_[A-Z]{3,5})?-PERPETUAL)$",
    Kind.SIDE: r"^(buy|sell)$",
    Kind.WORD: r"^[a-z_]{1,32}$",
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
    pattern = _PATTERNS.get(argument.kind) or f"^({'|'.join(argument.choices)})$"
    kind: Any = str if default is not None else str | None
    return kind, Field(default, pattern=pattern, description=argument.help)
