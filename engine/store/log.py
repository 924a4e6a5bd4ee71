"""The SQLite file: an append-only log of changes. Used from one thread only; the one module that imports sqlite3.

Every change is one row at the end of one table, so a commit writes few pages (kind to SD cards). What the rows mean
together is rebuilt in memory on opening. Superseded rows are deleted when nobody can ask for them any more.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from engine.store.errors import StoreCorrupt, StoreFull, StoreUnavailable

_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS log (revision INTEGER PRIMARY KEY, key TEXT NOT NULL, value BLOB);
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""


class Row(NamedTuple):
    """One change; value None is a deletion."""

    revision: int
    key: str
    value: bytes | None


class Log:
    """An open log file. Every method raises StoreUnavailable (StoreFull, StoreCorrupt) and then has changed nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with _translated(path):
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=32)
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise

    def _prepare(self) -> None:
        # One process owns the file, so no shared-memory index is needed beside the write-ahead log.
        self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("PRAGMA cache_size=-2048")
        version: int = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > _SCHEMA_VERSION:
            raise StoreCorrupt(
                f"{self._path} was written by a newer version of Pilothouse (format {version}, this one reads "
                f"{_SCHEMA_VERSION}); start that version instead"
            )
        if version < _SCHEMA_VERSION:
            self._db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version={_SCHEMA_VERSION}; COMMIT;")

    def meta(self) -> dict[str, int]:
        with _translated(self._path):
            return dict(self._db.execute("SELECT name, value FROM meta"))

    def rows(self) -> Iterator[Row]:
        """All rows kept, in order of revision."""
        with _translated(self._path):
            for revision, key, value in self._db.execute("SELECT revision, key, value FROM log ORDER BY revision"):
                yield Row(revision, key, value)

    def commit(self, rows: Sequence[Row], meta: dict[str, int], superseded: Sequence[int]) -> None:
        """Make all of this durable in one transaction, or none of it."""
        with _translated(self._path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany("INSERT INTO log VALUES (?, ?, ?)", rows)
                if superseded:
                    self._db.executemany("DELETE FROM log WHERE revision = ?", ((revision,) for revision in superseded))
                if meta:
                    self._db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", meta.items())
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def snapshot(self, path: Path) -> None:
        with _translated(path):
            self._db.execute("VACUUM INTO ?", (str(path),))

    def close(self) -> None:
        with _translated(self._path):
            self._db.close()


@contextmanager
def _translated(path: Path) -> Generator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        name = getattr(error, "sqlite_errorname", "") or ""
        if name.startswith("SQLITE_FULL"):
            raise StoreFull(f"no space left on the disk that holds {path}; free some and try again") from error
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            raise StoreCorrupt(f"the store {path} is damaged ({error}); restore a backup of it") from error
        if name.startswith("SQLITE_BUSY"):
            raise StoreUnavailable(f"the store {path} is in use by another process") from error
        raise StoreUnavailable(f"the store {path} cannot be used: {error}") from error
