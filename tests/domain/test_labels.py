"""The label grammar: round trip, and what is not ours."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.labels import MAX_LENGTH, Label, Role, is_ours, parse
from tests.domain.strategies import rule

_labels = st.builds(
    Label,
    trade_id=st.from_regex(r"[a-z0-9-]{1,40}", fullmatch=True),
    role=st.sampled_from(Role),
    attempt=st.integers(min_value=1, max_value=9999),
)


@rule
@given(label=_labels)
def test_every_label_survives_the_venue(label: Label) -> None:
    """A label written as text fits the venue, is ours, and reads back the same."""
    text = str(label)
    assert len(text) <= MAX_LENGTH
    assert is_ours(text)
    assert parse(text) == label


@rule
@given(text=st.text(max_size=70) | st.from_regex(r"bw\.\w+\.(sl|tp)\.\d+", fullmatch=True))
def test_what_reads_as_a_label_writes_as_the_same_text(text: str) -> None:
    """No two texts stand for one label, so a label look-up cannot miss by spelling."""
    label = parse(text)
    assert label is None or str(label) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bw",
        "bw.",
        "manual hedge",
        "bw.t1.sl",
        "bw.t1.sl.0",
        "bw.t1.sl.01",
        "bw.t1.sl.-1",
        "bw.t1.sl.10000",
        "bw.t1.sl.1.2",
        "bw.t1.stop.1",
        "bw.t1.SL.1",
        "bw..sl.1",
        "bw.T1.sl.1",
        "bw.t_1.sl.1",
        "BW.t1.sl.1",
        "xbw.t1.sl.1",
        " bw.t1.sl.1",
        "bw.t1.sl.1\n",
        "bw.t1.sl.1\u0663",
        f"bw.{'a' * 41}.sl.1",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    """A text that is not exactly of the grammar belongs to no trade."""
    assert parse(text) is None


@pytest.mark.parametrize(
    ("text", "ours"),
    [("bw.t1.sl.1", True), ("bw.odd", True), ("bwx.t1.sl.1", False), ("web", False), ("", False)],
)
def test_an_odd_label_under_our_prefix_is_still_ours(text: str, ours: bool) -> None:
    """The prefix alone tells whether Bulwark sent the order."""
    assert is_ours(text) is ours
