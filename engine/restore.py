"""Brings a cluster back out of a backup: into a data dir, or into an etcd. Verifies first; changes all or nothing."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from engine import backup
from engine.apiserver.server import open_etcd, sealing_of
from engine.backup import BackupError, Manifest
from engine.store.errors import StoreError
from engine.store.etcdaccess import EtcdAccess
from engine.store.log import Log
from engine.store.sealing import parse_keys

_OWN = ("pki", "store.db", "store.db-wal", "store.db-shm")


def into_data_dir(source: Path, data_dir: Path, *, force: bool) -> tuple[Manifest, Path | None]:
    """Restore store and keys into a data dir on which no engine runs; where what was there before is now, if it was.

    Raises BackupError; then nothing has changed.
    """
    _refuse_occupied(data_dir, _OWN, force=force)
    with backup.opened(source, data_dir) as (manifest, folder):
        try:
            backup.renumber(folder / "store.db", folder / "new.db", manifest.revision)
        except StoreError as error:
            raise BackupError(f"{source} cannot be restored: {error}") from error
        _sync(folder / "new.db")
        aside = _exchange(data_dir, {"store.db": folder / "new.db", "pki": folder / "pki"}, _OWN)
    return manifest, aside


async def into_etcd(source: Path, data_dir: Path, access: EtcdAccess, *, force: bool) -> tuple[Manifest, Path | None]:
    """Restore the objects into an etcd that no engine uses, and the keys into the data dir.

    Raises BackupError. Should etcd fail in the middle, the same command with `force` finishes the work.
    """
    _refuse_occupied(data_dir, ("pki",), force=force)
    with backup.opened(source, data_dir) as (manifest, folder):
        sealing = sealing_of(lambda: parse_keys((folder / "pki" / "secrets.key").read_text(encoding="ascii")))
        log = Log(folder / "store.db")
        try:
            newest = {row.key: row.value for row in log.rows()}
            wanted = {key: sealing.unseal(key, value) for key, value in newest.items() if value is not None}
        except StoreError as error:
            raise BackupError(f"{source} cannot be restored: {error}") from error
        finally:
            log.close()
        try:
            store = await open_etcd(access, sealing)
            try:
                held = store.list("").records
                if held and not force:
                    raise BackupError(f"etcd holds {len(held)} objects already; replace them with --force")
                for record in held:
                    await store.delete(record.key, record.revision)
                for key, value in wanted.items():
                    await store.create(key, value)
            finally:
                await store.close()
        except StoreError as error:
            raise BackupError(f"etcd failed: {error}; run this again with --force") from error
        aside = _exchange(data_dir, {"pki": folder / "pki"}, ("pki",))
    return manifest, aside


def _refuse_occupied(data_dir: Path, names: tuple[str, ...], *, force: bool) -> None:
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    occupied = [name for name in names if (data_dir / name).exists()]
    if occupied and not force:
        raise BackupError(
            f"{data_dir} holds a cluster already ({', '.join(occupied)}); choose another data dir, or replace it with "
            "--force"
        )


def _exchange(data_dir: Path, new: dict[str, Path], old: tuple[str, ...]) -> Path | None:
    """Put `new` in place of `old` by renames; what was there is kept beside. Undone as a whole when one fails."""
    aside = data_dir / f"before-restore-{secrets.token_hex(4)}"
    undo: list[tuple[Path, Path]] = []

    def move(source: Path, target: Path) -> None:
        source.rename(target)
        undo.append((target, source))

    try:
        for name in old:
            if os.path.lexists(data_dir / name):
                aside.mkdir(mode=0o700, exist_ok=True)
                move(data_dir / name, aside / name)
        for name, path in new.items():
            move(path, data_dir / name)
        _sync(data_dir)
    except OSError as error:
        for target, source in reversed(undo):
            target.rename(source)
        if aside.exists():
            aside.rmdir()
        raise BackupError(f"cannot write into {data_dir}: {error.strerror}; nothing was changed") from error
    return aside if aside.exists() else None


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
