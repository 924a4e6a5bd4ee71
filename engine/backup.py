"""One file that holds a cluster: every object as of one revision, and the keys. Written and read back here.

A gzipped tar: `manifest.json` first, then `store.db` (a SQLite store, whichever store it came from) and `pki/`. The
manifest names every member with its size and SHA-256, so a damaged file is known before anything is changed.
"""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

import msgspec

from engine.store.errors import StoreError
from engine.store.log import Log

FORMAT = 1
_MANIFEST = "manifest.json"
_STORE = "store.db"
# How far a restored store's revisions are ahead, so that nobody meets a number again for something else. The distance
# is etcd's recommendation for restores under Kubernetes.
_AHEAD = 1_000_000_000
# Made on the way and of no use elsewhere.
_LEFT_OUT = {".lock"}


class BackupError(Exception):
    """A file that is no good backup, or one that cannot be written; the message says what to do."""


class Member(msgspec.Struct, frozen=True):
    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """What a backup says about itself."""

    format: int
    version: str
    created: str
    revision: int
    """The newest change it holds."""
    objects: int
    files: dict[str, Member]


def write(target: Path, *, store: Path, pki: Path, version: str, created: str, replace: bool) -> Manifest:
    """Pack a store's snapshot and the keys into `target`, which appears whole or not at all. Raises BackupError."""
    if target.exists() and not replace:
        raise BackupError(f"{target} exists; choose another name, or replace it with --force")
    files = {_STORE: store}
    for file in sorted(path for path in pki.rglob("*") if path.is_file() and path.name not in _LEFT_OUT):
        files[f"pki/{file.relative_to(pki).as_posix()}"] = file
    revision, objects = _extent(store)
    members = {name: Member(file.stat().st_size, _digest(file)) for name, file in files.items()}
    manifest = Manifest(
        format=FORMAT, version=version, created=created, revision=revision, objects=objects, files=members
    )
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                _pack(file, manifest, files)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise BackupError(f"cannot write {target}: {error.strerror}") from error
    return manifest


@contextmanager
def opened(source: Path, scratch: Path) -> Iterator[tuple[Manifest, Path]]:
    """A backup unpacked under `scratch`, all of it verified: its manifest, and the folder with `store.db` and `pki/`.

    Raises BackupError. The folder goes when the block is left; take out of it what is to stay.
    """
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=scratch) as name:
        folder = Path(name)
        try:
            with tarfile.open(source, "r:gz") as archive:
                manifest = _unpack(archive, folder)
        except (tarfile.TarError, EOFError, zlib.error, msgspec.DecodeError) as error:
            raise BackupError(f"{source} is no backup of Pilothouse, or is damaged: {error}") from error
        except OSError as error:
            raise BackupError(f"cannot read {source}: {error.strerror or error}") from error
        _check(source, manifest, folder)
        yield manifest, folder


def renumber(store: Path, target: Path, revision: int) -> int:
    """Copy the newest state of every key into a new store, under revisions far ahead; how many keys there were.

    Raises StoreError.
    """
    old = Log(store)
    try:
        newest = {row.key: row for row in old.rows()}
        base = max(revision, max(old.meta().values(), default=0)) + _AHEAD
    finally:
        old.close()
    living = [row for row in newest.values() if row.value is not None]
    rows = [row._replace(revision=base + place) for place, row in enumerate(living, 1)]
    last = base + len(rows)
    new = Log(target)
    try:
        new.commit(rows, {"reserved": last, "compacted": last}, [])
    finally:
        new.close()
    return len(rows)


def _pack(file: IO[bytes], manifest: Manifest, files: dict[str, Path]) -> None:
    with tarfile.open(fileobj=file, mode="w:gz", compresslevel=6) as archive:
        described = msgspec.json.format(msgspec.json.encode(manifest))
        header = tarfile.TarInfo(_MANIFEST)
        header.size, header.mode = len(described), 0o600
        archive.addfile(header, io.BytesIO(described))
        for name, path in files.items():
            with path.open("rb") as content:
                header = tarfile.TarInfo(name)
                header.size, header.mode = manifest.files[name].size, 0o600
                archive.addfile(header, content)


def _unpack(archive: tarfile.TarFile, folder: Path) -> Manifest:
    """Raises BackupError for a member that has no business there."""
    first = archive.next()
    content = archive.extractfile(first) if first is not None and first.name == _MANIFEST else None
    if content is None:
        raise BackupError("it does not begin with a manifest, so it is no backup of Pilothouse")
    manifest = msgspec.json.decode(content.read(), type=Manifest)
    if manifest.format > FORMAT:
        raise BackupError(f"it was made by a newer version of Pilothouse ({manifest.version}); restore it with that")
    while (member := archive.next()) is not None:
        path = PurePosixPath(member.name)
        content = archive.extractfile(member) if member.isreg() else None
        if content is None or member.name not in manifest.files or path.is_absolute() or ".." in path.parts:
            raise BackupError(f"it holds {member.name}, which its manifest does not name")
        target = folder / path
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            while chunk := content.read(1 << 20):
                file.write(chunk)
    return manifest


def _check(source: Path, manifest: Manifest, folder: Path) -> None:
    for name, member in manifest.files.items():
        file = folder / name
        if not file.exists():
            raise BackupError(f"{source} is damaged: {name} is missing")
        if file.stat().st_size != member.size or _digest(file) != member.sha256:
            raise BackupError(f"{source} is damaged: {name} is not what was backed up")
    if _STORE not in manifest.files:
        raise BackupError(f"{source} holds no store")


def _extent(store: Path) -> tuple[int, int]:
    """(newest revision, number of keys); reads every row, so a broken snapshot never becomes a backup."""
    try:
        log = Log(store)
        try:
            revision, living = 0, set[str]()
            for row in log.rows():
                revision = row.revision
                if row.value is None:
                    living.discard(row.key)
                else:
                    living.add(row.key)
        finally:
            log.close()
    except StoreError as error:
        raise BackupError(f"the snapshot cannot be read back: {error}") from error
    return revision, len(living)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
