"""The text of ``.env.example``, made from the settings themselves.

``python -m config.example > config/.env.example`` renews it.
"""

import sys

from config.model import Settings
from config.settings import Row, describe

_HEAD = """\
# Bulwark's settings. Copy this file to .env and change what you need; every line shows the
# default, and an empty value counts as not given. Environment variables win over this file. It is
# read at every start, and a start with a mistake in it ends at once, naming all of them.
"""
_NAMED = {
    "STRATEGIES": "no default with DERIBIT_ENV=prod: a person names what trades real money",
    "MAX_NOTIONAL_USD": "on paper trades are small until this or RISK_PER_TRADE_PCT is named",
    "RISK_PER_TRADE_PCT": "on paper trades are small until this or MAX_NOTIONAL_USD is named",
}
"""It makes a difference whether a person wrote these: so a copy of the file must not write them."""


def render() -> str:
    """Every setting with its default, under its meaning and what it may be."""
    lines = [_HEAD]
    group = ""
    for row in describe(Settings()):
        if row.group != group:
            group = row.group
            lines.append(f"# --- {group} ---\n")
        lines.append(f"# {row.meaning}\n#   {row.allowed}\n{_given(row)}\n")
    return "\n".join(lines)


def _given(row: Row) -> str:
    why = _NAMED.get(row.key)
    if why is None:
        return f"{row.key}={row.default}"
    return f"#   empty: {row.default}; {why}\n{row.key}="


if __name__ == "__main__":
    sys.stdout.write(render())
