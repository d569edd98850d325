"""How ends are counted over processes: the first at once, then ever later, told now and then."""

from datetime import timedelta
from pathlib import Path

from adapters.storage.giving_up import UNWRITTEN_SECONDS, GivingUp
from tests.adapters.storage.test_journal import SetClock


class Clock(SetClock):
    """Both times go on together."""

    passed = 0.0

    def monotonic(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        self.passed += seconds
        self.wall += timedelta(seconds=seconds)


def test_the_first_ends_are_at_once_and_then_ever_later(tmp_path: Path) -> None:
    """A position may be open: two restarts are immediate; the ninth and all after wait a minute."""
    clock, path = Clock(), tmp_path / "giving_up"
    delays = [GivingUp(path, clock).delay() for _ in range(10)]
    assert delays == [0, 0, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_process_that_lived_well_or_ended_by_order_begins_anew(tmp_path: Path) -> None:
    """Ten minutes are a good start."""
    clock, path = Clock(), tmp_path / "giving_up"
    for _ in range(6):
        GivingUp(path, clock).delay()
    lived = GivingUp(path, clock)
    clock.sleep(600)
    assert lived.delay() == 0
    for _ in range(6):
        GivingUp(path, clock).delay()
    GivingUp(path, clock).reset()
    assert GivingUp(path, clock).delay() == 0


def test_a_process_lives_from_its_own_beginning(tmp_path: Path) -> None:
    """Not from when the libraries were there and the count could be opened."""
    clock = Clock()
    clock.sleep(10)
    assert GivingUp(tmp_path / "giving_up", clock, began=7.5).lived_seconds == 2.5
    assert GivingUp(tmp_path / "giving_up", clock).lived_seconds == 0


def test_a_person_is_told_once_in_ten_minutes(tmp_path: Path) -> None:
    """With how many were kept back; a clock that was ahead keeps nobody silent."""
    clock, path = Clock(), tmp_path / "giving_up"
    assert [GivingUp(path, clock).tell() for _ in range(4)] == [0, None, None, None]
    clock.sleep(599)
    assert GivingUp(path, clock).tell() is None
    clock.sleep(1)
    assert GivingUp(path, clock).tell() == 4
    clock.sleep(-86_400)
    assert GivingUp(path, clock).tell() == 0


def test_where_nothing_can_be_kept_it_is_slow_and_tells(tmp_path: Path) -> None:
    """Nobody knows whether it is the first end or the thousandth."""
    (tmp_path / "giving_up").mkdir()
    record = GivingUp(tmp_path / "giving_up", Clock())
    assert record.tell() == 0
    assert record.delay() == UNWRITTEN_SECONDS
    (tmp_path / "other").write_bytes(b"\xff not three numbers")
    assert GivingUp(tmp_path / "other", Clock()).delay() == 0
