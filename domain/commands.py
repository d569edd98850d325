"""Every operator command, once: name, arguments, effect, who may, whether it is confirmed, help.

The doors (Telegram, HTTP API, command line, dashboard) translate this table; `actors.desk`
carries it out. What reduces risk acts at once. What adds risk, or loses information, is done only
after its exact effect was confirmed.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from domain.arguments import Argument, BadArguments, Kind, Value, values_of, words_of


class Door(StrEnum):
    """Where a command comes from."""

    TELEGRAM = "telegram"
    API = "api"
    CLI = "cli"
    DASHBOARD = "dashboard"


class Effect(StrEnum):
    """What a command does to the account and to what is known of it."""

    READS = "reads"
    SAYS = "sends a message"
    REDUCES = "reduces risk"
    ADDS = "adds risk"
    LOSES = "interrupts the daemon"

    @property
    def is_confirmed(self) -> bool:
        return self in {Effect.ADDS, Effect.LOSES}


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSpec:
    """One operator command. ``example`` is the whole text a person may type."""

    name: str
    arguments: tuple[Argument, ...] = ()
    effect: Effect = Effect.READS
    help: str
    example: str

    @property
    def is_confirmed(self) -> bool:
        return self.effect.is_confirmed

    @property
    def is_urgent(self) -> bool:
        """Whether it goes to the hotline, where no reading can hold it up."""
        return self.effect is Effect.REDUCES

    @property
    def is_repeatable(self) -> bool:
        """Whether it is carried out each time it is given, under a request id used before as well.

        Doing it again does no harm; answering from memory would: a kill would not be one.
        """
        return self.effect in {Effect.READS, Effect.REDUCES}

    @property
    def usage(self) -> str:
        return " ".join([self.name, *(argument.usage for argument in self.arguments)])

    def allows(self, door: Door) -> bool:
        """Whether a door may give this command at all: a dashboard only reads."""
        return self.effect is Effect.READS or door is not Door.DASHBOARD


PERIODS = ("day", "week", "month")
LEVELS = ("debug", "info", "warning", "error", "critical")
MOST_TRADES, MOST_LINES = 500, 500

_TRADE = Argument(name="id", kind=Kind.TRADE_ID, help="a trade's id, as in positions and trades")

COMMANDS: tuple[CommandSpec, ...] = (
    CommandSpec(
        name="positions",
        help="Every position with the stop that rests at the venue, distances and PnL.",
        example="positions",
    ),
    CommandSpec(
        name="orders", help="Every order that rests at the venue, ours or not.", example="orders"
    ),
    CommandSpec(
        name="trades",
        arguments=(
            Argument(
                name="n", kind=Kind.COUNT, default="10", most=MOST_TRADES, help="how many trades"
            ),
        ),
        help="The last closed trades, newest first.",
        example="trades 20",
    ),
    CommandSpec(
        name="trade",
        arguments=(_TRADE,),
        help="One trade, open or closed, with all that happened to it.",
        example="trade 1m8kaqzyrc1p5g5vn2j",
    ),
    CommandSpec(
        name="open",
        arguments=(
            Argument(name="instrument", kind=Kind.INSTRUMENT, help="a perpetual"),
            Argument(name="side", kind=Kind.SIDE, help="the direction"),
            Argument(
                name="qty",
                kind=Kind.QUANTITY,
                help="in coin, or with a unit: 0.05, 5000usd, 500contracts",
            ),
            Argument(name="sl", kind=Kind.PRICE, is_named=True, help="the stop's trigger price"),
            Argument(
                name="tp", kind=Kind.PRICE, is_named=True, default="", help="the target's price"
            ),
            Argument(
                name="price",
                kind=Kind.PRICE,
                is_named=True,
                default="",
                help="a limit for the entry; at market without",
            ),
            Argument(
                name="be",
                kind=Kind.PRICE,
                is_named=True,
                default="",
                help="at this price the stop moves to where nothing is lost",
            ),
            Argument(
                name="trail",
                kind=Kind.PRICE,
                is_named=True,
                default="",
                help="the stop follows the price at this distance",
            ),
        ),
        effect=Effect.ADDS,
        help="Opens a trade with its stop, if Risk allows it.",
        example="open BTC-PERPETUAL buy 0.05 sl=99000 tp=101000",
    ),
    CommandSpec(
        name="close",
        arguments=(Argument(name="what", kind=Kind.TARGET, help="a trade's id, or an instrument"),),
        effect=Effect.REDUCES,
        help="Closes a trade, or all our trades in an instrument, at market.",
        example="close BTC-PERPETUAL",
    ),
    CommandSpec(
        name="kill",
        effect=Effect.REDUCES,
        help="No entries any more; everything is closed and verified flat. Lasts until resume.",
        example="kill",
    ),
    CommandSpec(
        name="pause",
        effect=Effect.REDUCES,
        help="No new entries, also after a restart. Open trades keep their stops and targets.",
        example="pause",
    ),
    CommandSpec(
        name="resume",
        effect=Effect.ADDS,
        help="Ends a pause, and a kill once the account is flat and reconciled.",
        example="resume",
    ),
    CommandSpec(name="risk", help="The limits, and how much of each is used.", example="risk"),
    CommandSpec(
        name="pnl",
        arguments=(
            Argument(
                name="period",
                kind=Kind.CHOICE,
                choices=PERIODS,
                default="day",
                help="today, the last 7 days or the last 31",
            ),
        ),
        help="Closed trades summed up, and the day's result on equity.",
        example="pnl week",
    ),
    CommandSpec(name="balance", help="The account, currency by currency.", example="balance"),
    CommandSpec(
        name="funding", help="Funding rates now, and what positions paid.", example="funding"
    ),
    CommandSpec(name="status", help="What the daemon is doing, in a few lines.", example="status"),
    CommandSpec(
        name="health", help="Whether all is well, and if not, every reason.", example="health"
    ),
    CommandSpec(
        name="logs",
        arguments=(
            Argument(
                name="n", kind=Kind.COUNT, default="20", most=MOST_LINES, help="how many lines"
            ),
            Argument(
                name="level",
                kind=Kind.CHOICE,
                choices=LEVELS,
                default="info",
                help="the least level",
            ),
        ),
        help="The last lines of the log, newest last.",
        example="logs 20 warning",
    ),
    CommandSpec(name="daily", help="The day's report, as it stands now.", example="daily"),
    CommandSpec(
        name="test",
        effect=Effect.SAYS,
        help="Sends a test alert the way real ones go.",
        example="test",
    ),
    CommandSpec(name="settings", help="The settings in force, secrets masked.", example="settings"),
    CommandSpec(
        name="restart",
        effect=Effect.LOSES,
        help="Stops in order and lets supervisord start anew. Stops and targets stay.",
        example="restart",
    ),
    CommandSpec(name="version", help="Which version runs.", example="version"),
    CommandSpec(
        name="help",
        arguments=(
            Argument(name="command", kind=Kind.WORD, default="", help="a command; all without one"),
        ),
        help="The commands, or one of them in full.",
        example="help open",
    ),
    CommandSpec(name="ping", help="Answers pong.", example="ping"),
)
"""The table."""

BY_NAME: Mapping[str, CommandSpec] = {spec.name: spec for spec in COMMANDS}
LONGEST_TEXT = 1000


def find(name: str) -> CommandSpec | None:
    """The command of that name; case and a leading slash do not matter."""
    return BY_NAME.get(name.strip().removeprefix("/").lower())


def nearest(name: str) -> str:
    """The command that was perhaps meant; empty when none is near."""
    word = name.strip().removeprefix("/").lower()[:32]
    return next(iter(difflib.get_close_matches(word, BY_NAME, n=1)), "")


def parse_text(spec: CommandSpec, text: str) -> Mapping[str, Value]:
    """The arguments a person typed after the command's name.

    Raises:
        BadArguments: with what is wrong, in words, and how it should be.
    """
    if len(text) > LONGEST_TEXT:
        raise BadArguments(f"more than {LONGEST_TEXT} characters")
    return values_of(spec.arguments, words_of(spec.arguments, text))


def parse_named(spec: CommandSpec, given: Mapping[str, str]) -> Mapping[str, Value]:
    """The arguments a program gave by name.

    Raises:
        BadArguments: with what is wrong, in words.
    """
    unknown = sorted(set(given) - {argument.name for argument in spec.arguments})
    if unknown:
        raise BadArguments(f"{spec.name} knows no argument {unknown[0][:40]!r}")
    if sum(len(text) for text in given.values()) > LONGEST_TEXT:
        raise BadArguments(f"more than {LONGEST_TEXT} characters")
    return values_of(spec.arguments, given)
