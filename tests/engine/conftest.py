"""A real engine per test: its own data dir, a free port, HTTPS, and the real kubectl where one is found."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import pytest_asyncio

from apimachinery.client import kubeconfig
from apimachinery.client.client import Client
from engine.apiserver.server import ApiServer
from engine.config import EngineConfig
from engine.main import run
from tests.clients import find_client


@dataclass(frozen=True, slots=True)
class Ran:
    """What a finished command left."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class RunningEngine:
    """An engine that serves, and the ways to it."""

    url: str
    data_dir: Path
    kubeconfig: Path
    client: Client
    """Over HTTPS, as the admin."""
    api: ApiServer
    kubectl_name: str = "kubectl"

    @property
    def port(self) -> int:
        return self.api.http.address[1]

    @property
    def pki(self) -> Path:
        return self.data_dir / "pki"

    def ssl(self, *, certificate: bool = True) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.pki / "ca.crt")
        if certificate:
            context.load_cert_chain(self.pki / "admin.crt", self.pki / "admin.key")
        return context

    async def kubectl(
        self, *arguments: str, stdin: str = "", check: bool = True, env: Mapping[str, str] = MappingProxyType({})
    ) -> Ran:
        """Run the real kubectl against this engine."""
        process = await asyncio.create_subprocess_exec(
            find_client(self.kubectl_name),
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"PATH": os.environ["PATH"], "KUBECONFIG": str(self.kubeconfig), "HOME": str(self.data_dir), **env},
        )
        out, err = await process.communicate(stdin.encode())
        ran = Ran(process.returncode or 0, out.decode(), err.decode())
        if check:
            assert ran.code == 0, f"kubectl {' '.join(arguments)}: {ran.err}"
        return ran


async def start_engine(
    data_dir: Path, *, controllers: bool, port: int = 0, **settings: Any
) -> tuple[RunningEngine, asyncio.Task[None]]:
    """Start an engine on a free port; cancel the task to stop it."""
    ready: asyncio.Future[ApiServer] = asyncio.get_running_loop().create_future()
    config = EngineConfig(data_dir=data_dir, port=port, controllers=controllers, **settings)
    task = asyncio.ensure_future(run(config, ready.set_result))
    await asyncio.wait((ready, task), return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    api = ready.result()
    access = kubeconfig.load(data_dir / "kubeconfig")
    client = Client(access.transport())
    url = f"https://127.0.0.1:{api.http.address[1]}"
    return RunningEngine(url, data_dir, data_dir / "kubeconfig", client, api), task


async def stop_engine(engine: RunningEngine, task: asyncio.Task[None]) -> None:
    await engine.client.close()
    task.cancel()
    await asyncio.wait((task,), timeout=10)
    assert task.done(), "the engine did not stop"
    if not task.cancelled():
        task.result()


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[RunningEngine]:
    """The API alone: nothing happens but what the test does."""
    running, task = await start_engine(tmp_path / "data", controllers=False)
    yield running
    await stop_engine(running, task)


@pytest.fixture
async def whole_engine(tmp_path: Path) -> AsyncIterator[RunningEngine]:
    """With controllers, scheduler and links."""
    running, task = await start_engine(tmp_path / "data", controllers=True)
    yield running
    await stop_engine(running, task)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningEngine]:
    """The API alone, one for all tests of a module: each works in a namespace of its own."""
    running, task = await start_engine(tmp_path_factory.mktemp("engine") / "data", controllers=False)
    yield running
    await stop_engine(running, task)
