"""`engine backup|restore|rotate-key` with a real engine."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from apimachinery.client import kubeconfig
from apimachinery.client.client import Client
from apimachinery.objects.resources import CONFIGMAPS, SECRETS
from tests.pilothouse.test_engine_command import pilothouse


@pytest.fixture
def data_dir(tmp_path: Path):
    folder = tmp_path / "data"
    yield folder
    pilothouse(folder, "engine", "stop")


async def create(data_dir: Path, kind: str, name: str) -> str:
    client = Client(kubeconfig.load(data_dir / "kubeconfig").transport())
    try:
        resource = SECRETS if kind == "Secret" else CONFIGMAPS
        data = {"stringData": {"password": "hunter2-hunter2"}} if kind == "Secret" else {}
        obj = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **data}
        return (await client.create(resource, obj, "default"))["metadata"]["resourceVersion"]
    finally:
        await client.close()


async def listed(data_dir: Path) -> dict[str, Any]:
    client = Client(kubeconfig.load(data_dir / "kubeconfig").transport())
    try:
        items = [o for r in (CONFIGMAPS, SECRETS) for o in (await client.list(r, "default")).items]
        return {item["metadata"]["name"]: item for item in items}
    finally:
        await client.close()


def stored(data_dir: Path) -> bytes:
    return b"".join(file.read_bytes() for file in data_dir.glob("store.db*"))


def test_backup_while_serving_comes_back_with_higher_revisions(data_dir: Path, tmp_path: Path):
    started = pilothouse(data_dir, "engine", "start", "--listen", "127.0.0.1:0")
    assert started.returncode == 0, started.stderr
    asyncio.run(create(data_dir, "Secret", "kept-secret"))
    asyncio.run(create(data_dir, "ConfigMap", "kept"))
    assert b"hunter2" not in stored(data_dir)
    assert b"aHVudGVyMi1odW50ZXIy" not in stored(data_dir)
    file = tmp_path / "cluster.backup"
    saved = pilothouse(data_dir, "engine", "backup", str(file))
    assert saved.returncode == 0, saved.stderr
    assert f"are in {file}" in saved.stdout
    assert list((data_dir / "run").glob("snapshot-*")) == []
    last = int(asyncio.run(create(data_dir, "ConfigMap", "lost")))

    refused = pilothouse(data_dir, "engine", "restore", str(file), "--force")
    assert refused.returncode == 1
    assert "stop it first" in refused.stderr
    pilothouse(data_dir, "engine", "stop")
    refused = pilothouse(data_dir, "engine", "restore", str(file))
    assert "holds a cluster already" in refused.stderr
    restored = pilothouse(data_dir, "engine", "restore", str(file), "--force")
    assert restored.returncode == 0, restored.stderr

    assert pilothouse(data_dir, "engine", "start", "--listen", "127.0.0.1:0").returncode == 0
    objects = asyncio.run(listed(data_dir))
    assert {"kept", "kept-secret"} <= objects.keys()
    assert "lost" not in objects
    assert objects["kept-secret"]["data"] == {"password": "aHVudGVyMi1odW50ZXIy"}
    assert min(int(item["metadata"]["resourceVersion"]) for item in objects.values()) > last


def test_stopped_engine_is_backed_up_too_and_an_empty_data_dir_is_not(data_dir: Path, tmp_path: Path):
    nothing = pilothouse(data_dir, "engine", "backup", str(tmp_path / "none"))
    assert nothing.returncode == 1
    assert "no store" in nothing.stderr
    pilothouse(data_dir, "engine", "start", "--listen", "127.0.0.1:0")
    pilothouse(data_dir, "engine", "stop")
    assert pilothouse(data_dir, "engine", "backup", str(tmp_path / "stopped")).returncode == 0


def test_rotated_key_encrypts_all_secrets_from_the_next_start(data_dir: Path):
    pilothouse(data_dir, "engine", "start", "--listen", "127.0.0.1:0")
    asyncio.run(create(data_dir, "Secret", "s"))
    rotated = pilothouse(data_dir, "engine", "rotate-key")
    assert "key2" in rotated.stdout
    pilothouse(data_dir, "engine", "stop")
    pilothouse(data_dir, "engine", "start", "--listen", "127.0.0.1:0")
    assert b":key2:" in stored(data_dir)
    assert asyncio.run(listed(data_dir))["s"]["data"] == {"password": "aHVudGVyMi1odW50ZXIy"}
