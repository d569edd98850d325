"""Help, and what is wrong with a command line, whose output nobody takes.

The libraries that print them end with 1 then, or with a traceback, whatever the code was to be.
"""

import sys
from collections.abc import Generator
from contextlib import contextmanager

HELP = frozenset({"-h", "--help"})


@contextmanager
def unheard(words: list[str]) -> Generator[None]:
    """Within it the command line ``words`` ends with its own code. Commands see to theirs."""
    try:
        yield
    except (OSError, SystemExit) as end:
        error = end if isinstance(end, OSError) else end.__context__
        if not isinstance(error, OSError):
            raise
        code = _misuse(error)
        if code is None and HELP.isdisjoint(words):
            raise
        from commands.common import settle  # noqa: PLC0415 (half a second, for an end that is rare)

        is_well = settle(error)
        sys.exit(code or int(not is_well))


def _misuse(error: BaseException | None) -> int | None:
    """The code of the misuse that was being told when the output failed."""
    while error is not None:
        code = getattr(error, "exit_code", None)
        if code is not None:
            return int(code)
        error = error.__context__
    return None
