"""`run.py simulate`: what a soak says of its seeds, also when it is cut short."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.commands.running import run

ROOT = Path(__file__).resolve().parents[2]
SHORT = ("simulate", "--hours", "0.01", "--faults", "none")


def test_clean_seeds_end_with_one_line_of_figures(tmp_path: Path) -> None:
    ran = run(tmp_path, *SHORT, "--from", "7", "--seeds", "2")
    assert ran.code == 0
    assert "2 seeds, 0.1 virtual hours" in ran.output
    assert "0 seeds failed" in ran.output


def test_the_same_seeds_for_programs(tmp_path: Path) -> None:
    told = [json.loads(run(tmp_path, *SHORT, "--seeds", "2", "--json").output) for _ in range(2)]
    assert told[0]["digests"] == told[1]["digests"]
    assert list(told[0]["digests"]) == ["0", "1"]
    assert (told[0]["failed"], told[0]["failures"]) == (0, [])


def test_the_longest_gap_is_told_with_its_seed(tmp_path: Path) -> None:
    busy = (*SHORT, "--trades", "9000")
    told = json.loads(run(tmp_path, *busy, "--from", "1", "--seeds", "2", "--json").output)
    gap_ms, seed = told["longest_gap_ms"], told["longest_gap_seed"]
    assert gap_ms > 0
    alone = run(tmp_path, *busy, "--seed", str(seed)).output
    assert f"in a kind world: {gap_ms:.1f} ms (seed {seed})." in alone


def test_several_trades_on_an_instrument_are_played_when_asked_for(tmp_path: Path) -> None:
    """Four instruments and many wishes: with one trade on each, some that might open are denied."""
    crowded = (*SHORT, "--hours", "0.02", "--trades", "20000", "--seed", "1", "--json")
    one = json.loads(run(tmp_path, *crowded).output)
    three = json.loads(run(tmp_path, *crowded, "--trades-per-instrument", "3").output)
    assert three["trades"] > one["trades"]


def test_a_failure_is_told_at_once_and_with_its_shortest_script() -> None:
    harsh = (sys.executable, "-m", "tests.commands.harsh_court")
    ran = subprocess.run(
        (*harsh, *SHORT, "--from", "7", "--seeds", "2", "--jobs", "1"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1, ran.stderr
    told = ran.stdout.splitlines()
    first = next(i for i, line in enumerate(told) if line.startswith("seed 7: I9"))
    second = next(i for i, line in enumerate(told) if line.startswith("seed 8: I9"))
    shortest = next(i for i, line in enumerate(told) if "seed 7: 0 entries are enough" in line)
    assert first < second < shortest
    assert "2 seeds failed" in ran.stdout


def test_an_unknown_kind_of_fault_is_named(tmp_path: Path) -> None:
    ran = run(tmp_path, "simulate", "--faults", "earthquake")
    assert ran.code == 2
    assert "there is no 'earthquake'" in ran.errors


def test_ctrl_c_keeps_what_was_found_and_says_where_to_go_on() -> None:
    command = (sys.executable, "run.py", *SHORT, "--seeds", "200", "--jobs", "2", "--json")
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ
    ) as soak:
        assert soak.stderr is not None
        assert soak.stderr.readline() == b"20 of 200 seeds, 0 failed\n"
        soak.send_signal(signal.SIGINT)
        out, err = soak.communicate(timeout=60)
    assert soak.returncode == 130
    assert "Interrupted" in err.decode()
    assert json.loads(out)["seeds"] in range(20, 200)
