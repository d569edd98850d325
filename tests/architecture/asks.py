"""Finds every ask in the code and the actor it goes to, without running anything.

A target is followed from the call back to ``to("name")``: through local names, attributes of
``self``, constants, name-making functions and constructor arguments. What cannot be followed
raises, so that no ask escapes the check by being written in a new way.
"""

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from tests.architecture.code import Source, dotted, imports

DEPTH = 12


class Unresolvable(Exception):
    """The target of an ask, or a part of it, that cannot be followed to a name."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Where an expression stands: its module, and the class and function around it."""

    source: Source
    cls: ast.ClassDef | None = None
    function: ast.FunctionDef | None = None


Resolver = Callable[[ast.expr, Scope, int], set[str]]
"""Follows an expression, in its scope, for so many steps more."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One call site: who may be asked there, and whether it has a timeout."""

    scope: Scope
    call: ast.Call
    targets: frozenset[str]
    has_timeout: bool


@dataclass(slots=True)
class Code:
    """All sources together, with their classes and functions by name."""

    sources: Sequence[Source]
    calls: list[tuple[Scope, ast.Call]] = field(default_factory=list[tuple[Scope, ast.Call]])
    functions: dict[str, Scope] = field(default_factory=dict[str, Scope])

    def __post_init__(self) -> None:
        for source in self.sources:
            self._walk(Scope(source), source.tree)

    def _walk(self, scope: Scope, node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            inner = scope
            if isinstance(child, ast.ClassDef):
                inner = Scope(scope.source, child)
            elif isinstance(child, ast.FunctionDef):
                inner = Scope(scope.source, scope.cls, child)
                if scope.cls is None:
                    self.functions[child.name] = inner
            elif isinstance(child, ast.Call):
                self.calls.append((scope, child))
            self._walk(inner, child)

    # -- the asks ---------------------------------------------------------------------------

    def asks(self) -> Iterator[Ask]:
        """Every ``.ask(`` of the project's own addresses."""
        for scope, call in self.calls:
            if not isinstance(call.func, ast.Attribute) or call.func.attr != "ask":
                continue
            if dotted(call.func.value, imports(scope.source.tree)):
                continue  # a library's own: `rich.prompt.Confirm.ask`
            targets = frozenset(self._addressees(call.func.value, scope, DEPTH))
            yield Ask(scope, call, targets, _has_timeout(call))

    def _addressees(self, node: ast.expr, scope: Scope, depth: int) -> set[str]:
        """The names behind an expression that is an address."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in {"to", "address"} and len(node.args) == 1:
                return self._names(node.args[0], scope, depth - 1)
            raise _lost(node, scope)
        return self._follow(node, scope, depth, self._addressees)

    def _names(self, node: ast.expr, scope: Scope, depth: int) -> set[str]:
        """The texts behind an expression that is an actor's name; families without the number."""
        match node:
            case ast.Constant(value=str(text)):
                return {text}
            case ast.JoinedStr(values=[ast.Constant(value=str(text)), *_]):
                return {text.rstrip("-./:")}
            case ast.IfExp(body=body, orelse=orelse):
                return self._names(body, scope, depth) | self._names(orelse, scope, depth)
            case ast.Call(func=ast.Name(id=name)) if name in self.functions:
                made = self.functions[name]
                returns = [each for each in ast.walk(_body(made)) if isinstance(each, ast.Return)]
                values = [each.value for each in returns if each.value is not None]
                return self._union(values, made, depth - 1, node, self._names)
            case _:
                return self._follow(node, scope, depth, self._names)

    # -- following names --------------------------------------------------------------------

    def _follow(self, node: ast.expr, scope: Scope, depth: int, resolve: Resolver) -> set[str]:
        if depth <= 0:
            raise _lost(node, scope)
        match node:
            case ast.Name(id=name):
                return self._of_name(name, node, scope, depth, resolve)
            case ast.Attribute(value=ast.Name(id="self"), attr=attr) if scope.cls is not None:
                return self._of_attribute(attr, node, scope, depth, resolve)
            case _:
                constant = self._imported(dotted(node, imports(scope.source.tree)))
                if constant is None:
                    raise _lost(node, scope)
                return resolve(constant[1], constant[0], depth - 1)

    def _of_name(
        self, name: str, node: ast.expr, scope: Scope, depth: int, resolve: Resolver
    ) -> set[str]:
        if scope.function is not None:
            values = _assigned(scope.function, name)
            if values:
                return self._union(values, scope, depth - 1, node, resolve)
            if name in _parameters(scope.function):
                return self._of_parameter(name, node, scope, depth, resolve)
        values = _assigned(scope.source.tree, name)
        if values:
            return self._union(values, Scope(scope.source), depth - 1, node, resolve)
        constant = self._imported(imports(scope.source.tree).get(name, ""))
        if constant is None:
            raise _lost(node, scope)
        return resolve(constant[1], constant[0], depth - 1)

    def _of_attribute(
        self, attr: str, node: ast.expr, scope: Scope, depth: int, resolve: Resolver
    ) -> set[str]:
        assert scope.cls is not None
        found: set[str] = set()
        for function in [each for each in scope.cls.body if isinstance(each, ast.FunctionDef)]:
            values = _assigned(function, f"self.{attr}")
            for value in values:
                inner = Scope(scope.source, scope.cls, function)
                found |= resolve(value, inner, depth - 1)
        if not found:
            found = self._of_field(attr, node, scope, depth, resolve)
        return found

    def _of_field(
        self, attr: str, node: ast.expr, scope: Scope, depth: int, resolve: Resolver
    ) -> set[str]:
        """An attribute that a dataclass is given: what its constructor is called with."""
        assert scope.cls is not None
        declared = [
            each.target.id
            for each in scope.cls.body
            if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
        ]
        if attr not in declared:
            raise _lost(node, scope)
        lost = _lost(node, scope)
        index = declared.index(attr)
        return self._given(scope.cls.name, attr, index, lost=lost, depth=depth, resolve=resolve)

    def _of_parameter(
        self, name: str, node: ast.expr, scope: Scope, depth: int, resolve: Resolver
    ) -> set[str]:
        assert scope.function is not None
        callee, index = scope.function.name, _parameters(scope.function).index(name)
        if scope.cls is not None:
            index -= 1  # self
            callee = scope.cls.name if callee == "__init__" else callee
        lost = _lost(node, scope)
        return self._given(callee, name, index, lost=lost, depth=depth, resolve=resolve)

    def _given(
        self,
        callee: str,
        name: str,
        index: int,
        *,
        lost: Unresolvable,
        depth: int,
        resolve: Resolver,
    ) -> set[str]:
        """What all callers hand over for one parameter."""
        found: set[str] = set()
        for caller, call in self.calls:
            if _called(call) == callee:
                by_name = [each.value for each in call.keywords if each.arg == name]
                by_place = call.args[index : index + 1]
                found |= self._union(by_name or by_place, caller, depth - 1, call, resolve)
        if not found:
            raise lost
        return found

    def _union(
        self,
        values: Sequence[ast.expr],
        scope: Scope,
        depth: int,
        node: ast.expr,
        resolve: Resolver,
    ) -> set[str]:
        if not values:
            raise _lost(node, scope)
        return set[str]().union(*(resolve(value, scope, depth) for value in values))

    def _imported(self, name: str) -> tuple[Scope, ast.expr] | None:
        """The module-level value of ``package.module.NAME``."""
        module, _, constant = name.rpartition(".")
        for source in self.sources:
            if source.name == module:
                values = _assigned(source.tree, constant)
                if len(values) == 1:
                    return Scope(source), values[0]
        return None


def _body(scope: Scope) -> ast.AST:
    return scope.function or scope.source.tree


def _lost(node: ast.expr, scope: Scope) -> Unresolvable:
    return Unresolvable(f"{scope.source.path}:{node.lineno} {ast.unparse(node)}")


def _called(call: ast.Call) -> str:
    if isinstance(call.func, ast.Name):
        return call.func.id
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _parameters(function: ast.FunctionDef) -> list[str]:
    arguments = function.args
    return [each.arg for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]


def _assigned(body: ast.AST, name: str) -> list[ast.expr]:
    """Every value given to a name (or to ``self.name``) directly in this body."""
    found: list[ast.expr] = []
    for node in _own(body):
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr):
            targets, value = [node.target], node.value
        else:
            continue
        if value is not None and any(ast.unparse(target) == name for target in targets):
            found.append(value)
    return found


def _own(body: ast.AST) -> Iterator[ast.AST]:
    """All nodes of a body but those of functions and classes inside it."""
    for child in ast.iter_child_nodes(body):
        if not isinstance(child, ast.FunctionDef | ast.ClassDef | ast.Lambda):
            yield child
            yield from _own(child)


def _has_timeout(call: ast.Call) -> bool:
    by_name = [each.value for each in call.keywords if each.arg == "timeout"]
    given = by_name or call.args[1:2]
    return bool(given) and not (isinstance(given[0], ast.Constant) and given[0].value is None)
