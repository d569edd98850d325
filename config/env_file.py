"""Reading ``.env`` so that nothing in it is silently passed over.

The usual readers skip lines they cannot parse, let a second assignment win and fill in
``${NAME}`` from the environment. In a file of risk limits each of these is a mistake to
report (or, for ``${``, plain text that may well be part of a secret).
"""

import io
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from config.invalid import Problem

_BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"


def read_env_file(path: Path) -> tuple[dict[str, str], list[Problem]]:
    """The assignments in ``path`` by upper-case name, and what is wrong with the file.

    A missing file is an empty one. Names assigned nothing (``NAME=``) are left out.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return {}, []
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        return {}, [_about(path, f"line {line} is not UTF-8 text; save the file as UTF-8")]
    except OSError as error:
        return {}, [_about(path, f"it cannot be read ({error.strerror})")]
    if "\0" in text:
        return {}, [_about(path, "it is not UTF-8 text; save the file as UTF-8")]
    return _assignments(path, text.removeprefix(_BYTE_ORDER_MARK))


def _assignments(path: Path, text: str) -> tuple[dict[str, str], list[Problem]]:
    values: dict[str, str] = {}
    lines: dict[str, int] = {}
    problems: list[Problem] = []
    for binding in parse_stream(io.StringIO(text, newline=None)):
        line = binding.original.line
        if binding.error or (binding.key is not None and binding.value is None):
            problems.append(_about(path, f"line {_first(binding)} is not NAME=value"))
        elif binding.key is not None and binding.value is not None:
            key = binding.key.upper()
            if key in lines:
                where = f"it stands twice, in lines {lines[key]} and {line}; keep one"
                problems.append(Problem(key=key, given=None, explanation=where))
            lines[key] = line
            values[key] = binding.value.strip()
    return {key: value for key, value in values.items() if value}, problems


def _first(binding: Binding) -> int:
    """The line the text itself stands on: the parser counts blank lines before it as its own."""
    text = binding.original.string
    return binding.original.line + len(text[: -len(text.lstrip())].splitlines())


def _about(path: Path, explanation: str) -> Problem:
    return Problem(key=path.name, given=None, explanation=explanation)
