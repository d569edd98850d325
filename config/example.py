"""The text of ``.env.example``, made from the settings themselves.

``python -m config.example > config/.env.example`` renews it.
"""

import sys

from config.model import Settings
from config.settings import describe

_HEAD = """\
# Bulwark's settings. Copy this file to .env and change what you need; every line shows the
# default, an empty value means none. Environment variables win over this file. It is read at
# every start, and a start with a mistake in it ends at once, naming all of them.
"""


def render() -> str:
    """Every setting with its default, under its meaning and what it may be."""
    lines = [_HEAD]
    group = ""
    for row in describe(Settings()):
        if row.group != group:
            group = row.group
            lines.append(f"# --- {group} ---\n")
        lines.append(f"# {row.meaning}\n#   {row.allowed}\n{row.key}={row.default}\n")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(render())
