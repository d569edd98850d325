"""A trade's story, or a day's, from the journal: one line an event, in words where it has any."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.table import Table

from domain.history import in_order

Entry = Mapping[str, Any]

WORDS = {
    "intent_recorded": "{side} {contracts} contracts of {instrument} ({entry_type}), stop "
    "{stop_loss}, target {take_profit}; {notional_usd} USD; note: {note}",
    "entry_sent": "{label}: {side} {contracts} contracts of {instrument}",
    "entry_filled": "{contracts} of {of_contracts} contracts at {average_price}",
    "entry_rejected": "the venue refused: {code} {reason}",
    "stop_placed": "{label} over {contracts} contracts, trigger {trigger_price}; "
    "{unprotected_ms} ms without a stop",
    "stop_failed": "{label} refused: {code} {reason} (failure {failures})",
    "target_placed": "{label} over {contracts} contracts at {price}",
    "trade_opened": "{side} {contracts} contracts at {entry_price} under its stop {stop_loss}",
    "trade_closed": "flat by {exit_reason} at {exit_price} after {seconds} s: {net_coin} "
    "{currency} after fees of {fees_coin}; {pnl_usd} USD before fees",
    "trade_abandoned": "never held a position: {reason}",
    "emergency_began": "no stop to be had ({reason}): closing {contracts} contracts at market",
    "emergency_closed": "closed at market ({reason}), {unprotected_ms} ms without a stop",
    "outcome_unknown": "{what} of {label}: no answer ({error}); looked up by its label",
    "outcome_resolved": "{label}: {outcome}",
    "orphan_cancelled": "{label} on {instrument}",
}
"""What is told in words. Everything else by its fields."""

FRAME = frozenset({"seq", "prev", "hash", "ts", "event", "level", "cause"})


def concerns(entry: Entry, trade: str) -> bool:
    """Whether the entry is about this trade: by its id, or by a label that carries it."""
    own = str(entry.get("trade_id", ""))
    label = str(entry.get("label", ""))
    return own.startswith(trade) or label.startswith(f"bw.{trade}")


def trade_ids(entries: Iterable[Entry]) -> list[str]:
    """The trades the entries are about, in order."""
    return list(dict.fromkeys(str(x["trade_id"]) for x in entries if x.get("trade_id")))


def table(entries: Sequence[Entry]) -> Table:
    """The entries with the time since the first; nothing is cut off on a narrow terminal."""
    shown = Table("UTC", "since, s", "event", box=None, pad_edge=False)
    shown.add_column("what", overflow="fold")
    ordered = in_order(entries)
    start = next(filter(None, map(_moment, ordered)), None)
    for entry in ordered:
        at = _moment(entry)
        since = f"{(at - start).total_seconds():+.3f}" if at and start else ""
        moment = str(entry.get("ts", ""))[5:23].replace("T", " ")  # the year is known
        shown.add_row(moment, since, str(entry.get("event", "")), words(entry))
    return shown


def words(entry: Entry) -> str:
    """What happened, in words."""
    sentence = WORDS.get(str(entry.get("event", "")))
    if sentence is not None:
        return sentence.format_map(defaultdict(lambda: "none", _texts(entry)))
    return " ".join(f"{key}={value}" for key, value in _texts(entry).items())


def _texts(entry: Entry) -> dict[str, str]:
    return {key: _text(value) for key, value in entry.items() if key not in FRAME}


def _text(value: object) -> str:
    """One line, figures without the zeros a venue pads them with."""
    text = str(value)
    is_figure = text.lstrip("-").replace(".", "", 1).isdigit() and "." in text
    return text.rstrip("0").rstrip(".") if is_figure else " ".join(text.split())


def _moment(entry: Entry) -> datetime | None:
    try:
        return datetime.fromisoformat(str(entry.get("ts")))
    except ValueError:
        return None
