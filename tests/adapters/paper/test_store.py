"""The account on disk: exact, whole, and one exchange's alone."""

from decimal import Decimal
from pathlib import Path

import pytest

from adapters.paper import jsontext
from adapters.paper.exchange import Exchange
from adapters.paper.store import PAST, PRESENT, AccountStore
from tests.adapters.paper.harness import INVERSE, Bench


def _busy() -> Bench:
    bench = Bench()
    bench.buy(100, label="a")
    bench.stop(100, 99_000)
    bench.sell(50, price=101_000, reduce_only=True)
    bench.move(98_000)
    bench.buy(10, price=90_000)
    return bench


def _reopened(folder: Path) -> object:
    store = AccountStore(folder)
    kept = store.load()
    store.close()
    return kept


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    """Present and past together are the snapshot, exactly, over several saves."""
    bench = _busy()
    store = AccountStore(tmp_path)
    assert store.load() is None
    store.save(bench.exchange.present(), bench.exchange.take_past())
    bench.buy(20)
    store.save(bench.exchange.present(), bench.exchange.take_past())
    store.save(bench.exchange.present(), bench.exchange.take_past())
    store.close()
    assert _reopened(tmp_path) == bench.exchange.snapshot()


def test_rows_of_a_save_that_was_cut_off_are_dropped(tmp_path: Path) -> None:
    """The present says how much of the past is known; what follows never happened."""
    bench = _busy()
    store = AccountStore(tmp_path)
    store.save(bench.exchange.present(), bench.exchange.take_past())
    store.close()
    known = bench.exchange.snapshot()
    with (tmp_path / PAST).open("ab") as file:
        file.write(b'{"trades": {"trade_id"')
    store = AccountStore(tmp_path)
    assert store.load() == known
    # A person may read the rows too: nothing torn is left among them.
    assert (tmp_path / PAST).read_bytes().endswith(b"}}\n")
    bench.buy(20)
    store.save(bench.exchange.present(), bench.exchange.take_past())
    store.close()
    assert _reopened(tmp_path) == bench.exchange.snapshot()


def test_a_save_costs_the_same_at_any_age() -> None:
    """The present does not grow with what has been traded."""
    bench = Bench()
    for step in range(30):
        bench.buy(10)
        bench.sell(10)
        bench.move(100_000 + step)
    young = len(jsontext.encode(bench.exchange.present()))
    for _ in range(200):
        bench.buy(10)
        bench.sell(10)
    assert len(jsontext.encode(bench.exchange.present())) < young * 1.2


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b"\xff", b'{"history_bytes": "x"}'])
def test_an_unreadable_account_is_an_error_that_names_it(tmp_path: Path, text: bytes) -> None:
    """It is never taken for a new account."""
    (tmp_path / PRESENT).write_bytes(text)
    store = AccountStore(tmp_path)
    with pytest.raises(ValueError, match=tmp_path.name):
        store.load()
    store.close()


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
        jsontext.encode({INVERSE})


def test_an_account_from_before_settlements_goes_on() -> None:
    """Without log, session figures, states and links it is restored, and settles its position."""
    bench = Bench()
    bench.ask_at(98_000)
    bench.buy(10_000)
    kept = jsontext.decode(jsontext.encode(bench.exchange.snapshot()))
    del kept["logs"], kept["liquidated_ms"]
    for stake in kept["stakes"].values():
        del stake["session"], stake["told"]
    for market in kept["markets"].values():
        del market["state"], market["settlement_price"]
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
