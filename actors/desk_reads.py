"""The commands that only read: from what the Desk has heard, the book, the journal and the log."""

from collections.abc import Callable, Mapping

from actors.desk_calls import Call, Outcome, done, refused
from actors.desk_following import Followers
from actors.desk_sources import Sources
from actors.messages.desk import Refusal
from domain import views
from domain.commands import BY_NAME, COMMANDS, nearest
from domain.content import Column, Table

STALE_LOOKS = 3
"""Looks missed beyond which the figures are called old."""


def ping(sources: Sources, _: Followers, __: Call) -> Outcome:
    return done(f"pong {sources.clock.now():%Y-%m-%d %H:%M:%S} UTC")


def version(sources: Sources, _: Followers, __: Call) -> Outcome:
    return done(f"bulwark {sources.facts.version} on {sources.facts.env}")


def help_(_: Sources, __: Followers, call: Call) -> Outcome:
    """All commands, or one with its arguments."""
    name = str(call.values["command"] or "")
    if not name:
        return done(tables=(_commands(),))
    spec = BY_NAME.get(name)
    if spec is None:
        near = nearest(name)
        return refused(
            Refusal.UNKNOWN_COMMAND,
            f"There is no command {name}." + (f" Did you mean {near}?" if near else ""),
        )
    lines = [spec.usage, spec.help]
    lines += [f"{x.name}: {x.help}" for x in spec.arguments]
    if spec.is_confirmed:
        lines.append(f"It {spec.effect}, so it asks for confirmation.")
    return done(*lines, f"Example: {spec.example}")


def _commands() -> Table:
    return Table(
        key="commands",
        title="Commands",
        columns=(
            Column(key="usage", title="command"),
            Column(key="help", title="what it does"),
            Column(key="confirmed", title="asks first"),
        ),
        rows=tuple((x.usage, x.help, x.is_confirmed) for x in COMMANDS),
    )


def positions(sources: Sources, _: Followers, __: Call) -> Outcome:
    """As the venue has them; the trades behind them from the book."""
    look = sources.look
    if look is None:
        return refused(Refusal.BUSY, "The account was not read yet.")
    trades = sources.trades()
    now = sources.clock.now()
    lines = _age(sources)
    if trades is None:
        lines = (*lines, "The book does not answer: which trades these are is not known now.")
    table = views.positions_table(look.positions, look.orders, trades or (), now)
    return done(*lines, tables=(table,))


def orders(sources: Sources, _: Followers, __: Call) -> Outcome:
    look = sources.look
    if look is None:
        return refused(Refusal.BUSY, "The account was not read yet.")
    return done(*_age(sources), tables=(views.orders_table(look.orders),))


def _age(sources: Sources) -> tuple[str, ...]:
    """A warning when the account was not read for too long."""
    if sources.look is None:
        return ()
    age = (sources.clock.now() - sources.look.at).total_seconds()
    if age <= STALE_LOOKS * sources.facts.poll_seconds + 1:
        return ()
    return (f"OLD: the account was last read {age:.0f} s ago.",)


READS: Mapping[str, Callable[[Sources, Followers, Call], Outcome]] = {
    "ping": ping,
    "version": version,
    "help": help_,
    "positions": positions,
    "orders": orders,
}
"""Who answers what."""
