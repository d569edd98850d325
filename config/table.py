"""The settings as the README's table, made from the settings themselves.

``python -m config.table`` prints what belongs between the README's markers.
"""

import sys

from config.model import Settings
from config.settings import describe


def render() -> str:
    """A Markdown table of every setting with its default and meaning."""
    lines = ["| setting | default | meaning | allowed |", "|---|---|---|---|"]
    for row in describe(Settings()):
        default = f"`{row.default}`" if row.default else ""
        lines.append(f"| `{row.key}` | {default} | {row.meaning} | {row.allowed} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(render())
