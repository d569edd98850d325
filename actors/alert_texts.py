"""What a person hears of, how it reads and how often: one table.

The first line of a text is what a locked phone shows, so it says the most important thing;
details follow, one fact a line.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from actors.messages import (
    alerts,
    archive,
    book,
    desk,
    lifecycle,
    risk,
    session,
    signals,
    telegram,
    trading,
    watch,
)
from actors.messages.base import Event, event_name
from domain.content import price_text


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of event is told. ``every`` is the limit in seconds, 0 for none."""

    text: Callable[[Any], str]
    every: float = 0.0
    is_critical: bool = False
    is_owed: bool = False
    """Told by the next process when this one dies before it could; so is what is critical."""
    outdates: type[Event] | None = None
    """The trouble that this ends: where it was held back until now, about the same subject, it is
    no news any more. Nor is this, once the trouble has come back.
    """


def words_for(kind: Kind, event: Event) -> tuple[str, str]:
    """The event in words; should they not fit, its own fields and what was wrong with them.

    Whatever goes wrong here is only about a text: the alert itself must not be lost.
    """
    try:
        return kind.text(event), ""
    except Exception as error:  # noqa: BLE001 (see above)
        fields = ", ".join(f"{name}={value}" for name, value in event.to_log().items())
        return f"{event_name(type(event))}: {fields}", f"{type(error).__name__}: {error}"


def _what_the_disk_needs(error: str) -> str:
    """Room is no cure for a disk that became read-only, or is not there any more."""
    if "Too many open files" in error:
        return "It is no matter of space: raise ulimit -n, then restart."
    if any(words in error for words in ("Read-only", "No such file")):
        return "It is no matter of space: df -h ., dmesg."
    return "Free some space."


def _who_repairs(missing: watch.ProtectionMissing) -> str:
    if missing.ours:
        return "Its trade is repairing it."
    return "No trade of ours holds it: it gets a stop only with FOREIGN_POSITIONS=protect."


def _price(value: Decimal | None) -> str:
    """At most two decimals, more where it is small, without zeros: an average has many more."""
    if value is None:
        return "none"
    text = price_text(value, 2)
    return text.rstrip("0").rstrip(".") if "." in text else text


def _ms(value: float) -> str:
    return f"{value:.0f} ms" if value < 10_000 else f"{value / 1000:.1f} s"


def _reason(word: str) -> str:
    """A stable code in plain words: ``stop_loss`` -> ``stop loss``."""
    return word.replace("_", " ")


def _listed(what: str, items: Sequence[str]) -> str:
    return f"{what}: {', '.join(items)}" if items else ""


def _opened(e: trading.TradeOpened) -> str:
    return (
        f"Opened {e.side} {e.instrument}\n"
        f"{e.contracts} contracts at {_price(e.entry_price)}\n"
        f"stop {_price(e.stop_loss)}, target {_price(e.take_profit)}\n"
        f"without stop for {_ms(e.unprotected_ms)}\n"
        f"trade {e.trade_id}"
    )


def _closed(e: trading.TradeClosed) -> str:
    return (
        f"Closed {e.side} {e.instrument}: {e.pnl_usd:+.2f} USD before fees\n"
        f"{_reason(e.exit_reason)}, {_price(e.entry_price)} -> {_price(e.exit_price)}\n"
        f"net {e.net_coin:+.8f} {e.currency} (fees {e.fees_coin:.8f})\n"
        f"trade {e.trade_id}"
    )


ALERTS: Mapping[type[Event], Kind] = {
    # -- the daemon ----------------------------------------------------------------------------
    trading.Ready: Kind(
        lambda e: (
            f"Ready ({_reason(e.mode)}): {e.trades} open trade{'' if e.trades == 1 else 's'}\n"
            f"Book and venue agree, reconciled in {e.seconds:.1f} s."
        )
    ),
    alerts.CrashFound: Kind(
        lambda e: (
            "RESTARTED: the daemon had not stopped in order\n"
            f"Its last journal entry is {e.silent_seconds:.0f} s older than this start. "
            "Stops stayed on the venue; reconciling now."
        )
    ),
    lifecycle.Stopping: Kind(
        lambda e: f"Stopping ({e.reason})\nStops and targets stay on the venue."
    ),
    lifecycle.PreflightPassedOver: Kind(
        lambda e: f"STARTED WITHOUT A GREEN PREFLIGHT: {e.reason}.", is_critical=True
    ),
    lifecycle.ChildFailed: Kind(
        lambda e: f"Part {e.name} failed and is being restarted\n{e.error}", every=60
    ),
    lifecycle.ChildRestarted: Kind(
        lambda e: f"Part {e.name} is back after {e.after_seconds:.1f} s.",
        every=60,
        outdates=lifecycle.ChildFailed,
    ),
    lifecycle.GaveUp: Kind(
        lambda e: (
            f"GIVING UP: {e.reason}\n"
            f"Stops stay on the venue; the process ends with code {e.exit_code}."
        ),
        is_critical=True,
    ),
    # -- trades --------------------------------------------------------------------------------
    trading.TradeOpened: Kind(_opened),
    trading.TradeClosed: Kind(_closed),
    trading.TradeAbandoned: Kind(
        lambda e: f"No trade on {e.instrument}: {_reason(e.reason)}\ntrade {e.trade_id}"
    ),
    trading.EmergencyBegan: Kind(
        lambda e: (
            f"EMERGENCY: no stop for trade {e.trade_id} ({_reason(e.reason)})\n"
            f"Closing {e.contracts} contracts at market now."
        ),
        is_critical=True,
    ),
    trading.EmergencyClosed: Kind(
        lambda e: (
            f"Emergency close done: trade {e.trade_id} ({_reason(e.reason)})\n"
            f"Without a stop for {_ms(e.unprotected_ms)}. Nothing is left to do."
        ),
        is_critical=True,
    ),
    trading.TradeNetted: Kind(
        lambda e: (
            f"{e.instrument}: the venue netted {e.contracts} contracts of trade {e.trade_id}\n"
            "Somebody had opened the other side; both are gone, and nothing is at risk."
        )
    ),
    trading.TradeTookOthers: Kind(
        lambda e: (
            f"{e.instrument}: orders of trade {e.trade_id} closed {e.contracts} contracts "
            "beyond its own\n"
            "They can open nothing, so those were yours, or another trade's. This trade is over.\n"
            "Look whether what you hold there is what you want."
        )
    ),
    trading.TradeQuarantined: Kind(
        lambda e: (
            f"PLEASE LOOK: trade {e.trade_id} on {e.instrument} closed more than it held\n"
            f"{e.position:+d} contracts are left of it, and it is not certain whose they are."
        ),
        is_critical=True,
    ),
    trading.ContractSizeUnfit: Kind(
        lambda e: (
            f"PLEASE LOOK: the contract size of {e.instrument} is {e.contract_size} now\n"
            f"Trade {e.trade_id} was made in others, and holds {e.position:+d} of {e.counted_in}. "
            "What rests of it stays; nothing is closed or cancelled by itself."
        ),
        is_critical=True,
    ),
    trading.PnlDiffers: Kind(
        lambda e: (
            f"PnL of trade {e.trade_id} differs\nours {e.ours:.10f}, the venue's {e.venue:.10f}"
        ),
        every=60,
    ),
    trading.StopMoveFailed: Kind(
        lambda e: (
            f"Stop of trade {e.trade_id} could not be moved to {_price(e.wanted)}\n"
            f"{e.code} {e.reason}. It stands where it was."
        ),
        every=600,
    ),
    trading.ProtectionDeadlineMissed: Kind(
        lambda e: (
            f"WITHOUT A STOP FOR {e.seconds:.1f} s: trade {e.trade_id} on {e.instrument}\n"
            f"{e.allowed_seconds:g} s are allowed. "
            + (
                "It is over: protected again, or closed."
                if e.is_over
                else "Only now it is known; it gets its stop, or is closed, at once."
            )
        ),
        is_critical=True,
    ),
    trading.StopReplaced: Kind(
        lambda e: (
            f"The stop of trade {e.trade_id} on {e.instrument} was gone; another rests now\n"
            f"{e.lost_label} was not cancelled by us. Does somebody else use this account?"
        ),
        every=60,
    ),
    trading.StopFailed: Kind(
        lambda e: f"Stop refused ({e.code} {e.reason}), failure {e.failures}\n{e.label}",
        every=60,
    ),
    trading.TargetMissing: Kind(
        lambda e: (
            f"No target for trade {e.trade_id} on {e.instrument} ({_price(e.price)})\n"
            + (
                "It was cancelled by hand again and again, and is not placed any more."
                if e.is_left_away
                else f"Refused or cut {e.failures} times in a row; tried again every minute."
            )
            + " The stop stands."
        ),
        every=60,
    ),
    trading.EntryRejected: Kind(
        lambda e: f"The venue refused an entry: {e.code} {e.reason}\ntrade {e.trade_id}", every=60
    ),
    # -- the kill and other modes --------------------------------------------------------------
    trading.KillSwitchActivated: Kind(
        lambda e: (
            f"KILL by {e.by}: {e.reason}\n"
            + (
                "Ordered while no daemon ran. No entries until resume; "
                "what is still open is closed."
                if e.by == trading.DIRECT
                else "No entries; closing everything."
            )
        ),
        is_critical=True,
    ),
    trading.FlatVerified: Kind(
        lambda e: f"Verified flat after {e.seconds:.1f} s\nNo position, no order of ours.",
        is_critical=True,
    ),
    trading.NotFlatYet: Kind(
        lambda e: (
            f"NOT {_listed('FLAT YET', e.positions) or 'VERIFIED FLAT YET'}\n"
            f"{e.reason}. Still trying every second."
        ),
        is_critical=True,
    ),
    trading.KillSwitchReset: Kind(
        lambda e: (
            f"Kill ended by {e.reason}\n"
            "Entries are possible, unless paused or the day's loss stands: see status."
        )
    ),
    trading.ProtectOnlyBegan: Kind(
        lambda e: f"PROTECT-ONLY: {e.reason}\nNo entries; open positions stay guarded.",
        is_critical=True,
    ),
    trading.ProtectOnlyEnded: Kind(lambda e: f"Protect-only ended: {e.reason}"),
    book.EntriesPaused: Kind(
        lambda e: f"Paused by {e.by}\nNo new entries; open trades keep their stops."
    ),
    book.EntriesResumed: Kind(
        lambda e: (
            f"Resumed by {e.by}\n"
            "Entries are possible, unless killed or the day's loss stands: see status."
        )
    ),
    # -- protection and ledger, judged on the venue's data -------------------------------------
    watch.ProtectionMissing: Kind(
        lambda e: (
            f"NO STOP: {e.instrument} {e.position:+d} contracts\n"
            f"Only {e.cover} covered, for {e.seconds:.1f} s. {_who_repairs(e)}"
        ),
        is_critical=True,
    ),
    watch.ProtectionRestored: Kind(
        lambda e: f"{e.instrument} is covered again, or flat\nAfter {e.seconds:.1f} s."
    ),
    watch.PositionDrifted: Kind(
        lambda e: (
            f"{e.instrument}: {e.residual:+d} contracts are not ours\n"
            f"The venue has {e.venue:+d}, our trades {e.ledger:+d}."
        ),
        every=60,
    ),
    watch.PositionAgreed: Kind(
        lambda e: f"{e.instrument}: venue and trades agree again",
        outdates=watch.PositionDrifted,
    ),
    watch.OrphanCancelled: Kind(
        lambda e: f"Cancelled an order without a trade on {e.instrument}\n{e.label}", every=60
    ),
    watch.OrphanKept: Kind(
        lambda e: f"Kept the last stop on {e.instrument}, though it has no trade\n{e.label}"
    ),
    watch.GuardPlaced: Kind(
        lambda e: (
            f"{e.instrument}: {e.contracts} contracts that are not ours now have a stop\n"
            f"at {_price(e.trigger_price)} ({e.label})"
        ),
        outdates=watch.GuardFailed,
    ),
    watch.GuardRemoved: Kind(lambda e: f"{e.instrument}: our guard is not needed any more"),
    watch.GuardFailed: Kind(
        lambda e: (
            f"{e.instrument}: a position that is not ours could not get its stop\n"
            f"{e.contracts} contracts ({e.error})"
        ),
        every=60,
    ),
    # -- the venue's interface -----------------------------------------------------------------
    watch.LookFailed: Kind(
        lambda e: f"The account cannot be read (failure {e.failures})\n{e.error}", every=60
    ),
    session.SessionLost: Kind(
        lambda e: (
            f"No session with the venue: {e.reason}\n"
            f"Stops rest there all the same. Next try in {e.retry_in_seconds:.1f} s."
        ),
        every=60,
    ),
    session.SessionRestored: Kind(
        lambda e: f"A session with the venue again, after {e.after_seconds:.1f} s.",
        every=60,
        outdates=session.SessionLost,
    ),
    session.SessionRefused: Kind(
        lambda e: f"The venue session is refused: {e.reason}", is_critical=True
    ),
    # -- disk ----------------------------------------------------------------------------------
    book.RegistryRebuilt: Kind(
        lambda e: (
            f"The registry was {'unreadable' if e.kept_aside else 'missing'}; "
            f"open trades rebuilt from the journal: {e.trades}"
            + (f"\nThe old file is kept as {e.kept_aside}." if e.kept_aside else "")
        ),
        is_critical=True,
    ),
    book.JournalUnreadable: Kind(
        lambda e: (
            f"JOURNAL: {e.file} cannot be read ({e.error})\n"
            "It is passed over. Open trades, a kill and a pause are in the book and not concerned; "
            "results in that file are missing in reports, and may be told or counted again."
        ),
        is_critical=True,
    ),
    book.DiskFailed: Kind(
        lambda e: (
            f"DISK: the {e.what} cannot be written ({e.error})\n"
            f"No entries; protection goes on. {_what_the_disk_needs(e.error)}"
        ),
        is_critical=True,
    ),
    book.DiskRecovered: Kind(lambda e: f"Disk: the {e.what} can be written again"),
    book.HistoryLost: Kind(
        lambda e: (
            f"JOURNAL: {e.entries} entries are lost for good\n"
            f"The disk took none for too long. {e.money_facts} of them were facts about trades, "
            "kills or orders. Hold the day's figures against the venue's."
        ),
        is_critical=True,
    ),
    # -- the archive: nothing here touches what trades -----------------------------------------
    archive.ArchiveDiskFailed: Kind(
        lambda e: f"Archive: ticks cannot be stored\n{e.error}\nTrading is not affected.",
        every=600,
    ),
    archive.ArchiveDiskRecovered: Kind(
        lambda _: "Archive: ticks are stored again", outdates=archive.ArchiveDiskFailed
    ),
    archive.HoleRecorded: Kind(
        lambda e: (
            f"Archive: {e.last_id - e.first_id + 1} ticks of {e.symbol} are lost\n"
            f"ids {e.first_id} to {e.last_id}: {e.reason}"
        ),
        every=600,
    ),
    archive.SegmentQuarantined: Kind(
        lambda e: f"Archive: a damaged file was set aside\n{e.file}: {e.reason}", every=600
    ),
    archive.CollectorLost: Kind(
        lambda e: f"Archive: the collector is silent for {e.silent_seconds:.0f} s", every=600
    ),
    archive.CollectorReturned: Kind(
        lambda e: f"Archive: the collector is back (process {e.pid})",
        outdates=archive.CollectorLost,
    ),
    # -- the day, and the doors ----------------------------------------------------------------
    alerts.DailyReported: Kind(lambda e: e.text, is_owed=True),
    signals.RegimeChanged: Kind(
        lambda e: (
            f"{e.instrument} is {e.regime} now\n"
            f"Efficiency {e.efficiency:.2f} ({e.strategy}); 1 is a straight line."
        ),
        every=60,
    ),
    risk.DayBegan: Kind(lambda e: f"Trading day {e.day} begins with {e.equity_usd} USD"),
    desk.AlertTestAsked: Kind(
        lambda e: f"Test alert: alerts arrive\nAsked for by {e.who} ({e.door})."
    ),
    desk.StrangerRefused: Kind(
        lambda e: f"A stranger tried to give a command\n{e.command!r} by {e.door} ({e.who})",
        every=60,
    ),
    telegram.CommandsDropped: Kind(
        lambda e: (
            f"Not done, {e.why}: {e.number} command{'' if e.number == 1 else 's'}\n"
            f"{', '.join(e.commands)}\nGive it again if you still want it."
        )
    ),
    telegram.PollingConflicted: Kind(
        lambda _: (
            "Another program uses this bot's token: commands may not reach me\n"
            "Alerts still arrive. Stop the other one, or give each its own bot."
        ),
        every=600,  # no longer may an all-clear be the last word although it has come back
    ),
    telegram.PollingResumed: Kind(
        lambda e: f"Commands reach me again, after {e.seconds:.0f} s",
        every=600,
        outdates=telegram.PollingConflicted,
    ),
    alerts.AlertDropped: Kind(
        lambda e: f"An ordinary alert was not delivered: {e.alert}\n{e.reason}; the journal has it",
        every=600,
    ),
}
"""What a person hears, and how. Everything else is in the log."""
