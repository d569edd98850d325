"""Fault plans as text: TOML files, JSON of the control endpoint, and back.

Every mistake is reported at once, each with the file, the table and the key.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import fields
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from adapters.paper.faults.plan import AnyFault, FaultPlan

LARGEST_FILE = 1_000_000
KINDS: Mapping[str, type[Any]] = {
    str(next(each.default for each in fields(kind) if each.name == "kind")): kind
    for kind in get_args(get_args(AnyFault)[0])
}
"""Every kind of fault by the name it has in a plan."""


class PlanInvalid(Exception):
    """A fault plan is of no use. ``mistakes`` are sentences, each with where it is."""

    def __init__(self, source: str, mistakes: tuple[str, ...]) -> None:
        super().__init__(source, mistakes)
        self.source = source
        self.mistakes = mistakes

    def __str__(self) -> str:
        count = "1 mistake" if len(self.mistakes) == 1 else f"{len(self.mistakes)} mistakes"
        return "\n".join([f"{self.source} has {count}:", *(f"  {each}" for each in self.mistakes)])


@cache
def _reader() -> TypeAdapter[FaultPlan]:
    return TypeAdapter(FaultPlan)


def read_plan(path: Path) -> FaultPlan:
    """The plan in a TOML file.

    Raises:
        PlanInvalid: no such file, no TOML, or tables that are not as they should be.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise PlanInvalid(str(path), ("larger than a megabyte",))
        text = path.read_bytes().decode()
    except OSError as error:
        raise PlanInvalid(str(path), (f"cannot be read: {error.strerror}",)) from error
    except UnicodeDecodeError:
        raise PlanInvalid(str(path), ("is not UTF-8",)) from None
    return parse_plan(text, str(path))


def parse_plan(text: str, source: str = "the fault plan") -> FaultPlan:
    """The plan in a TOML text; ``source`` is how a message calls it.

    Raises:
        PlanInvalid: no TOML, or tables that are not as they should be.
    """
    try:
        tables = tomllib.loads(text, parse_float=Decimal)
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise PlanInvalid(source, (f"is not TOML: {error}",)) from error
    return plan_from(tables, source)


def plan_from(tables: Mapping[str, Any], source: str = "the fault plan") -> FaultPlan:
    """The plan in plain values, as of TOML or JSON; faults without a name get one.

    Raises:
        PlanInvalid: they are not as they should be.
    """
    try:
        return _reader().validate_python(tables).named()
    except ValidationError as error:
        told = (_sentence(each, tables) for each in error.errors(include_url=False))
        raise PlanInvalid(source, tuple(dict.fromkeys(told))) from None


def plain(plan: FaultPlan) -> dict[str, Any]:
    """The plan as plain values that `plan_from` reads; defaults are left out."""
    tables: dict[str, Any] = _reader().dump_python(plan, mode="json", exclude_defaults=True)
    # What tells the kinds apart is a default of each.
    faults = tables.get("fault", [])
    told = [{"kind": x.kind, **row} for x, row in zip(plan.fault, faults, strict=True)]
    return {**tables, "fault": told} if told else tables


def to_toml(plan: FaultPlan) -> str:
    """The plan as a TOML file."""
    tables = plain(plan)
    lines = [f"seed = {tables['seed']}", ""] if "seed" in tables else []
    for row in tables.get("fault", []):
        lines += ["[[fault]]", *(f"{key} = {_toml(value)}" for key, value in row.items()), ""]
    return "\n".join(lines)


def _toml(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return _quoted(value)
        case list():
            return f"[{', '.join(_toml(each) for each in value)}]"  # pyright: ignore[reportUnknownVariableType] (plain values)
        case dict():
            pairs = (f"{key} = {_toml(each)}" for key, each in value.items())  # pyright: ignore[reportUnknownVariableType] (plain values)
            return f"{{ {', '.join(pairs)} }}"
        case _:
            return str(value)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(x if x.isprintable() else f"\\U{ord(x):08x}" for x in escaped) + '"'


# -- mistakes in words -----------------------------------------------------------------------------


def _sentence(mistake: ErrorDetails, tables: object) -> str:
    """Where, and what is wrong there."""
    return f"{_place(mistake['loc'], tables)}: {_words(mistake)}"


def _place(loc: tuple[int | str, ...], tables: object) -> str:
    """``fault 2 (lost replies), probability``: tables are counted from 1, kinds left out."""
    if len(loc) < 2 or loc[0] != "fault" or not isinstance(loc[1], int):
        return ", ".join(str(each) for each in loc) or "the plan"
    kind, rest = loc[2:3], [str(x) if isinstance(x, str) else str(x + 1) for x in loc[3:]]
    name = _name(tables, loc[1]) or (str(kind[0]) if kind else "")
    return ", ".join([f"fault {loc[1] + 1}" + (f" ({name})" if name else ""), *rest])


def _name(tables: Any, index: int) -> str:
    name = tables["fault"][index].get("name") if isinstance(tables["fault"][index], dict) else None
    return name if isinstance(name, str) and name.isprintable() else ""


def _words(mistake: ErrorDetails) -> str:
    match mistake["type"]:
        case "unexpected_keyword_argument" | "extra_forbidden":
            return f"there is no such key; {_keys(mistake['loc'])}"
        case "union_tag_invalid":
            return f"there is no such kind; kinds are {', '.join(KINDS)}"
        case "union_tag_not_found":
            return f"needs a kind: {', '.join(KINDS)}"
        case "missing" | "missing_argument" | "missing_keyword_only_argument":
            return "must be given"
        case "value_error":
            return mistake["msg"].removeprefix("Value error, ")
        case _:
            return mistake["msg"][:1].lower() + mistake["msg"][1:]


def _keys(loc: tuple[int | str, ...]) -> str:
    kind = KINDS.get(str(loc[2])) if len(loc) == 4 else None
    if kind is None:
        return "look at the example in docs/faults.md"
    return f"keys of {loc[2]} are {', '.join(each.name for each in fields(kind))}"
