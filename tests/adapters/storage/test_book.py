"""The durable book: what returned is on disk, what raised never happened."""

import errno
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tinydb import Query, TinyDB

from adapters.storage.atomic import Files, NotUndone
from adapters.storage.book import BookTooNew, TinyBook, open_book, read_book
from tests.adapters.storage.fakes import FailingFiles

NOW = datetime(2026, 11, 20, 12, 30, 5, tzinfo=UTC)


def opened(folder: Path, files: Files | None = None) -> TinyBook:
    """The book there, or an empty one that owes nothing to a journal."""
    if not (folder / "registry.json").exists():
        empty = '{"_book": {"1": {"_key": "format", "version": 1}}}'
        (folder / "registry.json").write_text(empty, "utf-8")
    return open_book(folder / "registry.json", NOW, files)


def owed(kept_aside: Path | str) -> dict[str, Any]:
    """All that a book holds which was made anew."""
    return {"state": {"rebuilding": {"kept_aside": str(kept_aside)}}}


def on_disk(folder: Path) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
    """What a new process would load, read without touching anything."""
    state = json.loads((folder / "registry.json").read_bytes())
    del state["_book"]
    return {
        table: {document.pop("_key"): document for document in documents.values()}
        for table, documents in state.items()
    }


def test_a_new_book_is_on_disk_and_must_be_rebuilt(tmp_path: Path) -> None:
    """Opening where there is nothing makes folder and file at once: the journal may know more."""
    folder = tmp_path / "data" / "paper"
    book = open_book(folder / "registry.json", NOW)
    assert book.load() == on_disk(folder) == owed("")
    book.close()


def test_what_was_put_is_there_after_opening_again(tmp_path: Path) -> None:
    """Documents come back under table and key; a second put takes the first one's place."""
    book = opened(tmp_path)
    book.put("trades", "t1", {"state": "intent", "note": "goes"})
    book.put("trades", "t2", {"state": "intent"})
    book.put("orders", "bw.t1.sl.1", {"price": "61234.5", "sizes": [1, 2], "none": None})
    book.put("trades", "t1", {"state": "protected"})
    book.close()
    expected = {
        "trades": {"t1": {"state": "protected"}, "t2": {"state": "intent"}},
        "orders": {"bw.t1.sl.1": {"price": "61234.5", "sizes": [1, 2], "none": None}},
    }
    again = opened(tmp_path)
    assert again.load() == expected
    again.put("trades", "t3", {"state": "intent"})
    assert again.load()["trades"].keys() == {"t1", "t2", "t3"}
    again.close()


def test_removing_takes_one_document(tmp_path: Path) -> None:
    """A removed key is gone from memory and disk; removing what is not there does nothing."""
    book = opened(tmp_path)
    book.put("trades", "t1", {"n": 1})
    book.put("trades", "t2", {"n": 2})
    book.remove("trades", "t1")
    book.remove("trades", "t1")
    book.remove("no table", "t1")
    book.put("trades", "t3", {"n": 3})
    assert book.load() == on_disk(tmp_path) == {"trades": {"t2": {"n": 2}, "t3": {"n": 3}}}
    book.close()


def test_plain_tinydb_reads_the_file(tmp_path: Path) -> None:
    """The file is an ordinary TinyDB document file that any reader can query."""
    book = opened(tmp_path)
    book.put("trades", "t1", {"state": "protected"})
    book.close()
    with TinyDB(tmp_path / "registry.json", access_mode="r") as database:
        trades = database.table("trades")  # pyright: ignore[reportUnknownMemberType] - bare kwargs
        found = trades.search(Query()["_key"] == "t1")
        assert found == [{"_key": "t1", "state": "protected"}]


def test_the_book_keeps_its_own_copy(tmp_path: Path) -> None:
    """Changing a document after putting it, or one that was loaded, changes nothing stored."""
    book = opened(tmp_path)
    document: dict[str, Any] = {"fills": [1]}
    book.put("trades", "t1", document)
    document["fills"].append(2)
    book.load()["trades"]["t1"]["fills"].append(3)
    book.put("trades", "t2", {})
    assert book.load()["trades"]["t1"] == on_disk(tmp_path)["trades"]["t1"] == {"fills": [1]}
    book.close()


def test_reserved_names_and_odd_values_are_refused(tmp_path: Path) -> None:
    """Names the format needs, and values JSON has no form for, are refused before any write."""
    book = opened(tmp_path)
    with pytest.raises(ValueError, match="reserved"):
        book.put("_book", "1", {})
    with pytest.raises(ValueError, match="reserved"):
        book.put("trades", "t1", {"_key": "mine"})
    with pytest.raises(TypeError):
        book.put("trades", "t1", {"price": object()})
    assert book.load() == {}
    book.close()


KEYS = st.sampled_from(["a", "b", "c"])
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "remove"]),
        KEYS,
        KEYS,
        st.dictionaries(st.text(max_size=3), st.integers(-9, 9) | st.text(max_size=3), max_size=2),
        st.sampled_from(
            [
                (),
                ("write",),
                ("link",),
                ("rename",),
                ("sync",),
                ("retire",),
                ("sync", "put back"),
            ]
        ),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_memory_and_disk_agree_whatever_fails(
    steps: list[Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """After any failure the book shows what the file holds: the old, or the new if it said so."""
    folder = tmp_path_factory.mktemp("book")
    files = FailingFiles(folder)
    book = opened(folder, files)
    expected: dict[str, dict[str, Any]] = {"a": {}, "b": {}, "c": {}}
    for action, table, key, document, failing in steps:
        wanted = {**expected[table], key: document}
        if action == "remove":
            del wanted[key]
        files.fail(*failing)
        try:
            book.remove(table, key) if action == "remove" else book.put(table, key, document)
        except NotUndone:
            expected[table] = wanted
        except OSError:
            pass
        else:
            expected[table] = wanted
        files.fail()
        shown = {name: documents for name, documents in book.load().items() if documents}
        assert shown == {name: documents for name, documents in expected.items() if documents}
        assert book.load() == on_disk(folder)
    book.close()
    assert [file.name for file in folder.iterdir()] == ["registry.json"]


def test_a_full_disk_is_reported_and_forgotten(tmp_path: Path) -> None:
    """A put that found no room raises, is never seen again, and the next one works."""
    files = FailingFiles(tmp_path)
    book = opened(tmp_path, files)
    book.put("trades", "t1", {"n": 1})
    files.fail("write")
    with pytest.raises(OSError, match="write fails"):
        book.put("trades", "t1", {"n": 2})
    with pytest.raises(OSError, match="write fails"):
        book.remove("trades", "t1")
    files.fail()
    book.put("trades", "t3", {"n": 3})
    assert book.load() == on_disk(tmp_path) == {"trades": {"t1": {"n": 1}, "t3": {"n": 3}}}
    book.close()


def test_without_hard_links_commits_still_work(tmp_path: Path) -> None:
    """A file system that has no hard links costs speed only, and failures that cannot be undone."""
    files = FailingFiles(tmp_path)
    files.fail("link", number=errno.EPERM)
    book = opened(tmp_path, files)
    for number in range(6):
        book.put("trades", "t1", {"n": number})
    assert on_disk(tmp_path) == {"trades": {"t1": {"n": 5}}}
    files.failing["sync"] = errno.EIO
    with pytest.raises(NotUndone):
        book.put("trades", "t1", {"n": 6})
    assert book.load() == on_disk(tmp_path) == {"trades": {"t1": {"n": 6}}}
    book.close()


def test_a_reader_keeps_what_it_opened(tmp_path: Path) -> None:
    """A file opened by somebody else stays the same through the commits that follow."""
    book = opened(tmp_path)
    book.put("trades", "t1", {"n": 1})
    with (tmp_path / "registry.json").open("rb") as reader:
        for number in range(2, 5):
            book.put("trades", "t1", {"n": number})
        assert [document["n"] for document in json.load(reader)["trades"].values()] == [1]
    book.close()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b'{"_book": {"1": {"_key": "format", "version": 1}}}garbage tail',
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"_book": {"1": {"_key": "format", "version": "one"}}}',
        b'{"_book": {"1": {"_key": "format", "version": 1}}, "trades": {"1": {"state": "x"}}}',
        b'{"_book": {"1": {"_key": "format", "version": 1}}, "trades": {"x": {"_key": "x"}}}',
        b'{"_book": {"1": {"_key": "a", "version": 1}, "2": {"_key": "a"}}}',
    ],
)
def test_an_unreadable_file_is_kept_aside(tmp_path: Path, content: bytes) -> None:
    """What is no book is kept under a dated name; the new one says that, and where."""
    path = tmp_path / "registry.json"
    path.write_bytes(content)
    book = open_book(path, NOW)
    expected = tmp_path / "registry.unreadable-20261120T123005.json"
    assert expected.read_bytes() == content
    assert book.load() == owed(expected)
    book.put("trades", "t1", {})
    book.close()
    path.write_bytes(content)
    book = open_book(path, NOW)
    book.close()
    assert book.load() == owed(tmp_path / "registry.unreadable-20261120T123005-2.json")


def test_that_a_book_must_be_rebuilt_survives_a_start_that_dies(tmp_path: Path) -> None:
    """The second start finds a valid book, and still that it has to be rebuilt."""
    path = tmp_path / "registry.json"
    path.write_bytes(bytes(64))
    open_book(path, NOW)  # and dies
    expected = owed(tmp_path / "registry.unreadable-20261120T123005.json")
    book = open_book(path, NOW)
    assert book.load() == read_book(path) == expected
    book.close()


def test_a_book_its_user_cannot_live_from_is_kept_aside_too(tmp_path: Path) -> None:
    """JSON and a book, but no records: whoever opens it says so."""

    def refuse(tables: Mapping[str, Any]) -> None:
        assert tables == {"trades": {"t1": {"contracts": "many"}}}
        raise ValueError("contracts")

    book = opened(tmp_path)
    book.put("trades", "t1", {"contracts": "many"})
    book.close()
    content = (tmp_path / "registry.json").read_bytes()
    book = open_book(tmp_path / "registry.json", NOW, check=refuse)
    (aside,) = tmp_path.glob("registry.unreadable-*")
    assert aside.read_bytes() == content
    assert book.load() == owed(aside)
    book.close()


def test_an_unreadable_file_stays_when_there_is_no_room_for_a_new_one(tmp_path: Path) -> None:
    """On a full disk nothing is moved: the next start will find and report it again."""
    path = tmp_path / "registry.json"
    path.write_bytes(b"garbage")
    files = FailingFiles(tmp_path)
    files.fail("write")
    with pytest.raises(OSError, match="write fails"):
        open_book(path, NOW, files)
    files.fail()
    assert path.read_bytes() == b"garbage"
    book = open_book(path, NOW, files)
    (aside,) = tmp_path.glob("registry.unreadable-*")
    assert aside.read_bytes() == b"garbage"
    book.close()


def test_a_later_format_is_never_touched(tmp_path: Path) -> None:
    """A book of a later version stops the start instead of being lost."""
    path = tmp_path / "registry.json"
    content = b'{"_book": {"1": {"version": 2}}, "other": ["shape"]}'
    path.write_bytes(content)
    with pytest.raises(BookTooNew, match="format 2"):
        open_book(path, NOW)
    assert path.read_bytes() == content


def test_a_file_that_cannot_be_read_is_not_put_aside(tmp_path: Path) -> None:
    """A disk error while reading says nothing about the content and propagates."""
    path = tmp_path / "registry.json"
    path.mkdir()
    with pytest.raises(IsADirectoryError):
        open_book(path, NOW)
    assert path.is_dir()


def test_leftovers_of_a_crash_are_removed_and_never_read(tmp_path: Path) -> None:
    """Half-written spares, even a second name of the live file, do no harm."""
    book = opened(tmp_path)
    book.put("trades", "t1", {"n": 1})
    book.close()
    (tmp_path / ".registry.json.0").write_bytes(b"{half")
    (tmp_path / ".registry.json.kept").hardlink_to(tmp_path / "registry.json")
    again = opened(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["registry.json"]
    assert again.load() == {"trades": {"t1": {"n": 1}}}
    again.close()
