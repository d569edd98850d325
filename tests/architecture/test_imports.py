"""What the import contracts of `setup.cfg` cannot say."""

import ast
from collections.abc import Iterator

from tests.architecture.code import PACKAGES, Source, lines, sources


def imported(source: Source) -> Iterator[tuple[Source, ast.AST, str]]:
    """Every module named in an import, those inside functions and type checks too."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield source, node, alias.name
        elif isinstance(node, ast.ImportFrom):
            yield source, node, node.module or "."


def test_pykka_stays_in_the_kernel_and_the_simulation() -> None:
    """Everyone else knows addresses, messages and futures by the kernel's own names."""
    found = [
        each
        for source in sources(*PACKAGES, "run.py")
        if not source.path.startswith(("actors/kernel/", "simulation/"))
        for each in imported(source)
        if each[2].split(".")[0] == "pykka"
    ]
    assert lines(found) == []


def test_imports_are_absolute() -> None:
    """A relative import would pass the walks of these tests by."""
    found = [
        (source, node, "relative import")
        for source in sources(*PACKAGES, "run.py")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert lines(found) == []
