"""Backups: whole, verified, and back as the same objects under higher revisions."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from engine import backup, restore
from engine.apiserver.server import open_etcd, open_store, sealing_of
from engine.backup import BackupError
from engine.pki import Pki
from engine.store.etcdaccess import EtcdAccess
from engine.store.protocol import Store
from tests.engine.store.etcdserver import etcd_cluster

OBJECT = b'{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"%d"}}'
SECRET = b'{"kind":"Secret","apiVersion":"v1","metadata":{"name":"s"},"data":{"p":"aHVudGVyMg=="}}'


def undecorated(store: Store) -> dict[str, bytes]:
    """Values without the revision that readers see in them."""
    values = {record.key: (record.value, record.revision) for record in store.list("").records}
    return {key: value.replace(b'"resourceVersion":"%d",' % revision, b"") for key, (value, revision) in values.items()}


@pytest.fixture
async def original(tmp_path: Path) -> tuple[Path, dict[str, bytes], int]:
    """A data dir's backup, what it holds, and the newest revision that anybody has seen of it."""
    data_dir = tmp_path / "original"
    pki = Pki.ensure(data_dir)
    store = await open_store(data_dir / "store.db", sealing_of(pki.sealing_keys))
    for number in range(20):
        record = await store.create(f"/registry/configmaps/default/{number}", OBJECT % number)
        if number % 3 == 0:
            await store.delete(record.key, record.revision)
    await store.create("/registry/secrets/default/s", SECRET)
    await store.snapshot(tmp_path / "snapshot.db")
    values = undecorated(store)
    # What happens after the backup is lost, but its revisions were seen.
    newest = (await store.create("/registry/configmaps/default/later", OBJECT % 99)).revision
    await store.close()
    file = tmp_path / "cluster.backup"
    manifest = backup.write(
        file, store=tmp_path / "snapshot.db", pki=pki.folder, version="1", created="2026-01-01T00:00:00Z", replace=False
    )
    assert manifest.objects == len(values) == 14
    return file, values, newest


def test_backup_is_private_and_holds_no_plain_secret(original: tuple[Path, dict[str, bytes], int]) -> None:
    file = original[0]
    assert file.stat().st_mode & 0o777 == 0o600
    with tarfile.open(file) as archive:
        assert archive.getnames()[0] == "manifest.json"
        stored = archive.extractfile("store.db")
        assert stored is not None
        assert b"aHVudGVyMg" not in stored.read()
        assert {"pki/ca.key", "pki/secrets.key", "pki/service-account.key"} <= set(archive.getnames())


async def test_restored_store_holds_the_same_under_higher_revisions(
    original: tuple[Path, dict[str, bytes], int], tmp_path: Path
) -> None:
    file, values, newest = original
    data_dir = tmp_path / "restored"
    manifest, aside = restore.into_data_dir(file, data_dir, force=False)
    assert aside is None
    assert manifest.created == "2026-01-01T00:00:00Z"
    pki = Pki.ensure(data_dir)
    assert (pki.folder / "ca.key").read_bytes() == (tmp_path / "original" / "pki" / "ca.key").read_bytes()
    assert {oct(path.stat().st_mode & 0o777) for path in pki.folder.glob("*.key")} == {"0o600"}
    store = await open_store(data_dir / "store.db", sealing_of(pki.sealing_keys))
    assert undecorated(store) == values
    assert min(record.revision for record in store.list("").records) > newest
    assert sorted(path.name for path in data_dir.iterdir() if path.name.startswith((".restore", "before"))) == []
    await store.close()


async def test_restore_into_etcd_brings_the_same_objects(
    original: tuple[Path, dict[str, bytes], int], tmp_path: Path
) -> None:
    file, values, _ = original
    async with etcd_cluster(tmp_path / "etcd") as etcd:
        access = EtcdAccess(endpoints=etcd.endpoints)
        await restore.into_etcd(file, tmp_path / "restored", access, force=False)
        with pytest.raises(BackupError, match="etcd holds 14 objects already"):
            await restore.into_etcd(file, tmp_path / "other", access, force=False)
        assert not (tmp_path / "other" / "pki").exists()
        await restore.into_etcd(file, tmp_path / "other", access, force=True)
        keys = Pki.ensure(tmp_path / "restored").sealing_keys
        store = await open_etcd(access, sealing_of(keys))
        assert undecorated(store) == values
        # And from etcd back into SQLite.
        await store.snapshot(tmp_path / "from-etcd.db")
        await store.close()
    again = tmp_path / "again.backup"
    backup.write(
        again,
        store=tmp_path / "from-etcd.db",
        pki=tmp_path / "restored" / "pki",
        version="1",
        created="",
        replace=False,
    )
    restore.into_data_dir(again, tmp_path / "third", force=False)
    store = await open_store(tmp_path / "third" / "store.db", sealing_of(keys))
    assert undecorated(store) == values
    await store.close()


def repacked(file: Path, change: Callable[[str, bytes], tuple[str, bytes] | None], extra: str = "") -> Path:
    changed = file.with_name("changed.backup")
    with tarfile.open(file) as source, tarfile.open(changed, "w:gz") as target:
        for member in source:
            content = source.extractfile(member)
            assert content is not None
            kept = change(member.name, content.read())
            if kept is not None:
                header = tarfile.TarInfo(kept[0])
                header.size = len(kept[1])
                target.addfile(header, io.BytesIO(kept[1]))
        if extra:
            target.addfile(tarfile.TarInfo(extra), io.BytesIO())
    return changed


def _flip(name: str, content: bytes) -> tuple[str, bytes]:
    return (name, content[:-1] + bytes((content[-1] ^ 1,))) if name == "pki/ca.key" else (name, content)


def _without_store(name: str, content: bytes) -> tuple[str, bytes] | None:
    return None if name == "store.db" else (name, content)


def _newer(name: str, content: bytes) -> tuple[str, bytes]:
    return name, content.replace(b'"format": 1', b'"format": 2') if name == "manifest.json" else content


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        pytest.param(lambda file: repacked(file, _flip), "pki/ca.key is not what was backed up", id="a bit"),
        pytest.param(lambda file: repacked(file, _without_store), "store.db is missing", id="a missing file"),
        pytest.param(lambda file: repacked(file, _newer), "newer version", id="a newer format"),
        pytest.param(lambda file: repacked(file, lambda n, c: (n, c), "../evil"), "does not name", id="a stranger"),
        pytest.param(lambda file: file.write_bytes(file.read_bytes()[:2000]) and file, "damaged", id="cut"),
        pytest.param(lambda file: file.write_bytes(b"nonsense") and file, "no backup", id="nonsense"),
    ],
)
def test_damaged_backup_changes_nothing(
    original: tuple[Path, dict[str, bytes], int], damage: Callable[[Path], Path], message: str, tmp_path: Path
) -> None:
    data_dir = tmp_path / "target"
    Pki.ensure(data_dir)
    before = sorted((path.relative_to(data_dir), path.stat().st_mtime_ns) for path in (data_dir / "pki").rglob("*"))
    with pytest.raises(BackupError, match=message):
        restore.into_data_dir(damage(original[0]), data_dir, force=True)
    assert [path.name for path in data_dir.iterdir()] == ["pki"]
    assert (
        sorted((path.relative_to(data_dir), path.stat().st_mtime_ns) for path in (data_dir / "pki").rglob("*"))
        == before
    )


def test_cluster_that_is_there_is_replaced_only_when_asked_and_kept_beside(
    original: tuple[Path, dict[str, bytes], int], tmp_path: Path
) -> None:
    data_dir = tmp_path / "target"
    own = Pki.ensure(data_dir).ca_pem
    with pytest.raises(BackupError, match=r"holds a cluster already \(pki\)"):
        restore.into_data_dir(original[0], data_dir, force=False)
    assert Pki.ensure(data_dir).ca_pem == own
    _, aside = restore.into_data_dir(original[0], data_dir, force=True)
    assert Pki.ensure(data_dir).ca_pem != own
    assert aside is not None
    assert (aside / "pki" / "ca.crt").read_bytes() == own


def test_existing_file_is_not_overwritten_by_a_backup(
    original: tuple[Path, dict[str, bytes], int], tmp_path: Path
) -> None:
    with pytest.raises(BackupError, match="--force"):
        backup.write(
            original[0],
            store=tmp_path / "snapshot.db",
            pki=tmp_path / "original" / "pki",
            version="",
            created="",
            replace=False,
        )
