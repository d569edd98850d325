"""The project's own source, found by walking: modules that come later are covered unasked."""

import ast
import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
PACKAGES = ("domain", "actors", "adapters", "config", "commands", "simulation")


@dataclass(frozen=True, slots=True)
class Source:
    """One module: its dotted name, its path below the root, and its tree."""

    name: str
    path: str
    tree: ast.Module


@cache
def parse(text: str, path: str) -> Source:
    """A module from its text; the same for the same text, so many tests share one tree."""
    parts = path.removesuffix(".py").removesuffix("/__init__").split("/")
    return Source(".".join(parts), path, ast.parse(text, filename=path))


def sources(*packages: str) -> Iterator[Source]:
    """Every module of these packages, and a single file given as ``run.py``."""
    for package in packages:
        top = ROOT / package
        for file in sorted(top.rglob("*.py")) if top.is_dir() else [top]:
            if file.exists():
                yield parse(file.read_text(encoding="utf-8"), file.relative_to(ROOT).as_posix())


def modules(package: str) -> list[ModuleType]:
    """Every module of a package, imported."""
    top = importlib.import_module(package)
    below = pkgutil.walk_packages(top.__path__, f"{package}.")
    return [top, *(importlib.import_module(module.name) for module in below)]


def classes(package: str) -> Iterator[type]:
    """Every class defined in a package, once, in its final form."""
    for module in modules(package):
        for value in vars(module).values():
            if isinstance(value, type) and value.__module__ == module.__name__:
                yield value


@cache
def imports(tree: ast.Module) -> dict[str, str]:
    """What each imported name stands for: ``from time import sleep as s`` -> s: time.sleep.

    ``import a.b`` stands for itself, under its whole name.
    """
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found[alias.asname or alias.name] = alias.name
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return found


def dotted(node: ast.expr, known: dict[str, str]) -> str:
    """A chain of names with its first one resolved by the imports; empty for anything else."""
    if isinstance(node, ast.Name):
        is_package = any(name.startswith(f"{node.id}.") for name in known)
        return known.get(node.id, node.id if is_package else "")
    if isinstance(node, ast.Attribute):
        base = dotted(node.value, known)
        return f"{base}.{node.attr}" if base else ""
    return ""


def lines(found: Iterable[tuple[Source, ast.AST, str]]) -> list[str]:
    """Findings as ``path:line what``, for a message that leads there."""
    return [f"{source.path}:{getattr(node, 'lineno', 0)} {what}" for source, node, what in found]
