"""The durable book: TinyDB tables in one JSON file that is replaced whole at every commit.

On disk a table is what TinyDB writes (``{table: {document id: document}}``), each document
with its key under ``_key``; the table ``_book`` says the version of the format. Kept small by
its user: closed trades leave, so a commit costs the same in year two.
"""

import itertools
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import orjson
from tinydb import TinyDB
from tinydb.storages import Storage
from tinydb.table import Table

from actors.ports import REBUILDING
from adapters.storage.atomic import AtomicFile, Files, NotUndone, create

VERSION = 1
_KEY = "_key"
_ABOUT = "_book"


class _Kept(dict[str, Any]):
    """A document with its JSON, made once: a commit then only joins texts. Never changed."""

    __slots__ = ("json",)

    def __init__(self, fields: Mapping[str, Any]) -> None:
        super().__init__(fields)
        self.json = orjson.Fragment(orjson.dumps(fields))


_State = dict[str, dict[str, _Kept]]


class BookTooNew(Exception):
    """A later Bulwark wrote this book. To start with an empty one instead would lose trades."""

    def __init__(self, path: Path, version: object) -> None:
        super().__init__(f"{path} has format {version}; this Bulwark knows {VERSION}")
        self.path = path
        self.version = version


class AtomicStorage(Storage):
    """TinyDB storage that keeps the parsed state in memory; memory always equals the file.

    ``read`` gives a new outer mapping over shared tables: TinyDB replaces the table it changes
    in there, so what could not be written is forgotten with it.
    """

    def __init__(self, file: AtomicFile, state: _State) -> None:
        self._file = file
        self._state = state

    def read(self) -> _State:
        return dict(self._state)

    def write(self, data: _State) -> None:
        texts = {
            name: {doc_id: document.json for doc_id, document in table.items()}
            for name, table in data.items()
        }
        try:
            self._file.write(orjson.dumps(texts))
        except NotUndone:
            self._state = data
            raise
        self._state = data

    def close(self) -> None:
        self._file.close()


class _KeyedTable(Table):
    """Adds what TinyDB lacks: putting a document in the place of another, fields and all.

    It also spares a commit TinyDB's conversion of every document id to a number and back.
    """

    def put(self, doc_id: int, document: _Kept) -> None:
        tables = self._storage.read() or {}
        tables[self.name] = {**tables.get(self.name, {}), str(doc_id): document}
        self._storage.write(tables)
        self.clear_cache()


class _Database(TinyDB):
    table_class = _KeyedTable


class TinyBook:
    """`actors.ports.Book`. Documents hold what JSON holds; money travels as text.

    Every call that returned is on disk. One that raised `OSError` changed nothing, in memory or
    in the file (`NotUndone`, after a failing fsync of the folder, is the stated exception).
    """

    def __init__(self, storage: AtomicStorage) -> None:
        self._storage = storage
        self._database = _Database(storage=lambda: storage)
        self._lock = threading.Lock()
        self._ids: dict[str, dict[str, int]] = {}
        self._next_id = 1
        self._index()

    def put(self, table: str, key: str, document: Mapping[str, Any]) -> None:
        """Makes ``document`` the one under ``key``, in place of any other.

        Raises:
            OSError: it is not on disk; the old one is.
            TypeError: the document holds something JSON does not.
            ValueError: a reserved name.
        """
        if table == _ABOUT or _KEY in document:
            raise ValueError(f"{_ABOUT} and {_KEY} are reserved (putting {key} into {table})")
        # What is kept is what a reader would get back: the caller's later changes stay his.
        kept = _Kept(orjson.loads(orjson.dumps({_KEY: key, **document})))
        with self._lock:
            doc_id = self._ids.get(table, {}).get(key, self._next_id)
            self._commit(lambda: self._table(table).put(doc_id, kept))
            self._ids.setdefault(table, {})[key] = doc_id
            self._next_id = max(self._next_id, doc_id + 1)

    def remove(self, table: str, key: str) -> None:
        """Removes the document under ``key``; without one there is nothing to do.

        Raises:
            OSError: it is still there.
        """
        with self._lock:
            doc_id = self._ids.get(table, {}).get(key)
            if doc_id is None:
                return
            self._commit(lambda: self._table(table).remove(doc_ids=[doc_id]))
            del self._ids[table][key]

    def load(self) -> dict[str, dict[str, dict[str, Any]]]:
        """All tables: table -> key -> document. The caller's to change."""
        with self._lock:
            state = self._storage.read()
            return _by_key(state)

    def close(self) -> None:
        self._database.close()

    def _table(self, name: str) -> _KeyedTable:
        table = self._database.table(name)  # pyright: ignore[reportUnknownMemberType] - bare kwargs
        return cast("_KeyedTable", table)

    def _commit(self, change: Callable[[], object]) -> None:
        try:
            change()
        except OSError:
            self._index()  # from what memory and file agree on now
            raise

    def _index(self) -> None:
        state = self._storage.read()
        self._ids = {
            name: {document[_KEY]: int(doc_id) for doc_id, document in table.items()}
            for name, table in state.items()
        }
        used = (doc_id for ids in self._ids.values() for doc_id in ids.values())
        self._next_id = max(used, default=0) + 1


Tables = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""What a book holds: table -> key -> document."""


def _anything(tables: Tables) -> None:
    """Whatever the documents hold is right."""
    del tables


def open_book(
    path: Path,
    now: datetime,
    files: Files | None = None,
    *,
    check: Callable[[Tables], None] = _anything,
) -> TinyBook:
    """The book at ``path``. A missing or an unreadable one is made anew.

    ``check`` raises `ValueError` when its user could do nothing with what the tables hold: that
    is as good as unreadable. An unreadable file is kept as
    ``<name>.unreadable-<YYYYmmddTHHMMSS><suffix>``. A book made anew holds nothing but that it
    must be rebuilt (`actors.ports.REBUILDING`): a start that dies on the way leaves the next one
    the same task.

    Raises:
        BookTooNew: a later version wrote it; nothing was touched.
        OSError: the disk refuses. That says nothing about the content, so nothing is put aside.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    files = files or Files(path.parent)
    try:
        state = _parse(path)
        check(_by_key(state))
    except (FileNotFoundError, ValueError) as error:
        aside = _free_name(path, now) if isinstance(error, ValueError) else None
        state = _anew(aside)
        create(path, orjson.dumps(state), files, aside)
    else:
        # A predecessor killed in a commit may have left a name that is not on disk yet: what is
        # read now and acted on must not be taken back by a power cut.
        files.sync_folder()
    return TinyBook(AtomicStorage(AtomicFile(path, files), state))


def read_book(path: Path) -> Tables:
    """What the book at ``path`` holds; nothing is touched.

    Raises:
        BookTooNew: a later version wrote it.
        OSError: it cannot be read (`FileNotFoundError`: there is none).
        ValueError: not JSON, or not a book.
    """
    return _by_key(_parse(path))


def _anew(aside: Path | None) -> _State:
    table, key = REBUILDING
    return {
        _ABOUT: {"1": _Kept({_KEY: "format", "version": VERSION})},
        table: {"1": _Kept({_KEY: key, "kept_aside": str(aside or "")})},
    }


def _by_key(state: _State) -> dict[str, dict[str, dict[str, Any]]]:
    """A copy of the tables: table -> key -> document."""
    copy = orjson.loads(orjson.dumps({**state, _ABOUT: {}}))
    return {
        name: {document.pop(_KEY): document for document in table.values()}
        for name, table in copy.items()
        if name != _ABOUT
    }


def _parse(path: Path) -> _State:
    """The tables in ``path``.

    Raises:
        BookTooNew: its version is above ours.
        ValueError: not JSON, or not a book.
    """
    state = orjson.loads(path.read_bytes())
    try:
        version = int(state[_ABOUT]["1"]["version"])
        if version > VERSION:
            raise BookTooNew(path, version)
        for name, table in state.items():
            numbers = {int(doc_id) for doc_id in table}
            keys = {str(document[_KEY]) for document in table.values()}
            if len(keys) != len(numbers):
                raise ValueError(f"{path}: two documents under one key in {name}")
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is JSON but not a book") from error
    return {
        name: {doc_id: _Kept(document) for doc_id, document in table.items()}
        for name, table in state.items()
    }


def _free_name(path: Path, now: datetime) -> Path:
    stem = f"{path.stem}.unreadable-{now:%Y%m%dT%H%M%S}"
    endings = itertools.chain([""], map("-{}".format, itertools.count(2)))
    names = (path.with_name(f"{stem}{ending}{path.suffix}") for ending in endings)
    return next(name for name in names if not name.exists())
