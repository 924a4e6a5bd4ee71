"""A real small disk that fills up, and one that cannot be written: clean refusals, and nothing lost."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from apimachinery.client import kubeconfig
from apimachinery.client.client import Client
from apimachinery.objects.errors import StatusError
from apimachinery.objects.resources import CONFIGMAPS

ROOT = Path(__file__).parents[2]
Process = asyncio.subprocess.Process

pytestmark = pytest.mark.lab


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "pilothouse-test", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


async def engine_process(folder: Path) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pilothouse", "engine", "run", "--data-dir", str(folder / "data"), "--listen", "127.0.0.1:0",
        cwd=ROOT, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


@asynccontextmanager
async def engine_on(folder: Path) -> AsyncIterator[tuple[Process, Client]]:
    process = await engine_process(folder)
    async with asyncio.timeout(40):
        while not (folder / "data" / "engine.json").exists():
            assert process.returncode is None, await process.communicate()
            await asyncio.sleep(0.05)
    client = Client(kubeconfig.load(folder / "data" / "kubeconfig").transport())
    try:
        yield process, client
    finally:
        await client.close()
        if process.returncode is None:
            process.kill()
        await process.communicate()
        (folder / "data" / "engine.json").unlink(missing_ok=True)


async def fill(client: Client) -> tuple[list[str], StatusError]:
    """Create until it is refused; what was acknowledged, and the refusal."""
    kept: list[str] = []
    for number in range(100):
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": f"c{number}"},
            "data": {"k": "x" * 200_000},
        }
        try:
            await client.create(CONFIGMAPS, body, "default")
        except StatusError as error:
            return kept, error
        kept.append(f"c{number}")
    raise AssertionError("the disk is not full yet")


async def names(client: Client) -> set[str]:
    return {item["metadata"]["name"] for item in (await client.list(CONFIGMAPS, "default")).items}


async def test_full_disk_refuses_writes_keeps_reads_and_recovers(disk: Path) -> None:
    async with engine_on(disk) as (process, client):
        kept, refusal = await fill(client)
        assert refusal.code == 500
        assert "no space left on the disk that holds" in refusal.message
        assert set(kept) <= await names(client)
        # Killed on a full disk: all that was acknowledged is there once there is room.
        process.kill()
        await process.wait()
    remount(disk, "size=40m")
    async with engine_on(disk) as (process, client):
        assert set(kept) <= await names(client)
        await client.create(
            CONFIGMAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "after"}}, "default"
        )
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 10) == 0


async def test_writes_go_on_when_room_is_made_while_serving(disk: Path) -> None:
    async with engine_on(disk) as (_, client):
        kept, _ = await fill(client)
        remount(disk, "size=40m")
        await client.create(
            CONFIGMAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "after"}}, "default"
        )
        assert {*kept, "after"} <= await names(client)


async def test_data_dir_that_cannot_be_written_is_named(disk: Path) -> None:
    async with engine_on(disk):
        pass
    remount(disk, "ro")
    process = await engine_process(disk)
    _, words = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 1
    assert words.decode().startswith("pilothouse engine: cannot use the data dir ")
    assert words.count(b"\n") == 1
