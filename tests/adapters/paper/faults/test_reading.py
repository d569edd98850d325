"""Fault plans as text: what is accepted, how it is written, what is said of mistakes."""

from collections.abc import Callable
from dataclasses import fields
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.paper.faults.common import Delay
from adapters.paper.faults.of_moments import PriceGap
from adapters.paper.faults.of_requests import Latency, ReplyLost
from adapters.paper.faults.plan import FaultPlan
from adapters.paper.faults.reading import (
    KINDS,
    PlanInvalid,
    parse_plan,
    plain,
    plan_from,
    read_plan,
    to_toml,
)


def mistakes(text: str) -> list[str]:
    with pytest.raises(PlanInvalid) as caught:
        parse_plan(text, "plan.toml")
    return list(caught.value.mistakes)


def test_a_plan_is_read_with_durations_in_milliseconds_and_exact_percentages() -> None:
    """Texts with units, bare seconds, one value for a list of one."""
    plan = parse_plan(
        """
        seed = 3
        [[fault]]
        kind = "latency"
        methods = "private/*"
        delay = { exponential = "20ms", cap = 2 }
        [[fault]]
        kind = "price_gap"
        at = ["1.5m", 3]
        percent = -2.5
        """
    )
    delay = Delay(exponential=20, cap=2000)
    assert plan == FaultPlan(
        seed=3,
        fault=(
            Latency(name="latency-1", methods=("private/*",), delay=delay),
            PriceGap(name="price_gap-1", at=(90_000, 3000), percent=Decimal("-2.5")),
        ),
    )


def test_every_mistake_is_reported_at_once_with_its_place() -> None:
    """Table, name of the fault, key, and what is right."""
    said = mistakes(
        """
        seed = "x"
        speed = 1
        [[fault]]
        kind = "latency"
        name = "slow"
        probability = 2
        delay = { exponential = "20ms", cup = "2s" }
        [[fault]]
        kind = "nope"
        [[fault]]
        probability = 1
        [[fault]]
        kind = "error"
        code = 10041
        applied = true
        [[fault]]
        kind = "flash_crash"
        every = "10 min"
        """
    )
    places = [each.partition(":")[0] for each in said]
    assert places == [
        "seed",
        "fault 1 (slow), probability",
        "fault 1 (slow), delay, cup",
        "fault 2",
        "fault 3",
        "fault 4 (error)",
        "fault 5 (flash_crash), every",
        "fault 5 (flash_crash), percent",
        "speed",
    ]
    text = "\n".join(said)
    assert "there is no such kind; kinds are latency, " in text
    assert "needs a kind" in text
    assert "10041 proves that nothing happened" in text
    assert "a duration is text such as '250ms'" in text
    assert "percent: must be given" in text


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ('kind = "disconnect"\nevery = 5\nat = 3', "one of at, every and rate_per_hour"),
        ('kind = "disconnect"\nafter = 5\nuntil = 5', "until is not after"),
        ('kind = "maintenance"\nevery = 60', "give lasts"),
        ('kind = "latency"\ndelay = {}', "give one of constant, uniform"),
        ('kind = "latency"\ndelay = { constant = 1, lognormal = 1 }', "give one of constant"),
        ('kind = "latency"\ndelay = { uniform = [2, 1] }', "lower end first"),
        ('kind = "reply_lost"\nchannels = "user.*"', "keys of reply_lost are name, at, every"),
        ('kind = "reply_lost"\nprobability = 0', "greater than 0"),
        ('kind = "reply_lost"\nat = -1', "greater than or equal to 0"),
        ('kind = "reply_lost"\nat = "2 years"', "a duration is"),
        ('kind = "reply_lost"\nat = 1e300', "at most a year"),
        ('kind = "reply_lost"\nat = nan', "a duration"),
        ('kind = "price_gap"\npercent = nan', "finite"),
        ('kind = "price_gap"\npercent = -100', "greater than -100"),
        ('kind = "error"\ncode = 10001', "should be 10028"),
    ],
)
def test_what_a_fault_cannot_be_is_said_in_words(keys: str, words: str) -> None:
    """One sentence for each."""
    (said,) = mistakes(f"[[fault]]\n{keys}")
    assert words in said


def test_names_must_differ_and_are_given_where_there_are_none() -> None:
    """The name is what a fault is ended by, and what its chance depends on."""
    assert (
        "two faults are called 'a'"
        in mistakes('[[fault]]\nname = "a"\nkind = "disconnect"\n' * 2)[0]
    )
    plan = parse_plan('[[fault]]\nkind = "disconnect"\n' * 2)
    assert [each.name for each in plan.fault] == ["disconnect-1", "disconnect-2"]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Missing, a folder, not UTF-8, too large, not TOML."""
    for name, content in {"b": b"\xff", "c": b"x" * 1_000_001, "d": b"= 1"}.items():
        (tmp_path / name).write_bytes(content)
    for path in (tmp_path, tmp_path / "a", tmp_path / "b", tmp_path / "c", tmp_path / "d"):
        with pytest.raises(PlanInvalid, match=str(path)):
            read_plan(path)


def test_a_plan_without_a_fault_is_a_plan() -> None:
    """Nothing goes wrong."""
    assert parse_plan("") == FaultPlan()


@pytest.mark.parametrize("text", ["fault = 3", "[fault]\nx = 1", "fault = [1, 2]", "x = 1"])
def test_other_shapes_are_refused(text: str) -> None:
    """Whatever TOML it is."""
    assert mistakes(text)


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.decimals(),
    st.sampled_from(["5s", "-5s", "1e9h", "private/*", "buy", "random"]),
)
VALUES = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(st.text(max_size=8), SCALARS)
KEYS = sorted({each.name for kind in KINDS.values() for each in fields(kind)})
TABLES = st.fixed_dictionaries(
    {"kind": st.sampled_from(sorted(KINDS)) | VALUES},
    optional={name: VALUES for name in KEYS if name != "kind"},
)
PLANS = st.fixed_dictionaries(
    {}, optional={"seed": VALUES, "fault": st.lists(TABLES, max_size=2) | VALUES, "x": VALUES}
)


def accepted(read: Callable[[], FaultPlan]) -> FaultPlan | None:
    """The plan, or None when it was refused in words; nothing else may come out."""
    try:
        return read()
    except PlanInvalid as error:
        told = error
    assert told.mistakes
    assert all(each in str(told) for each in told.mistakes)
    return None


@settings(max_examples=40)
@given(PLANS)
def test_garbage_is_either_a_plan_or_refused_in_words(tables: dict[str, object]) -> None:
    """Whatever the values are; what is accepted can be written and read again."""
    plan = accepted(lambda: plan_from(tables))
    if plan is not None:
        assert plan_from(plain(plan)) == plan
        assert parse_plan(to_toml(plan)) == plan


@given(st.text(max_size=200))
def test_any_text_is_either_a_plan_or_refused_in_words(text: str) -> None:
    """Nothing but `PlanInvalid` comes out."""
    accepted(lambda: parse_plan(text))


MOMENTS = st.integers(0, 10**7)
PROBABLE = st.floats(0.01, 1)


@given(st.lists(MOMENTS, max_size=3), PROBABLE, st.integers(1, 9), st.text(max_size=10))
def test_a_plan_survives_writing(at: list[int], chance: float, most: int, name: str) -> None:
    """Names with quotes and controls included."""
    fault = ReplyLost(name=name, at=tuple(at), probability=chance, most=most)
    plan = FaultPlan(seed=most, fault=(fault,)).named()
    assert parse_plan(to_toml(plan)) == plan


DOCS = Path(__file__).parents[4] / "docs"


def test_the_documentation_has_an_example_of_each_kind_that_is_read() -> None:
    """As a person would copy it; and a row in a table for each."""
    text = (DOCS / "faults.md").read_text("utf-8")
    examples = text.split("<!-- examples -->")[1].split("<!-- /examples -->")[0]
    plan = parse_plan(examples.strip().removeprefix("```toml").removesuffix("```"))
    assert sorted(each.kind for each in plan.fault) == sorted(KINDS)
    assert [kind for kind in KINDS if f"| `{kind}` |" not in text] == []


def test_every_key_is_documented() -> None:
    """Somewhere on the page, in code."""
    text = (DOCS / "faults.md").read_text("utf-8")
    assert [key for key in KEYS if f"`{key}`" not in text and f"{key} = " not in text] == []


@pytest.mark.parametrize("path", sorted(DOCS.glob("examples/*.toml")), ids=lambda x: x.name)
def test_every_example_file_is_a_plan(path: Path) -> None:
    """With something in it."""
    assert read_plan(path).fault
