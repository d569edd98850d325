"""Which updates were taken but may come again, kept over a `kill -9`.

Only so that a start tells the person truly how many commands were dropped: whatever is pending at
a start is never carried out, remembered here or not.
"""

import contextlib
import json
from pathlib import Path
from typing import cast

MOST = 200


class Handled:
    """Ids of updates whose confirmation Telegram may not have got."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ids: list[int] = []
        with contextlib.suppress(OSError, ValueError):
            read: object = json.loads(path.read_text("utf-8"))
            if isinstance(read, list):
                ids = cast("list[object]", read)
                self._ids = [x for x in ids if isinstance(x, int)][-MOST:]

    def __contains__(self, update_id: int) -> bool:
        return update_id in self._ids

    def add(self, update_id: int) -> None:
        """Before the update is acted on. A disk that refuses must not hold up a kill."""
        self._ids = [*self._ids, update_id][-MOST:]
        aside = self._path.with_suffix(".new")
        with contextlib.suppress(OSError):
            aside.write_text(json.dumps(self._ids), "utf-8")
            aside.replace(self._path)
