"""The mark price and the trading band, from the index and the smoothed premium.

The venue's present window and clip are not published; this is the last fully specified form,
and the observed bands agree with it.

Source: Deribit mark price and trading bandwidth pages.
"""

from decimal import Decimal

from domain.exact import exact
from domain.instruments import Instrument

MARK_WINDOW_SECONDS = 30
BAND_WINDOW_SECONDS = 60
MARK_CLIP = Decimal("0.005")
_BAND = Decimal("0.985"), Decimal("1.015")
_OUTER_BAND = Decimal("0.925"), Decimal("1.075")


def _clamp(value: Decimal, low: Decimal, high: Decimal) -> Decimal:
    return max(low, min(high, value))


@exact
def ema_step(
    previous: Decimal, sample: Decimal, window_seconds: int = MARK_WINDOW_SECONDS
) -> Decimal:
    """The moving average after one more second: the newest weighs ``2 / (window + 1)``."""
    return previous + (sample - previous) * 2 / (window_seconds + 1)


@exact
def mark_price(index: Decimal, premium_ema: Decimal, clip: Decimal = MARK_CLIP) -> Decimal:
    """The index plus the averaged premium, at most ``clip`` of the index away. Unrounded."""
    if not premium_ema:
        return index
    limit = index * clip
    return index + _clamp(premium_ema, -limit, limit)


@exact
def band(
    index: Decimal, premium_ema_1m: Decimal, instrument: Instrument
) -> tuple[Decimal, Decimal]:
    """The lowest and highest price an order may have, each rounded outward to the tick.

    1.5 % around the index plus its one-minute premium, never beyond 7.5 % of the index.
    """
    centre = index + premium_ema_1m
    low, high = index * _OUTER_BAND[0], index * _OUTER_BAND[1]
    minimum = _clamp(centre * _BAND[0], low, high)
    maximum = _clamp(centre * _BAND[1], low, high)
    return instrument.floor_price(minimum), instrument.ceil_price(maximum)
