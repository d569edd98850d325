"""The README's settings table is made from the settings and stays in step with them."""

from pathlib import Path

from config.table import render

README = Path(__file__).parents[2] / "README.md"


def test_the_readme_has_the_table_of_today() -> None:
    """`python -m config.table` between the markers would change nothing."""
    text = README.read_text(encoding="utf-8")
    table = text.split("<!-- settings -->\n", 1)[1].split("<!-- /settings -->", 1)[0]
    assert table == render()
