"""The account on disk: exact, whole after any crash, and one exchange's alone."""

import resource
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.paper import jsontext
from adapters.paper.account_log import put_together
from adapters.paper.exchange import Exchange
from adapters.paper.store import LOG, OLD_PAST, OLD_PRESENT, AccountStore, read
from tests.adapters.paper.flow import THIN, Steps, run, steps, take
from tests.adapters.paper.harness import Bench


def _busy() -> Bench:
    bench = Bench()
    bench.buy(100, label="a")
    bench.stop(100, 99_000)
    bench.sell(50, price=101_000, reduce_only=True)
    bench.move(98_000)
    bench.buy(10, price=90_000)
    return bench


def _saved(folder: Path, bench: Bench, saves: int = 3) -> AccountStore:
    """A store with all of a busy account and a few entries; the last is an order with a label."""
    store = AccountStore(folder)
    assert store.load() is None
    store.rewrite(bench.exchange.whole())
    for number in range(saves):
        bench.buy(20, label=f"save {number}")
        store.append(bench.exchange.entry())
    return store


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    """The first line and the entries after it are the snapshot, exactly, also when reopened."""
    bench = _busy()
    _saved(tmp_path, bench).close()
    assert read(tmp_path) == bench.exchange.snapshot()
    store = AccountStore(tmp_path)
    assert store.load() == bench.exchange.snapshot()
    bench.buy(30)
    store.append(bench.exchange.entry())
    store.close()
    assert read(tmp_path) == bench.exchange.snapshot()


@settings(max_examples=40)
@given(steps, st.integers(1, 7))
def test_entries_put_together_are_the_snapshot(flow: Steps, every: int) -> None:
    """Whatever happened, saved at whatever moments: nothing that changed is missing."""
    bench = Bench(shape=THIN)
    whole, entries = bench.exchange.whole(), list[Any]()
    for number, step in enumerate(flow):
        take(bench, step)
        if number % every == 0:
            entries.append(orjson.loads(bench.exchange.entry()))
    entries.append(orjson.loads(bench.exchange.entry()))
    assert orjson.loads(bench.exchange.entry()) == {}
    kept = put_together(orjson.loads(whole), entries)
    restored = Exchange.restore(kept, seed=bench.seed, **bench.settings)
    assert restored.snapshot() == bench.exchange.snapshot()


@settings(max_examples=10)
@given(steps, steps)
def test_an_account_from_its_log_goes_on_as_if_it_had_never_stopped(
    before: Steps, after: Steps
) -> None:
    """What is said after a restart from the log is what would have been said without it."""
    original, restored = Bench(shape=THIN), Bench(shape=THIN)
    whole = orjson.loads(original.exchange.whole())
    run(original, before)
    kept = put_together(whole, [orjson.loads(original.exchange.entry())])
    restored.exchange = Exchange.restore(kept, seed=original.seed, **original.settings)
    restored.now_ms = original.now_ms
    restored.session, original.session = restored.logged_in(), original.logged_in()
    assert run(original, after) == run(restored, after)


def test_a_log_cut_off_anywhere_holds_what_was_saved_before(tmp_path: Path) -> None:
    """At every byte of the last entry: either all of it is there, or none of it."""
    bench = _busy()
    store = _saved(tmp_path, bench)
    known = bench.exchange.snapshot()
    length = (tmp_path / LOG).stat().st_size
    bench.buy(10, label="last")
    store.append(bench.exchange.entry())
    store.close()
    text = (tmp_path / LOG).read_bytes()
    for cut in {*range(length, len(text), 97), length, len(text) - 1}:
        (tmp_path / LOG).write_bytes(text[:cut])
        assert read(tmp_path) == known
    (tmp_path / LOG).write_bytes(text[:-9] + b"\0" * 8 + b"\n")
    assert read(tmp_path) == known


def test_the_torn_end_is_written_over(tmp_path: Path) -> None:
    """After the crash the log goes on where it was good; nothing torn is left in it."""
    bench = _busy()
    _saved(tmp_path, bench).close()
    with (tmp_path / LOG).open("ab") as file:
        file.write(b'0badc0de {"figures": {"now')
    store = AccountStore(tmp_path)
    assert store.load() == bench.exchange.snapshot()
    bench.buy(20)
    store.append(bench.exchange.entry())
    store.close()
    assert read(tmp_path) == bench.exchange.snapshot()
    assert b"0badc0de" not in (tmp_path / LOG).read_bytes()


def test_damage_before_the_end_is_an_error(tmp_path: Path) -> None:
    """What others were told of must not be dropped in silence as if it were a torn end."""
    _saved(tmp_path, _busy()).close()
    text = (tmp_path / LOG).read_bytes()
    (tmp_path / LOG).write_bytes(text.replace(b"save 1", b"save 7"))
    store = AccountStore(tmp_path)
    with pytest.raises(ValueError, match=r"line \d of account.log is damaged"):
        store.load()
    store.close()


def test_a_long_log_is_begun_anew(tmp_path: Path) -> None:
    """It holds the same account in one line, and goes on."""
    bench = _busy()
    store = AccountStore(tmp_path, long=10_000)
    store.rewrite(bench.exchange.whole())
    while not store.is_long:
        bench.buy(10)
        bench.sell(10)
        store.append(bench.exchange.entry())
    store.rewrite(bench.exchange.whole())
    assert not store.is_long
    assert (tmp_path / LOG).read_bytes().count(b"\n") == 1
    assert read(tmp_path) == bench.exchange.snapshot()
    bench.buy(10)
    store.append(bench.exchange.entry())
    store.close()
    assert read(tmp_path) == bench.exchange.snapshot()


def test_a_crash_while_it_is_begun_anew_costs_nothing(tmp_path: Path) -> None:
    """Until the new file has its name, the old one counts."""
    bench = _busy()
    _saved(tmp_path, bench).close()
    (tmp_path / "account.new").write_bytes(b"0000")
    store = AccountStore(tmp_path)
    assert store.load() == bench.exchange.snapshot()
    store.close()


def test_what_a_full_disk_took_of_a_new_log_is_given_back(tmp_path: Path) -> None:
    """It is tried again every second: the part of an account must not fill the disk each time."""
    store = AccountStore(tmp_path)
    store.rewrite(b"{}")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            store.rewrite(b"x" * 2_000_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {each.name for each in tmp_path.iterdir()} == {LOG, "lock"}
    store.append(b"{}")
    store.close()


def test_a_removed_log_is_noticed(tmp_path: Path) -> None:
    """A file without a name would take every write and keep nothing."""
    bench = _busy()
    store = _saved(tmp_path, bench)
    (tmp_path / LOG).unlink()
    bench.buy(10)
    with pytest.raises(OSError, match="removed"):
        store.append(bench.exchange.entry())
    store.close()


def test_an_entry_costs_the_same_at_any_age() -> None:
    """It does not grow with what has been traded."""
    bench = Bench()
    bench.exchange.whole()
    bench.buy(10)
    young = len(bench.exchange.entry())
    for step in range(200):
        bench.buy(10)
        bench.sell(10)
        bench.move(100_000 + step)
    bench.exchange.entry()
    bench.buy(10)
    assert len(bench.exchange.entry()) < young * 1.2


@pytest.mark.parametrize("name", [LOG, OLD_PRESENT])
@pytest.mark.parametrize("text", [b"", b"{}", b"[]\n", b"\xff\n", b'{"history_bytes": "x"}'])
def test_an_unreadable_account_is_an_error_that_names_it(
    tmp_path: Path, name: str, text: bytes
) -> None:
    """It is never taken for a new account."""
    (tmp_path / name).write_bytes(text)
    store = AccountStore(tmp_path)
    with pytest.raises(ValueError, match=tmp_path.name):
        store.load()
    store.close()


def test_an_account_of_two_files_is_read_and_goes_on_as_a_log(tmp_path: Path) -> None:
    """The form before the log: the present whole, rows of the past beside it, some cut off."""
    bench = _busy()
    kept = bench.exchange.snapshot()
    rows = [{kind: row} for kind in ("closed", "trades", "entries", "logs") for row in kept[kind]]
    past = b"".join(orjson.dumps(row) + b"\n" for row in rows)
    present = {name: part for name, part in kept.items() if not isinstance(part, list)}
    present |= {"live": kept["live"], "history_bytes": len(past)}
    (tmp_path / OLD_PRESENT).write_bytes(orjson.dumps(present))
    (tmp_path / OLD_PAST).write_bytes(past + b'{"trades": {"trade_id"')
    store = AccountStore(tmp_path)
    assert store.load() == kept
    assert store.is_new
    store.rewrite(bench.exchange.whole())
    store.close()
    assert read(tmp_path) == kept
    assert {each.name for each in tmp_path.iterdir()} == {LOG, "lock"}


def test_a_folder_has_one_owner(tmp_path: Path) -> None:
    """A second exchange on the same folder is refused until the first lets go."""
    first = AccountStore(tmp_path)
    with pytest.raises(OSError, match="in use by another"):
        AccountStore(tmp_path)
    first.close()
    AccountStore(tmp_path).close()


def test_decimals_travel_as_they_are_written() -> None:
    """Neither writing nor reading goes through binary fractions."""
    value = {"a": Decimal("0.10"), "b": [Decimal("1E-8"), Decimal("1E+3"), 7, None]}
    assert jsontext.encode(value) == b'{"a":0.10,"b":[0.00000001,1000,7,null]}'
    assert jsontext.decode("0.1") == Decimal("0.1")
    with pytest.raises(ValueError, match="nested"):
        jsontext.decode("[" * 100_000)
    with pytest.raises(TypeError):
        jsontext.encode({"a": object()})


def test_an_account_from_before_settlements_goes_on() -> None:
    """Without log, session figures, states and links it is restored, and settles its position."""
    bench = Bench()
    bench.ask_at(98_000)
    bench.buy(10_000)
    kept = bench.exchange.snapshot()
    del kept["logs"], kept["liquidated_ms"]
    for stake in kept["stakes"].values():
        del stake["session"], stake["told"]
    for market in kept["markets"].values():
        del market["state"], market["settlement_price"], market["candles"]
    for order in kept["closed"]:
        for name in ("oco_ref", "oto_order_ids", "is_secondary_oto", "display", "is_liquidation"):
            del order[name]
    equity = bench.account()["equity"]
    bench.exchange = Exchange.restore(kept, seed=bench.seed, **bench.settings)
    bench.session = bench.logged_in()
    assert bench.account()["equity"] == equity
    bench.move(100_000, ms=21 * 3_600_000)
    assert bench.position()["floating_profit_loss"] == 0
    assert bench.account()["balance"] > equity
