"""The commands that do something. What reduces risk is told, never only asked: it cannot be lost.

A kill goes three ways at once, because any of them may be broken: the venue client's gate for
entries is closed, the book is asked to make it durable, and Execution is told to drive the account
flat. Execution does the first two again by itself.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta

from actors.desk_calls import Answer, Call, Outcome, Proposal, accepted, done, refused
from actors.desk_following import Follower, Followers
from actors.desk_opening import open_
from actors.desk_sources import Sources
from actors.kernel import ExitCode
from actors.messages.book import ClearPause, KillState, PauseState, RecordKill, RecordPause
from actors.messages.desk import AlertTestAsked, Refusal
from actors.messages.lifecycle import StopAll
from actors.messages.trading import CloseTrade, Flatten, Resume
from domain.risk import is_loss_reached
from domain.trade import Trade

COMMAND_LIFE = timedelta(seconds=5)
REASON = "asked for by the operator"

_Found = tuple[KillState | None, PauseState | None]


def kill(sources: Sources, followers: Followers, call: Call) -> Outcome:
    """Locks, records, flattens; says what will be closed as far as it is known."""
    now = sources.clock.now()
    sources.venue.lock_entries(f"kill by {call.by}")
    record = RecordKill(at=now, reason=REASON, by=call.by, until_midnight=False)
    is_durable = sources.record(record)
    if not is_durable:
        sources.leave(record)
    sources.order(Flatten(at=now, reason=REASON, by=call.by))
    followers.add(_follower(call))
    disk = "The kill is on disk." if is_durable else "The kill is in force but NOT ON DISK yet."
    return accepted(
        "KILL: no entries any more; everything is being closed.",
        *_what_will_go(sources, sources.trades() if is_durable else None),
        disk,
        "Verified flat, or what is not, follows.",
        effect="entries locked, everything closed at market, kill "
        + ("durable" if is_durable else "not durable yet"),
    )


def _what_will_go(sources: Sources, trades: tuple[Trade, ...] | None) -> tuple[str, ...]:
    """What is known now: our trades to the moment, the account as of the last look."""
    lines: list[str] = []
    if trades is not None:
        ours = [_one(x) for x in trades]
        lines.append(f"Open trades: {', '.join(ours) or 'none'}.")
    look = sources.look
    if look is None:
        return (*lines, "The account was not read yet: whatever is found will be closed.")
    age = (sources.clock.now() - look.at).total_seconds()
    held = [f"{x.instrument_name} {x.contracts:+d} contracts" for x in look.positions]
    return (
        *lines,
        (
            f"At the venue {age:.0f} s ago: {', '.join(held) or 'no position'}; "
            f"{len(look.orders)} orders. Ours are cancelled, stops last."
        ),
    )


def _one(trade: Trade) -> str:
    return f"{trade.plan.instrument_name} {trade.signed_position:+d} contracts (trade {trade.id})"


def close(sources: Sources, followers: Followers, call: Call) -> Outcome:
    """Closes one trade by id, or every trade of ours in an instrument."""
    what = str(call.values["what"])
    trades = sources.trades()
    if trades is None:
        if what.endswith("-PERPETUAL"):
            return refused(Refusal.BUSY, "The book does not answer. Give the trade's id, or kill.")
        chosen = (what,)
    else:
        chosen = tuple(x.id for x in trades if what in {x.id, x.plan.instrument_name})
        if not chosen:
            return _nothing_to_close(sources, what)
    for trade_id in chosen:
        command = CloseTrade(at=sources.clock.now(), trade_id=trade_id)
        sources.order(command)
        followers.add(_follower(call, trade_id))
    names = ", ".join(chosen)
    return accepted(
        f"Closing {_described(trades or (), chosen)} at market. The result follows.",
        effect=f"closing {names} at market",
    )


def _described(trades: tuple[Trade, ...], chosen: tuple[str, ...]) -> str:
    by_id = {x.id: x for x in trades}
    return ", ".join(_one(by_id[x]) if x in by_id else f"trade {x}" for x in chosen)


def _nothing_to_close(sources: Sources, what: str) -> Outcome:
    held = sources.look.positions if sources.look else ()
    if any(x.instrument_name == what for x in held):
        return refused(
            Refusal.NOTHING_TO_CLOSE,
            f"The position in {what} is not ours: no trade owns it.",
            "Close it at the venue, or kill, which closes everything.",
        )
    if what.endswith("-PERPETUAL"):
        return refused(Refusal.NOTHING_TO_CLOSE, f"There is no open trade in {what}.")
    return refused(Refusal.UNKNOWN_TRADE, f"There is no open trade {what}.")


def pause(sources: Sources, _: Followers, call: Call) -> Outcome:
    """No new entries from the answer on, restarts included."""
    record = RecordPause(at=sources.clock.now(), by=call.by)
    is_durable = sources.record(record)
    if not is_durable:
        sources.leave(record)
    trades = sources.trades()
    resting = [x.id for x in trades or () if not x.entered]
    lines = [
        "Paused: no new entries. Open trades keep their stops and targets.",
        "It lasts until resume, restarts included."
        if is_durable
        else "NOT ON DISK yet: it is written as soon as that is possible.",
    ]
    if resting:
        lines.append(f"Entries already on their way stay: {', '.join(resting)}. Close takes back.")
    return done(*lines, effect="entries paused" + ("" if is_durable else ", not durable yet"))


def resume(sources: Sources, _: Followers, call: Call) -> Answer:
    """Ends the pause and the kill that are in force now, and no other."""
    found = _in_force(sources)
    if found is None:
        return refused(Refusal.BUSY, "The book does not answer; try again.")
    kill, pause = found
    if kill is None and pause is None:
        return refused(Refusal.NOTHING_TO_RESUME, "Neither killed nor paused.")
    if kill is not None:
        hindrance = _not_clear(sources)
        if hindrance is not None:
            return hindrance
    effects: list[str] = []
    if kill is not None:
        effects.append(f"ends the kill made by {kill.by} ({kill.reason})")
    if pause is not None:
        effects.append(f"ends the pause made by {pause.by}")
    what = " and ".join(effects)
    then = _entries(sources)
    effect = f"{what[:1].upper()}{what[1:]}: {then}."

    def still_holds() -> bool:
        return _in_force(sources) == found

    def act() -> Outcome:
        return _resumed(sources, call, found, effect=effect, then=then)

    return Proposal(effect=effect, still_holds=still_holds, act=act)


def _entries(sources: Sources) -> str:
    """What a resume is worth: a day's loss that stands goes on denying every entry."""
    risk = sources.risk()
    if risk is not None and is_loss_reached(risk.result_usd, risk.loss_limit_usd):
        return "entries stay refused while the day's loss stands, until midnight at most"
    return "entries are possible again"


def _in_force(sources: Sources) -> _Found | None:
    """Kill and pause as the book has them; a kill may reach it later than Execution."""
    book = sources.book()
    if book is None:
        return None
    execution = sources.execution() if book.kill is None else None
    return book.kill or (execution.kill if execution else None), book.pause


def _not_clear(sources: Sources) -> Outcome | None:
    execution = sources.execution()
    if execution is None:
        return refused(Refusal.BUSY, "Execution does not answer; try again.")
    if execution.is_flattening or execution.trades:
        return refused(Refusal.NOT_FLAT_YET, "The account is not verified flat yet.")
    if not execution.is_reconciled:
        return refused(Refusal.NOT_RECONCILED, "Book and venue do not agree yet.")
    return None


def _resumed(sources: Sources, call: Call, found: _Found, *, effect: str, then: str) -> Outcome:
    now = sources.clock.now()
    kill, pause = found
    if kill is not None:
        command = Resume(at=now, by=call.by, expires_at=now + COMMAND_LIFE)
        has_ended = sources.end_kill(command)
        if has_ended is None:
            return refused(Refusal.BUSY, "Execution did not answer; see status before going on.")
        if not has_ended:
            return refused(Refusal.NOT_FLAT_YET, "The kill stands: not flat, or not reconciled.")
    if pause is not None and not sources.record(ClearPause(at=now, by=call.by)):
        ended = "The kill has ended. " if kill is not None else ""
        what = f"{ended}The pause stands: its end could not be recorded."
        return refused(Refusal.DISK_FAILED, what)
    return done(f"Resumed: {then}.", effect=effect)


def test(sources: Sources, _: Followers, call: Call) -> Outcome:
    """Goes the way of every alert: outbox, limits, Telegram."""
    sources.emit(AlertTestAsked, door=call.door, who=call.who)
    return done("A test alert is on its way.", effect="a test alert sent")


def restart(sources: Sources, _: Followers, call: Call) -> Answer:
    """Ends the process in order; who starts it again is said before."""
    again = (
        f"{sources.facts.restarted_by} starts it again"
        if sources.facts.restarted_by
        else "NOBODY starts it again: it does not run under supervisord"
    )
    effect = f"Stop the daemon in order; {again}. Stops and targets stay on the venue."

    def act() -> Outcome:
        sources.stop_all(
            StopAll(
                at=sources.clock.now(),
                reason=f"restart by {call.by}",
                exit_code=int(ExitCode.RESTART),
            )
        )
        return done(f"Stopping; {again}.", effect=effect)

    return Proposal(effect=effect, still_holds=lambda: True, act=act)


def _follower(call: Call, trade_id: str = "") -> Follower:
    return Follower(
        request_id=call.request_id,
        door=call.door,
        who=call.who,
        command=call.spec.name,
        trade_id=trade_id,
    )


ACTS: Mapping[str, Callable[[Sources, Followers, Call], Answer]] = {
    "kill": kill,
    "close": close,
    "pause": pause,
    "resume": resume,
    "open": open_,
    "restart": restart,
    "test": test,
}
"""Who carries out what; the rest of the table is in `actors.desk_reads`."""
