"""The four perpetuals the tests trade, and short ways to write prices and fills."""

from decimal import ROUND_HALF_EVEN, Decimal

from domain.exact import exact
from domain.instruments import Instrument, Kind
from domain.orders import Fill, Side

D = Decimal
TAKER = D("0.00035")
MAKER = D("0.00015")
CLOSE_ENOUGH = D("1e-12")


def _perpetual(
    name: str, kind: Kind, *, base: str, quote: str, tick: str, contract_size: str
) -> Instrument:
    inverse = kind is Kind.INVERSE
    return Instrument(
        name=name,
        kind=kind,
        base_currency=base,
        quote_currency=quote,
        settlement_currency=base if inverse else quote,
        price_index=f"{base}_{quote}".lower(),
        tick_size=D(tick),
        contract_size=D(contract_size),
        min_amount=D(contract_size),
        maker_commission=MAKER,
        taker_commission=TAKER,
    )


BTC = _perpetual(
    "BTC-PERPETUAL", Kind.INVERSE, base="BTC", quote="USD", tick="0.5", contract_size="10"
)
ETH = _perpetual(
    "ETH-PERPETUAL", Kind.INVERSE, base="ETH", quote="USD", tick="0.05", contract_size="1"
)
BTC_USDC = _perpetual(
    "BTC_USDC-PERPETUAL", Kind.LINEAR, base="BTC", quote="USDC", tick="0.1", contract_size="0.0001"
)
ETH_USDC = _perpetual(
    "ETH_USDC-PERPETUAL", Kind.LINEAR, base="ETH", quote="USDC", tick="0.05", contract_size="0.001"
)
ALL = (BTC, ETH, BTC_USDC, ETH_USDC)


@exact
def at(number: Decimal, places: int = 8) -> Decimal:
    """The number rounded half-even to so many places."""
    return number.quantize(D(1).scaleb(-places), ROUND_HALF_EVEN)


def fill(
    side: Side,
    contracts: int,
    *,
    label: str = "",
    order_id: str = "unheard-of",
    instrument_name: str = BTC.name,
    is_liquidation: bool = False,
) -> Fill:
    """A fill of which only the given parts matter."""
    return Fill(
        trade_id="t1",
        trade_seq=1,
        order_id=order_id,
        label=label,
        instrument_name=instrument_name,
        side=side,
        contracts=contracts,
        price=D(100_000),
        fee=D(0),
        fee_currency="BTC",
        is_maker=False,
        reduce_only=False,
        timestamp_ms=0,
        is_liquidation=is_liquidation,
    )
