"""A day of the archive as a picture: price, volume, trade rate, and what is missing."""

# matplotlib's own annotations are partial.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.dates as mdates
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from adapters.archive.reader import Bar, NothingThere, bars, gaps
from domain.compaction import DAY_MS
from domain.moments import Stretch

WIDTHS_MS = (1_000, 5_000, 15_000, 60_000, 300_000, 900_000, 3_600_000, 14_400_000, 86_400_000)
MOST_BARS = 1_500
INK, PRICE, BUY, SELL, RATE, HOLE = "#22282f", "#1f4e79", "#2a9d8f", "#d1495b", "#6c757d", "#f4a261"
_QUOTES = ("USDT", "USDC", "FDUSD", "TUSD", "BTC", "ETH", "BNB", "EUR", "TRY", "BRL")
_NAMES = {1_000: "s", 60_000: "min", 3_600_000: "h", 86_400_000: "d"}


def width_for(stretch: Stretch) -> int:
    """The narrowest bar of which the page is wide enough for all."""
    span = stretch.end_ms - stretch.start_ms
    return next((x for x in WIDTHS_MS if span / x <= MOST_BARS), WIDTHS_MS[-1])


def plot(root: Path, stretch: Stretch, target: Path) -> int:
    """Draws a stretch into a file (PNG, SVG or PDF by its name); returns the number of ticks.

    Raises:
        NothingThere: the archive has nothing of it.
        ValueError, OSError: the file cannot be written.
    """
    width = width_for(stretch)
    found = bars(root, stretch, width)
    if not found:
        raise NothingThere(f"the archive has no tick of {stretch.symbol} in that time")
    missing = gaps(root, stretch)
    mpl.rcParams["font.family"] = "DejaVu Sans"
    figure = Figure(figsize=(12, 7.5), dpi=150, layout="constrained")
    price, volume, rate = figure.subplots(3, 1, sharex=True, height_ratios=(3, 1.2, 1))
    times = [_time(x.start_ms) for x in found]
    coin, money = _coins(stretch.symbol)
    _price(price, times, found, width)
    price.set_ylabel(f"price, {money}" if money else "price")
    _volume(volume, times, found, width)
    volume.set_ylabel(f"volume\n{coin} per {_width(width)}")
    _rate(rate, times, found, width)
    for axes in (price, volume, rate):
        _holes(axes, missing, stretch)
        _dress(axes)
    _frame(figure, price, rate, stretch)
    price.set_title(_title(stretch), loc="left", fontsize=13, fontweight="bold", color=INK)
    price.set_title(_summary(found, missing, coin), loc="right", fontsize=9, color=INK)
    figure.savefig(target)
    return sum(x.ticks for x in found)


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def _price(axes: Any, times: Sequence[datetime], found: Sequence[Bar], width: int) -> None:
    """Bars that do not follow each other are not joined: there a line would invent a price."""
    pieces: list[list[int]] = [[]]
    for at, bar in enumerate(found):
        if pieces[-1] and bar.start_ms - found[pieces[-1][-1]].start_ms > 3 * width:
            pieces.append([])
        pieces[-1].append(at)
    for piece in pieces:
        x = [times[at] for at in piece]
        low, high = [found[at].low for at in piece], [found[at].high for at in piece]
        axes.fill_between(x, low, high, color=PRICE, alpha=0.25, linewidth=0)
        axes.plot(x, [found[at].close for at in piece], color=PRICE, linewidth=0.9)
    axes.yaxis.set_major_formatter(FuncFormatter(_plain))


def _volume(axes: Any, times: Sequence[datetime], found: Sequence[Bar], width: int) -> None:
    days = width / 86_400_000
    options: dict[str, Any] = {"width": days, "align": "edge", "linewidth": 0}
    axes.bar(times, [x.bought for x in found], color=BUY, label="takers buy", **options)
    axes.bar(times, [-x.sold for x in found], color=SELL, label="takers sell", **options)
    axes.axhline(0, color=INK, linewidth=0.5)
    axes.yaxis.set_major_formatter(FuncFormatter(_unsigned))
    axes.legend(loc="lower right", bbox_to_anchor=(1, 0.98), fontsize=8, frameon=False, ncols=2)


def _rate(axes: Any, times: Sequence[datetime], found: Sequence[Bar], width: int) -> None:
    seconds = width / 1000
    axes.bar(
        times,
        [x.ticks / seconds for x in found],
        width=width / 86_400_000,
        align="edge",
        color=RATE,
        linewidth=0,
    )
    axes.set_ylabel("ticks / s")


def _plain(value: float, _: object) -> str:
    return f"{value:,.6g}".replace(",", " ")


def _unsigned(value: float, _: object) -> str:
    """What takers sold is drawn downwards, but is no less than nothing."""
    return f"{abs(value):,.4g}"


def _holes(axes: Any, missing: Sequence[tuple[int, int, int, str]], stretch: Stretch) -> None:
    for after, before, _, _ in missing:
        start, end = max(after, stretch.start_ms), min(before, stretch.end_ms)
        axes.axvspan(_time(start), _time(max(end, start + 1)), color=HOLE, alpha=0.6, linewidth=1)


def _dress(axes: Any) -> None:
    axes.grid(visible=True, color="#dfe3e8", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=9, colors=INK)
    axes.yaxis.label.set_size(9)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _frame(figure: Figure, price: Any, rate: Any, stretch: Stretch) -> None:
    price.set_xlim(_time(stretch.start_ms), _time(stretch.end_ms))
    locator = mdates.AutoDateLocator(tz=UTC)
    rate.xaxis.set_major_locator(locator)
    rate.xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator, tz=UTC, show_offset=False))
    rate.set_xlabel("UTC", fontsize=9)
    figure.align_ylabels()


def _title(stretch: Stretch) -> str:
    market = "spot" if stretch.symbol.startswith("spot:") else "USD-M"
    return f"{stretch.symbol.rpartition(':')[2]} {market}   {_dates(stretch)}"


def _dates(stretch: Stretch) -> str:
    """A whole day by its name, anything else by its ends."""
    start, end = _time(stretch.start_ms), _time(stretch.end_ms)
    if stretch.start_ms % DAY_MS == 0 and stretch.end_ms - stretch.start_ms == DAY_MS:
        return f"{start:%Y-%m-%d}"
    return f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}"


def _coins(symbol: str) -> tuple[str, str]:
    """What is traded, and what it is paid with, as far as the symbol's end says it."""
    name = symbol.rpartition(":")[2]
    money = next((x for x in _QUOTES if name.endswith(x) and name != x), "")
    return (name.removesuffix(money), money) if money else ("coin", "")


def _summary(found: Sequence[Bar], missing: Sequence[tuple[int, int, int, str]], coin: str) -> str:
    ticks = f"{sum(x.ticks for x in found):,} ticks".replace(",", " ")
    volume = f"{sum(x.bought + x.sold for x in found):,.0f} {coin}".replace(",", " ")
    lost = sum(x[2] for x in missing)
    holes = f"{len(missing)} holes, {lost:,} missing (shaded)" if missing else "no holes"
    return f"{ticks}, {volume}, {holes}"


def _width(width: int) -> str:
    unit = max(x for x in _NAMES if width % x == 0)
    count = width // unit
    return _NAMES[unit] if count == 1 else f"{count} {_NAMES[unit]}"
