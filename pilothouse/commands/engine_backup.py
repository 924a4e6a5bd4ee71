"""`pilothouse engine backup|restore|rotate-key`: one file that holds the cluster, and the way back."""

import asyncio
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec

from apimachinery.aio.clock import SystemClock
from apimachinery.client import kubeconfig
from apimachinery.client.errors import ConnectionFailed, KubeconfigError
from apimachinery.objects.errors import StatusError
from apimachinery.objects.meta import format_time
from pilothouse import datadir
from pilothouse.etcdoptions import store_options, stored_in
from pilothouse.main import installed_version

FILE = click.Path(path_type=Path, dir_okay=False)


class _Snapshot(msgspec.Struct, frozen=True):
    file: str
    revision: int


@click.command()
@click.argument("file", type=FILE)
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@click.pass_obj
def backup(data_dir: Path, file: Path, force: bool) -> None:
    """Write every object and the cluster's keys to FILE, while the engine serves or while it is stopped.

    Whoever has FILE has the cluster: it holds the certificate authority's key. It is readable by you alone.
    """
    from engine import backup as archive

    with _snapshot(data_dir) as store:
        try:
            manifest = archive.write(
                file, store=store, pki=data_dir / "pki", version=installed_version(),
                created=format_time(SystemClock().now()), replace=force,
            )  # fmt: skip
        except archive.BackupError as error:
            raise click.ClickException(str(error)) from error
    size = file.stat().st_size
    click.echo(f"{manifest.objects} objects as of revision {manifest.revision} are in {file} ({size / 1024:.0f} KiB)")


@contextmanager
def _snapshot(data_dir: Path) -> Iterator[Path]:
    """A file with the store's state, which goes when the block is left."""
    (data_dir / "run").mkdir(mode=0o700, parents=True, exist_ok=True)
    if datadir.running_engine(data_dir) is not None:
        path = data_dir / "run" / asyncio.run(_ask_engine(data_dir)).file
    else:
        path = data_dir / "run" / f"snapshot-{secrets.token_hex(8)}.db"
        _copy_stopped(data_dir, path)
    try:
        yield path
    finally:
        for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
            path.with_name(name).unlink(missing_ok=True)


async def _ask_engine(data_dir: Path) -> _Snapshot:
    try:
        transport = kubeconfig.load(datadir.kubeconfig(data_dir)).transport()
    except KubeconfigError as error:
        raise click.ClickException(str(error)) from error
    try:
        response = await transport.request("POST", "/pilothouse/snapshot", timeout=120)
    except (ConnectionFailed, StatusError) as error:
        raise click.ClickException(f"the engine does not answer: {error}") from error
    finally:
        await transport.close()
    if response.status != 200:
        raise click.ClickException(
            f"the engine cannot write a snapshot: {StatusError.from_status(response.body, response.status)}"
        )
    return msgspec.json.decode(response.body, type=_Snapshot)


def _copy_stopped(data_dir: Path, target: Path) -> None:
    from engine.store.errors import StoreError
    from engine.store.log import Log

    store = data_dir / "store.db"
    if not store.exists():
        raise click.ClickException(f"no engine runs on {data_dir} and there is no store in it; start the engine first")
    with _stopped(data_dir):
        try:
            log = Log(store)
            try:
                log.snapshot(target)
            finally:
                log.close()
        except StoreError as error:
            raise click.ClickException(str(error)) from error
    target.chmod(0o600)


@contextmanager
def _stopped(data_dir: Path) -> Iterator[None]:
    """Hold the engine's own lock, so that none runs on the data dir and none starts."""
    (data_dir / "run").mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(data_dir / "run" / "engine.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise click.ClickException(
                f"an engine runs on {data_dir}; stop it first: pilothouse engine stop"
            ) from error
        yield
    finally:
        os.close(descriptor)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--force", is_flag=True, help="Replace the cluster that is there; its files are kept beside.")
@store_options
@click.pass_obj
def restore(data_dir: Path, file: Path, force: bool, **storing: Any) -> None:
    """Bring the cluster back that is in FILE, into an empty data dir or etcd.

    FILE is verified first. Stop all engines of the cluster before. Revisions go on far above all that were in use, so
    clients list anew.
    """
    from engine import restore as restoring
    from engine.backup import BackupError

    stored = stored_in(**storing)
    if stored.pki_dir is not None:
        raise click.UsageError("keys are restored into the data dir; move its pki folder afterwards to share it")
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _stopped(data_dir):
        try:
            if stored.store == "etcd":
                from engine.config import EngineConfig
                from engine.main import EngineError, etcd_access

                try:
                    access = etcd_access(EngineConfig(data_dir=data_dir, **msgspec.structs.asdict(stored)))
                except EngineError as error:
                    raise click.ClickException(str(error)) from error
                manifest, aside = asyncio.run(restoring.into_etcd(file, data_dir, access, force=force))
            else:
                manifest, aside = restoring.into_data_dir(file, data_dir, force=force)
        except BackupError as error:
            raise click.ClickException(str(error)) from error
    if aside is not None:
        click.echo(f"what was there before is in {aside}")
    click.echo(f"{manifest.objects} objects of {manifest.created} are back; start the engine to serve them")


@click.command("rotate-key")
@click.pass_obj
def rotate_key(data_dir: Path) -> None:
    """Make a new key for the Secrets on disk.

    Engines use it from their next start, and then encrypt with it what they hold. Older keys stay, for backups.
    """
    from engine.pki import Pki

    if not (data_dir / "pki" / "secrets.key").exists():
        raise click.ClickException(f"there are no keys in {data_dir / 'pki'}; start the engine once")
    name = Pki.ensure(data_dir).rotate_sealing_key()
    click.echo(f"new Secrets will be encrypted with {name}; restart the engine to encrypt the others with it too")
