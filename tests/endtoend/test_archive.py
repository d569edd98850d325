"""The archive's commands, as a user types them."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from adapters.archive.layout import NEWS
from adapters.archive.news import State, write_news
from adapters.archive.store import Archive
from adapters.clock import SystemClock
from domain.runs import Run
from tests.adapters.archive.samples import NOON_MS, expected, part, query, rows, tape
from tests.adapters.binance.double import Double, Trouble
from tests.adapters.binance.tape import FIRST_ID, Tape
from tests.endtoend.bulwark import RUN

HEAD = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"


def archive(folder: Path, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "DATA_DIR": "data", "LOG_DIR": "logs", **settings}
    return subprocess.run(
        [sys.executable, str(RUN), "archive", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def day_file(folder: Path, count: int = 5_000, *, spot: bool = False) -> tuple[Path, Tape]:
    """A daily file as Binance publishes it: futures with a header, spot without, in us."""
    made = Tape.make("spot:BTCUSDT" if spot else "BTCUSDT", count, NOON_MS)
    lines = [] if spot else [HEAD]
    for at in range(count):
        row = made.row(at)
        stamp = row["T"] * 1000 if spot else row["T"]
        values = [row["a"], row["p"], row["q"], row["f"], row["l"], stamp]
        side = str(row["m"]) if spot else str(row["m"]).lower()
        lines.append(",".join(map(str, [*values, side, *(["True"] if spot else [])])))
    path = folder / "BTCUSDT-aggTrades-2026-11-28.csv"
    path.write_text("\n".join(lines) + "\n")
    return path, made


def test_a_day_is_imported_looked_at_exported_and_drawn(tmp_path: Path) -> None:
    """Zip in, the same rows out; importing again doubles nothing; the picture is one."""
    csv, made = day_file(tmp_path)
    with zipfile.ZipFile(tmp_path / "BTCUSDT-aggTrades-2026-11-28.zip", "w") as packed:
        packed.write(csv, csv.name)
    for new in (5_000, 0):
        done = archive(tmp_path, "import", "BTCUSDT-aggTrades-2026-11-28.zip")
        assert done.returncode == 0, done.stderr
        assert f"5000 ticks of BTCUSDT, {new} of them new" in done.stdout
    assert rows(tmp_path / "data/raw") == expected(made.ticks)
    told = json.loads(archive(tmp_path, "status", "--json").stdout)
    assert [(x["symbol"], x["ticks"], x["missing"]) for x in told["symbols"]] == [
        ("BTCUSDT", 5_000, 0)
    ]
    stretch = ("--symbol", "BTCUSDT", "--from", "2026-11-28")
    assert archive(tmp_path, "export", *stretch, "--csv", "out.csv").returncode == 0
    numbers = [line.split(",") for line in (tmp_path / "out.csv").read_text().splitlines()]
    original = [line.split(",") for line in csv.read_text().splitlines()]
    assert numbers[0] == original[0]
    assert [[float(x) for x in row[:6]] + row[6:] for row in numbers[1:]] == [
        [float(x) for x in row[:6]] + row[6:] for row in original[1:]
    ]
    assert archive(tmp_path, "plot", *stretch, "--out", "day.png").returncode == 0
    assert (tmp_path / "day.png").read_bytes().startswith(b"\x89PNG")


def test_spot_files_come_without_header_and_in_microseconds(tmp_path: Path) -> None:
    """Eight columns are the spot market's."""
    csv, made = day_file(tmp_path, 300, spot=True)
    assert archive(tmp_path, "import", str(csv)).returncode == 0
    assert rows(tmp_path / "data/raw", "spot:BTCUSDT") == expected(made.ticks)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a,b\n1,2\n", "2 columns"),
        (f"{HEAD}\n1,x,1,1,1,{NOON_MS},true\n", "28.csv cannot be read: 'x'"),
        (f"{HEAD}\n1,5,1e-05,1,1,{NOON_MS},true\n", "28.csv cannot be read: '1e-05'"),
        (f"{HEAD}\n1,5,1,1,1,{NOON_MS},true\n2,5,5E-4,2,2,{NOON_MS},true\n", "read: '5E-4'"),
        (f"{HEAD}\n1,5,,1,1,{NOON_MS},true\n", "28.csv cannot be read: ''"),
        (f"{HEAD}\n1,-5,1,1,1,{NOON_MS},true\n", "out of bounds"),
    ],
)
def test_a_file_that_is_none_is_refused_whole(tmp_path: Path, text: str, why: str) -> None:
    """One sentence says why; nothing of it is stored."""
    (tmp_path / "BTCUSDT-aggTrades-2026-11-28.csv").write_text(text)
    done = archive(tmp_path, "import", "BTCUSDT-aggTrades-2026-11-28.csv")
    assert done.returncode == 1
    assert why in done.stderr
    assert "Traceback" not in done.stderr
    assert query(tmp_path / "data/raw", "SELECT count(*) FROM agg_trades") == [(0,)]


def filled(folder: Path) -> Path:
    """An archive of 2000 ticks in three files, with a hole of 100."""
    ticks = tape()
    with Archive(folder / "data/raw", SystemClock()) as made:
        for start, end in ((0, 500), (600, 1_000), (1_000, 2_000)):
            made.add([part(ticks, start, end)])
        made.publish()
        return made.segments()[0].path


def test_damage_is_found_repaired_and_fetched_again(tmp_path: Path) -> None:
    """`verify` ends with 1 and names the file; after `--repair` and `fetch` all is there."""
    victim = filled(tmp_path)
    assert archive(tmp_path, "verify").returncode == 0
    data = bytearray(victim.read_bytes())
    data[300] ^= 1
    victim.write_bytes(data)
    found = archive(tmp_path, "verify", "--json")
    assert found.returncode == 1
    assert list(json.loads(found.stdout)["damaged"]) == [victim.name]
    assert archive(tmp_path, "verify", "--repair").returncode == 1
    assert archive(tmp_path, "verify").returncode == 0
    full = Tape(tape())
    with Double([full], begin=len(full), trouble=Trouble()) as venue:
        stretch = ("--symbol", "BTCUSDT", "--from", "2026-11-28T12:00", "--to", "1d")
        done = archive(tmp_path, "fetch", *stretch, **venue.settings)
        assert done.returncode == 0, done.stderr
        assert "600 ticks of BTCUSDT are new" in done.stdout
        requests = venue.seen.requests
        assert "0 ticks" in archive(tmp_path, "fetch", *stretch, **venue.settings).stdout
        assert venue.seen.requests - requests <= 2
    assert rows(tmp_path / "data/raw") == expected(full.ticks)


def test_a_symbol_of_which_all_was_damaged_is_missing_and_not_whole(tmp_path: Path) -> None:
    """`verify --repair` takes its only file away; `status` goes on to say what is gone."""
    with Archive(tmp_path / "data/raw", SystemClock()) as made:
        made.add([tape()])
        made.publish()
        victim = made.segments()[0].path
    data = bytearray(victim.read_bytes())
    data[300] ^= 1
    victim.write_bytes(data)
    assert archive(tmp_path, "verify", "--repair").returncode == 1
    told = archive(tmp_path, "status").stdout
    assert "BTCUSDT: 0 ticks, 0 days, 0 files" in told
    assert "2 000 ticks missing in 1 hole" in told


def test_merging_and_pruning(tmp_path: Path) -> None:
    """Each day becomes one file; old days go."""
    filled(tmp_path)
    assert "3 files became 1" in archive(tmp_path, "compact", "--now").stdout
    assert len(list((tmp_path / "data/raw/agg_trades").rglob("*.parquet"))) == 1
    assert archive(tmp_path, "prune", "--older-than", "36500d").stdout.startswith("0 days")
    done = archive(tmp_path, "prune", "--older-than", "1s", "--now")
    assert done.returncode == 0, done.stderr


def test_the_status_names_a_stream_that_brings_nothing(tmp_path: Path) -> None:
    """And the setting that holds its address."""
    filled(tmp_path)
    state = State(pid=7, started_at=0.0, at=SystemClock().now().timestamp())
    state.source = {"connected": True, "silent": ["BTCUSDT", "spot:ETHUSDT"]}
    write_news(tmp_path / "data/raw" / NEWS, state)
    told = archive(tmp_path, "status").stdout
    assert "collector 7 is running: 0 ticks/s" in told
    assert "STREAM SILENT: it brings no tick of BTCUSDT" in told
    assert "(BINANCE_WS_URL)" in told
    assert "(BINANCE_SPOT_WS_URL)" in told


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("status",), 1, "no archive"),
        (
            ("plot", "--symbol", "BTCUSDT", "--from", "2026-11-28", "--out", "x.png"),
            1,
            "no archive",
        ),
        (("export", "--symbol", "BTCUSDT", "--from", "yesterday", "--csv", "x"), 2, "no moment"),
        (("export", "--symbol", "BTCUSDT", "--from", "2026-11-28"), 2, "--csv FILE"),
        (("prune", "--older-than", "soon"), 2, "no span"),
        (("import", "nothing.zip"), 1, "nothing.zip"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(
    tmp_path: Path, words: tuple[str, ...], code: int, why: str
) -> None:
    """With the exit code that belongs to it."""
    done = archive(tmp_path, *words)
    assert (done.returncode, why in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr


def test_who_writes_is_refused_beside_a_collector_and_who_reads_is_not(tmp_path: Path) -> None:
    """Exit code 75, and what to do."""
    filled(tmp_path)
    with Archive(tmp_path / "data/raw", SystemClock()):
        assert archive(tmp_path, "compact").returncode == 75
        assert archive(tmp_path, "status").returncode == 0
        assert archive(tmp_path, "verify").returncode == 0


def test_the_fetch_leaves_out_what_is_there(tmp_path: Path) -> None:
    """A stretch with a piece in the middle costs requests for its ends alone."""
    full = Tape(tape(5_000))
    with Archive(tmp_path / "data/raw", SystemClock()) as made:
        made.add([part(full.ticks, 1_000, 4_000)])
    with Double([full], begin=len(full)) as venue:
        stretch = ("--symbol", "BTCUSDT", "--from", "2026-11-28T12:00")
        done = archive(tmp_path, "fetch", *stretch, **venue.settings)
        assert "2000 ticks of BTCUSDT are new" in done.stdout, done.stderr
        asked = [int(x["fromId"]) - FIRST_ID for x in venue.seen.queries if "fromId" in x]
    assert asked == [0, 4_000, 5_000]
    with Archive(tmp_path / "data/raw", SystemClock()) as made:
        assert [x.first for x in made.runs("BTCUSDT")] == [Run(FIRST_ID, 0).first]
