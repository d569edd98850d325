"""Opening by hand: the wish is turned into whole contracts first, and exactly those are confirmed.

Whether it may be opened is said by Execution and Risk when it is confirmed, not before: what held
a minute ago says nothing.
"""

from datetime import timedelta
from decimal import Decimal

from actors.desk_calls import Answer, Call, Outcome, Proposal, accepted, refused
from actors.desk_following import Follower, Followers
from actors.desk_sources import Sources
from actors.messages.desk import Refusal
from actors.messages.risk import Denied
from actors.messages.trading import OpenTrade
from domain import pnl, sizing
from domain.arguments import Amount
from domain.intake import Accepted, Wish, accept
from domain.orders import OrderType

COMMAND_LIFE = timedelta(seconds=5)
NOTE = "by hand"


def open_(sources: Sources, followers: Followers, call: Call) -> Answer:
    """Proposes the trade with all its figures; refuses what cannot be sent anyhow."""
    execution, risk = sources.execution(), sources.risk()
    if execution is None or risk is None:
        return refused(Refusal.BUSY, "Execution or Risk does not answer; try again.")
    wish = _wish(call)
    catalogue = {x.name: x for x in execution.instruments}
    tickers = {x.instrument_name: x for x in risk.tickers}
    ticker = tickers.get(wish.instrument)
    mark = ticker.mark_price if ticker else None
    order = accept(wish, catalogue, frozenset(catalogue), mark)
    if isinstance(order, tuple):
        return _refused(tuple(str(reason) for reason in order))
    effect = _effect(order, mark)
    return Proposal(
        effect=effect,
        still_holds=lambda: True,
        act=lambda: _opened(sources, followers, call, order, effect),
    )


def _wish(call: Call) -> Wish:
    values = call.values
    amount = values["qty"]
    if not isinstance(amount, Amount):
        raise TypeError(f"a quantity, not {amount!r}")
    return Wish(
        instrument=str(values["instrument"]),
        side=str(values["side"]),
        quantity=amount.value,
        unit=amount.unit,
        entry_type="market" if values["price"] is None else "limit",
        price=_price(call, "price"),
        stop_loss=_price(call, "sl"),
        take_profit=_price(call, "tp"),
        break_even_at=_price(call, "be"),
        trail=_price(call, "trail"),
    )


def _price(call: Call, name: str) -> Decimal | None:
    value = call.values[name]
    return value if isinstance(value, Decimal) else None


def _effect(order: Accepted, mark: Decimal | None) -> str:
    """Every figure that matters, and what is lost at the stop."""
    instrument, contracts = order.instrument, order.contracts
    reference = order.price or mark or order.stop_loss
    coins = abs(sizing.coin_delta(instrument, contracts, reference))
    loss = pnl.realised(instrument, order.side, contracts, reference, order.stop_loss)
    lost_usd = abs(pnl.to_usd(instrument, loss, order.stop_loss))  # as sizing and results do
    if order.entry_type is OrderType.MARKET:
        at = f"at market (mark {mark})"
    else:
        at = f"at the limit {order.price}"
    target = f"target {order.take_profit}" if order.take_profit else "no target"
    return (
        f"Open {order.side} {instrument.name}: {contracts} contracts ({coins:.6f} "
        f"{instrument.base_currency}, {order.notional_usd:.2f} USD) {at}, stop "
        f"{order.stop_loss}, {target}. At the stop it loses about {lost_usd:.2f} USD plus fees."
        f"{_moves(order)}"
    )


def _moves(order: Accepted) -> str:
    """How the stop will be moved, as sentences; empty when it will not be."""
    at, trail = order.break_even_at, order.trail
    texts = (
        f" At {at} the stop moves to break-even." if at is not None else "",
        f" It follows the price {trail} behind." if trail is not None else "",
    )
    return "".join(texts)


def _opened(
    sources: Sources, followers: Followers, call: Call, order: Accepted, effect: str
) -> Outcome:
    now = sources.clock.now()
    answer = sources.open(
        OpenTrade(
            at=now,
            cause=call.by,
            expires_at=now + COMMAND_LIFE,
            instrument=order.instrument.name,
            side=str(order.side),
            quantity=Decimal(order.contracts),
            unit="contracts",
            entry_type=str(order.entry_type),
            price=order.price,
            stop_loss=order.stop_loss,
            take_profit=order.take_profit,
            break_even_at=order.break_even_at,
            trail=order.trail,
            note=f"{NOTE}, {call.by}"[:64],
        )
    )
    if answer is None:
        return refused(
            Refusal.BUSY,
            "Execution did not answer in time. The trade may still be opened: see positions "
            "before giving the command again.",
        )
    if isinstance(answer, Denied):
        return _refused(answer.reasons)
    followers.add(
        Follower(
            request_id=call.request_id,
            door=call.door,
            who=call.who,
            command=call.spec.name,
            trade_id=answer.trade_id,
            is_opening=True,
        )
    )
    return accepted(
        f"Trade {answer.trade_id} is on its way: {answer.contracts} contracts. "
        "Its stop, or what became of it, follows.",
        effect=f"{effect} (trade {answer.trade_id})",
    )


def _refused(reasons: tuple[str, ...]) -> Outcome:
    told = ", ".join(reason.replace("_", " ") for reason in reasons)
    return refused(",".join(reasons), f"Not opened: {told}.")
