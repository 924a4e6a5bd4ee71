"""The engine as a process: one per data dir, clean stops, and what survives a kill."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from apimachinery.client import kubeconfig
from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import StatusError
from apimachinery.objects.resources import CONFIGMAPS
from engine.config import EngineConfig, Running
from engine.main import EngineError, run
from tests.engine.conftest import RunningEngine
from tests.engine.history import Recorder, problems
from tests.engine.watchlog import Watcher, all_problems

ROOT = Path(__file__).parents[2]
Process = asyncio.subprocess.Process
Starter = Callable[[], Awaitable[tuple[Process, Client]]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Starter]:
    """Starts `pilothouse engine run` on one data dir, again and again."""
    data_dir = tmp_path / "data"
    processes: list[Process] = []
    clients: list[Client] = []

    async def start_process() -> tuple[Process, Client]:
        (data_dir / "engine.json").unlink(missing_ok=True)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "pilothouse", "engine", "run", "--data-dir", str(data_dir), "--listen", "127.0.0.1:0",
            cwd=ROOT, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        processes.append(process)
        deadline = time.monotonic() + 20
        while not (data_dir / "engine.json").exists():
            assert process.returncode is None
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
        client = Client(kubeconfig.load(data_dir / "kubeconfig").transport())
        clients.append(client)
        return process, client

    yield start_process
    for client in clients:
        await client.close()
    for process in processes:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_kill_in_the_middle_of_writes_keeps_every_acknowledged_one(start: Starter) -> None:
    process, client = await start()
    acknowledged: dict[str, str] = {}

    async def write(writer: int) -> None:
        for number in range(1000):
            name = f"w{writer}-{number}"
            try:
                created = await client.create(CONFIGMAPS, {"metadata": {"name": name}, "kind": "ConfigMap",
                                                           "apiVersion": "v1"}, "default")  # fmt: skip
            except (ConnectionFailed, StatusError):
                return
            acknowledged[name] = created["metadata"]["resourceVersion"]
            if len(acknowledged) == 500:
                process.send_signal(signal.SIGKILL)

    await asyncio.gather(*(write(writer) for writer in range(8)))
    await process.wait()
    assert 500 <= len(acknowledged) < 1000
    process, client = await start()
    page = await client.list(CONFIGMAPS, "default")
    kept = {o["metadata"]["name"]: o["metadata"]["resourceVersion"] for o in page.items}
    lost = {name for name, version in acknowledged.items() if kept.get(name) != version}
    assert not lost
    process.terminate()
    assert await asyncio.wait_for(process.wait(), 5) == 0


async def test_no_update_is_lost_and_none_appears_from_nowhere_over_a_kill(start: Starter) -> None:
    process, client = await start()
    running = [client]
    recorder = Recorder(lambda _: running[0])
    await recorder.prepare()
    work = asyncio.ensure_future(recorder.run(8))
    watchers = [Watcher(lambda _: running[0], number) for number in range(3)]
    watching = [asyncio.ensure_future(turn) for w in watchers for turn in (w.run(), w.list_often())]
    for lives in (1, 2):
        await recorder.written(60 * lives)
        process.kill()
        await process.wait()
        process, running[0] = await start()
    await recorder.written(180)
    recorder.stopped = True
    await work
    acknowledged = [operation.revision for operation in recorder.operations if operation.revision]
    for watcher in watchers:
        await watcher.catch_up(max(acknowledged))
    for task in watching:
        task.cancel()
    await asyncio.wait(watching)
    assert len(acknowledged) > 100
    assert all(watcher.resumed >= 3 and len(watcher.lists) > 3 for watcher in watchers)
    assert problems(recorder.operations) == []
    assert all_problems(watchers, recorder.operations) == []


async def test_sigterm_stops_within_five_seconds_though_watches_are_open(start: Starter) -> None:
    process, client = await start()

    async def watch() -> None:
        try:
            async for _ in client.watch(CONFIGMAPS, resource_version="0"):
                pass
        except ConnectionFailed:
            pass

    watching = [asyncio.ensure_future(watch()) for _ in range(5)]
    await asyncio.sleep(0.3)
    process.terminate()
    assert await asyncio.wait_for(process.wait(), 5) == 0
    async with asyncio.timeout(5):
        await asyncio.gather(*watching)


async def test_sigterm_lets_a_running_request_finish(start: Starter, tmp_path: Path) -> None:
    process, _ = await start()
    running = msgspec.json.decode((tmp_path / "data" / "engine.json").read_bytes(), type=Running)
    context = kubeconfig.load(tmp_path / "data" / "kubeconfig").ssl_context
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port, ssl=context, server_hostname="localhost")
    body = b'{"metadata":{"name":"late"}}'
    head = b"POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    writer.write(head + b"Content-Length: %d\r\n\r\n" % len(body) + body[:10])
    await asyncio.sleep(0.5)
    process.terminate()
    await asyncio.sleep(0.5)
    writer.write(body[10:])
    assert await asyncio.wait_for(reader.readline(), 5) == b"HTTP/1.1 201 Created\r\n"
    writer.transport.abort()
    assert await asyncio.wait_for(process.wait(), 5) == 0
    _, client = await start()
    assert (await client.get(CONFIGMAPS, "late", "default"))["metadata"]["name"] == "late"


async def test_second_engine_on_a_data_dir_is_refused(engine: RunningEngine) -> None:
    with pytest.raises(EngineError, match="another engine already runs on"):
        await run(EngineConfig(data_dir=engine.data_dir, port=0))


async def test_taken_port_is_named(engine: RunningEngine, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=f"cannot listen on 127.0.0.1:{engine.port}"):
        await run(EngineConfig(data_dir=tmp_path / "other", port=engine.port, controllers=False))


async def test_damaged_store_stops_the_start_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_bytes(b"nonsense" * 1000)
    with pytest.raises(EngineError, match=r"store\.db is damaged"):
        await run(EngineConfig(data_dir=tmp_path, port=0, controllers=False))


async def test_what_others_may_not_read_is_private(engine: RunningEngine) -> None:
    def mode(path: Path) -> int:
        return path.stat().st_mode & 0o777

    assert mode(engine.data_dir) == 0o700
    assert mode(engine.pki) == 0o700
    secrets = [*engine.pki.glob("*.key"), engine.pki / "tokens.csv", engine.kubeconfig]
    assert {path.name: oct(mode(path)) for path in secrets if mode(path) != 0o600} == {}
    assert len(secrets) >= 6


async def test_engine_json_tells_who_serves_where(engine: RunningEngine) -> None:
    running = msgspec.json.decode((engine.data_dir / "engine.json").read_bytes(), type=Running)
    assert running == Running(pid=os.getpid(), address="127.0.0.1", port=engine.port)
