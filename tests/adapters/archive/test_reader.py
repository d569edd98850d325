"""Reading: replays without a day in memory, bars, and pictures that show what is missing."""

from decimal import Decimal
from functools import partial
from pathlib import Path

import duckdb
import pytest

from adapters.archive import plot, reader
from adapters.archive.reader import NothingThere
from adapters.paper.engine import START_PRICES
from adapters.paper.feed import Feed, open_feed
from commands.recorded import recorded
from domain.moments import Stretch, moment_ms, parse_stretch, span_ms
from tests.adapters.archive.samples import NOON_MS, opened, part, tape


def stored(root: Path, count: int = 2_000, gap: tuple[int, int] | None = None) -> Stretch:
    ticks = tape(count)
    with opened(root) as archive:
        archive.add(
            [ticks] if gap is None else [part(ticks, 0, gap[0]), part(ticks, gap[1], count)]
        )
        archive.publish()
    return Stretch("BTCUSDT", NOON_MS, NOON_MS + 86_400_000)


def feed(root: Path, name: str, window_ms: int = 1) -> Feed:
    return open_feed(
        f"replay:{name}",
        seed=1,
        prices=START_PRICES,
        count=0,
        window_ms=window_ms,
        archive=partial(recorded, root),
    )


def replayed(found: Feed) -> list[Decimal]:
    path: list[Decimal] = []
    while not found.is_over:
        path.append(found.next_tick().prices["btc_usd"])
    return path


def test_prices_come_in_order_piece_by_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pieces join without a seam, exact to the last digit."""
    stretch, ticks = stored(tmp_path), tape()
    whole = [(int(t), Decimal(int(p)) / 100) for t, p in zip(ticks.timestamp_ms, ticks.price)]  # noqa: B905
    assert list(reader.prices(tmp_path, stretch)) == whole
    monkeypatch.setattr(reader, "CHUNK_MS", 1_700)
    assert list(reader.prices(tmp_path, stretch)) == whole


class Replaced:
    """Opening a file that is replaced by another one under the first so many attempts."""

    def __init__(self, path: Path, times: int) -> None:
        path.touch()
        self.path, self.times, self.attempts = path, times, 0

    def __call__(self) -> duckdb.DuckDBPyConnection:
        self.attempts += 1
        if self.attempts > self.times:
            return duckdb.connect()
        fresh = self.path.with_name("fresh")
        fresh.touch()
        fresh.replace(self.path)
        raise duckdb.IOException("No more data remaining in MetadataReader")


def test_a_catalogue_replaced_while_it_is_opened_is_opened_again(tmp_path: Path) -> None:
    """The headers of one file and the blocks of the next, as DuckDB 2 reads them, do no harm."""
    attempt = Replaced(tmp_path / "catalogue", times=reader.ATTEMPTS - 1)
    with reader.opened(attempt.path, attempt) as connection:
        assert connection.execute("SELECT 1").fetchall() == [(1,)]
    assert attempt.attempts == reader.ATTEMPTS


def test_replaced_for_ever_it_is_not_opened_for_ever(tmp_path: Path) -> None:
    attempt = Replaced(tmp_path / "catalogue", times=reader.ATTEMPTS)
    with pytest.raises(duckdb.IOException, match="MetadataReader"):
        reader.opened(attempt.path, attempt)
    assert attempt.attempts == reader.ATTEMPTS


def test_a_catalogue_that_is_damaged_is_opened_once(tmp_path: Path) -> None:
    """Its error is told; trying again would only hold it up."""
    stored(tmp_path)
    path = tmp_path / "binance_ticks.duckdb"
    path.write_bytes(path.read_bytes()[:20_000])
    attempts: list[int] = []

    def attempt() -> duckdb.DuckDBPyConnection:
        attempts.append(1)
        return duckdb.connect(str(path), read_only=True)

    with pytest.raises(duckdb.Error):
        reader.opened(path, attempt)
    assert len(attempts) == 1


def test_the_paper_exchange_follows_a_stretch_of_the_archive(tmp_path: Path) -> None:
    """Its extremes are those of the ticks, and its end is the stretch's."""
    stored(tmp_path)
    ticks = tape()
    start_ms = NOON_MS + 10_000
    inside = ticks.take((ticks.timestamp_ms >= start_ms) & (ticks.timestamp_ms < start_ms + 20_000))
    name = "archive:BTCUSDT@2026-11-28T12:00:10/20s"
    path = replayed(feed(tmp_path, name, window_ms=100))
    assert (max(path), min(path)) == (
        Decimal(int(inside.price.max())) / 100,
        Decimal(int(inside.price.min())) / 100,
    )
    assert feed(tmp_path, name).report()["lines"] < len(inside)


def test_a_file_of_the_archive_is_a_recording_too(tmp_path: Path) -> None:
    """Its folder says which symbol it is."""
    stored(tmp_path)
    (file,) = reader.files_of(tmp_path)
    path = replayed(feed(tmp_path, str(file)))
    assert path[-1] == Decimal(int(tape().price[-1])) / 100


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("archive:BTCUSDT@2020-01-01/1d", "no tick"),
        ("archive:ETHUSDT@2026-11-28/1d", "no tick"),
        ("archive:DOGEUSDT@2026-11-28/1d", "move prices"),
        ("archive:BTCUSDT", "form"),
        ("archive:BTCUSDT@noon/1d", "no moment"),
        ("archive:BTCUSDT@2026-11-28/1w", "no span"),
        ("archive:BTCUSDT@2026-11-28/0h", "no span"),
        ("nothing.parquet", "no file of the archive"),
    ],
)
def test_what_cannot_be_replayed_is_an_error_with_its_reason(
    tmp_path: Path, name: str, why: str
) -> None:
    """Before the exchange opens its port."""
    stored(tmp_path)
    with pytest.raises(ValueError, match=why):
        feed(tmp_path, name)


def test_moments_are_utc_unless_they_say_otherwise() -> None:
    """And a stretch has a start and a length."""
    assert moment_ms("2026-11-28") == NOON_MS - 12 * 3_600_000
    assert moment_ms("2026-11-28T12:00") == moment_ms("2026-11-28T14:00+02:00") == NOON_MS
    assert [span_ms(x) for x in ("90s", "30m", "2h", "7d")] == [
        90_000,
        1_800_000,
        7_200_000,
        604_800_000,
    ]
    assert parse_stretch("archive:spot:BTCUSDT@2026-11-28T12:00/2h") == Stretch(
        "spot:BTCUSDT", NOON_MS, NOON_MS + 7_200_000
    )


def test_bars_add_up(tmp_path: Path) -> None:
    """Ticks, volume and extremes of the bars are those of the ticks."""
    stretch, ticks = stored(tmp_path), tape()
    found = reader.bars(tmp_path, stretch, 5_000)
    assert sum(x.ticks for x in found) == len(ticks)
    assert sum(x.bought + x.sold for x in found) == pytest.approx(ticks.quantity.sum() / 1000)
    sold = ticks.quantity[ticks.is_buyer_maker].sum() / 1000
    assert sum(x.sold for x in found) == pytest.approx(sold)
    assert max(x.high for x in found) == ticks.price.max() / 100
    assert found[-1].close == ticks.price[-1] / 100


def test_a_picture_shows_holes(tmp_path: Path) -> None:
    """A shaded band, with its edge, in each of the three parts."""
    stretch = stored(tmp_path, 2_000, gap=(500, 900))
    found = reader.gaps(tmp_path, stretch)
    assert [x[2:] for x in found] == [(400, "open")]
    assert plot.plot(tmp_path, stretch, tmp_path / "day.svg") == 1_600
    text = (tmp_path / "day.svg").read_text()
    assert text.count(plot.HOLE) == 2 * 3


def test_a_picture_of_nothing_is_an_error(tmp_path: Path) -> None:
    """Rather than an empty page."""
    stored(tmp_path)
    with pytest.raises(NothingThere):
        plot.plot(tmp_path, Stretch("BTCUSDT", 0, 1_000), tmp_path / "day.png")
