"""Commands whose output nobody takes do their work all the same, and end with their own code."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from adapters.clock import SystemClock
from tests.adapters.paper.serving import Running, running
from tests.commands.running import full, gone, run, run_into
from tests.endtoend.observer import Observer

Output = Callable[[], AbstractContextManager[int]]
AT_ALL = [pytest.param(gone, id="gone"), pytest.param(full, id="full")]


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path / "venue") as server:
        yield server


@pytest.mark.parametrize("output", AT_ALL)
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_direct_kill_that_nobody_hears_closes_everything(
    venue: Running, tmp_path: Path, output: Output, options: tuple[str, ...]
) -> None:
    """Neither its words nor its errors can be written. Flat is flat, and 0."""
    observer = Observer(venue.port)
    observer.call("private/buy", instrument_name="BTC-PERPETUAL", amount=100, type="market")
    assert observer.positions()
    settings = {"PAPER_PORT": venue.port}
    with output() as nowhere:
        ran = run_into(
            nowhere, tmp_path, "kill", "--direct", *options, settings=settings, with_errors=True
        )
    assert ran.code == 0
    assert observer.positions() == {}


@pytest.mark.parametrize("output", AT_ALL)
def test_a_direct_kill_that_nobody_hears_tells_by_its_code_that_nothing_is_closed(
    tmp_path: Path, output: Output
) -> None:
    """The venue cannot be reached: 1, also into a pipe, where it used to be 0."""
    settings = {"DERIBIT_HTTP_URL": "http://127.0.0.1:1/api/v2"}
    with output() as nowhere:
        ran = run_into(nowhere, tmp_path, "kill", "--direct", settings=settings, with_errors=False)
    assert ran.code == 1
    assert "Traceback" not in ran.errors


def test_what_a_direct_kill_would_log_is_no_part_of_its_output(
    venue: Running, tmp_path: Path
) -> None:
    """A line a crash has cut off is put aside, which the daemon logs; programs read one reply."""
    torn = tmp_path / "data/paper/journal" / f"{SystemClock().now().date()}.jsonl"
    torn.parent.mkdir(parents=True)
    torn.write_bytes(b'{"seq":1,')
    ran = run(tmp_path, "kill", "--direct", "--json", settings={"PAPER_PORT": venue.port})
    assert json.loads(ran.output)["is_flat"] is True
    assert torn.with_suffix(".torn").exists()
