"""Who asks whom: only downwards, always with a timeout, so that no cycle can wait on itself."""

import ast

import pytest

from tests.architecture.asks import Ask, Code, Scope, Unresolvable
from tests.architecture.code import imports, lines, parse, sources

ORDER = {
    "door": 0,
    "desk": 1,
    "hotline": 1,
    "strategist": 1,
    "execution": 2,
    "trade": 3,
    "risk": 4,
    "auth": 5,
    "registry": 6,
}
"""An actor may ask those that stand further down."""

ASK_REGISTRY_ONLY = {"alerter", "watcher", "reaper", "historian", "collector"}

NO_THREAD = {"actors.tree"}
"""Modules that put actors together and run inside none."""


def askers(scope: Scope, code: Code) -> set[str]:
    """The actors in whose threads a module's code runs; adapters and run.py are doors.

    A module below ``actors`` that is no actor runs in the threads of those that import it.

    Raises:
        Unresolvable: nobody with a place in the order imports it.
    """
    if not scope.source.name.startswith("actors."):
        return {"door"}
    found: set[str] = set()
    todo, seen = [scope.source.name], set[str]()
    while todo:
        module = todo.pop()
        name = module.split(".")[1]
        if module in seen or module in NO_THREAD:
            continue
        seen.add(module)
        if name in ORDER or name in ASK_REGISTRY_ONLY:
            found.add(name)
        else:
            todo += importers(module, code)
    if not found:
        raise Unresolvable(f"{scope.source.path}: whose thread is it? It asks")
    return found


def importers(module: str, code: Code) -> list[str]:
    """The modules below ``actors`` that import this one or something of it."""
    return [
        source.name
        for source in code.sources
        if source.name.startswith("actors.")
        and any(f"{name}.".startswith(f"{module}.") for name in imports(source.tree).values())
    ]


def is_downwards(who: str, whom: str) -> bool:
    """Whether ``who`` may wait for ``whom``."""
    if who in ASK_REGISTRY_ONLY:
        return whom == "registry"
    return ORDER.get(whom, -1) > ORDER[who]


def faults(code: Code) -> list[str]:
    """Every ask that goes up, sideways or without a timeout."""
    found: list[tuple[Ask, str]] = []
    for ask in code.asks():
        for who in askers(ask.scope, code):
            wrong = [whom for whom in sorted(ask.targets) if not is_downwards(who, whom)]
            found += [(ask, f"{who} asks {whom}") for whom in wrong]
        if not ask.has_timeout:
            found.append((ask, "no timeout"))
    return lines((ask.scope.source, ask.call, what) for ask, what in found)


def project() -> Code:
    """The code that asks; the kernel only carries it out."""
    everything = sources("domain", "actors", "adapters", "config", "commands", "run.py")
    return Code([each for each in everything if not each.path.startswith("actors/kernel/")])


def test_asks_go_downwards_with_a_timeout() -> None:
    """doors -> execution -> trade -> risk -> auth -> registry; the watching ask the registry."""
    assert faults(project()) == []


def test_the_walk_sees_the_asks_there_are() -> None:
    """Every call written as an ask is judged: as many as a plain search finds."""
    written = [
        node
        for source in project().sources
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Attribute) and node.attr == "ask"
    ]
    judged = list(project().asks())
    assert len(judged) == len(written) > 10


# -- the check is checked -----------------------------------------------------------------------


def code(**modules: str) -> Code:
    """Modules of actors from their texts."""
    return Code([parse(text, f"actors/{name}.py") for name, text in modules.items()])


def in_method(line: str, rest: str = "") -> str:
    """A module whose actor does ``line`` in a method."""
    return f"class A:\n    def f(self):\n        {line}\n{rest}"


@pytest.mark.parametrize(
    ("module", "text", "found"),
    [
        ("risk", 'self.to("registry").ask(q, timeout=1)', []),
        ("risk", 'self.to("registry").ask(q, 1)', []),
        ("risk", 'self.to("registry").ask(q)', ["no timeout"]),
        ("risk", 'self.to("registry").ask(q, timeout=None)', ["no timeout"]),
        ("risk", 'self.to("execution").ask(q, 1)', ["risk asks execution"]),
        ("registry", 'self.to("auth").ask(q, 1)', ["registry asks auth"]),
        ("auth", 'self.to("registry").ask(q, 1)', []),
        ("auth", 'self.to("risk").ask(q, 1)', ["auth asks risk"]),
        ("trade", 'self.to("trade").ask(q, 1)', ["trade asks trade"]),
        ("watcher", 'self.to("risk").ask(q, 1)', ["watcher asks risk"]),
        ("watcher", 'self.to("registry").ask(q, 1)', []),
        ("strategist", 'self.to("nobody").ask(q, 1)', ["strategist asks nobody"]),
        ("risk", 'self.to("auth" if x else "trade").ask(q, 1)', ["risk asks trade"]),
        ("risk", 'self.to(f"trade-{x}").ask(q, 1)', ["risk asks trade"]),
        ("risk", 'self.system.address("execution").ask(q, 1)', ["risk asks execution"]),
        ("risk", 'a = self.to("execution")\n        a.ask(q, 1)', ["risk asks execution"]),
    ],
)
def test_a_wrong_ask_is_found(module: str, text: str, found: list[str]) -> None:
    """Up, sideways, to a stranger and without a timeout, however the target is written."""
    assert [each.split(" ", 1)[1] for each in faults(code(**{module: in_method(text)}))] == found


@pytest.mark.parametrize(
    "text",
    [
        in_method(
            "self._x.ask(q, 1)", '    def g(self):\n        self._x = self.to("execution")\n'
        ),
        in_method("self.to(NAME).ask(q, 1)", 'NAME = "execution"\n'),
        in_method("self.to(name(1)).ask(q, 1)", 'def name(x):\n    return "execution"\n'),
        in_method("g(self.to('execution'))", "def g(address):\n    address.ask(q, 1)\n"),
        "from actors.names import NAME\nself.to(NAME).ask(q, 1)\n",
        "from actors import names\nself.to(names.NAME).ask(q, 1)\n",
        in_method(
            'Door(self.to("execution"), 2)',
            "class Door:\n    def __init__(self, address, x):\n        self._a = address\n"
            "    def open(self):\n        self._a.ask(q, 1)\n",
        ),
        in_method(
            'Door(x=2, address=self.to("execution"))',
            "class Door:\n    x: int\n    address: A\n"
            "    def open(self):\n        self.address.ask(q, 1)\n",
        ),
    ],
)
def test_a_target_is_followed_to_its_name(text: str) -> None:
    """Through attributes, constants, functions, arguments, imports and dataclass fields."""
    made = code(risk=text, names='NAME = "execution"')
    assert [each.split(" ", 1)[1] for each in faults(made)] == ["risk asks execution"]


@pytest.mark.parametrize(
    "text",
    [
        "self.to(message.name).ask(q, 1)",
        "self._addresses[0].ask(q, 1)",
        "self._unset.ask(q, 1)",
        "address_of(x).ask(q, 1)",
        "pick().to.ask(q, 1)",
        "self.to(unknown).ask(q, 1)",
        "x = x\n        x.ask(q, 1)",
    ],
)
def test_a_target_that_cannot_be_followed_is_an_error(text: str) -> None:
    """Nothing passes because it was not understood."""
    with pytest.raises(Unresolvable):
        faults(code(risk=in_method(text)))


def test_a_module_that_asks_says_whose_thread_it_runs_in() -> None:
    """A new actor takes its place in the order before it may ask."""
    with pytest.raises(Unresolvable, match="whose thread"):
        faults(code(newcomer=in_method('self.to("registry").ask(q, 1)')))


def test_a_helper_asks_for_whoever_uses_it() -> None:
    """It runs in the threads of the actors that import it, through others too."""
    made = code(
        helper=in_method('self.to("risk").ask(q, 1)'),
        between="from actors.helper import A",
        trade="import actors.between",
        risk="from actors import helper",
        tree="from actors.helper import A",
    )
    assert [each.split(" ", 1)[1] for each in faults(made)] == ["risk asks risk"]


def test_a_library_may_ask_a_person() -> None:
    """`Confirm.ask` of an imported library is none of ours."""
    text = "from rich.prompt import Confirm\nConfirm.ask('sure?')"
    assert faults(Code([parse(text, "run.py")])) == []
