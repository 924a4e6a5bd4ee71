"""One engine without machines for all tests of a module, and each kubectl that we look after in a namespace of its own."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest
import pytest_asyncio

from apimachinery.objects.resources import NAMESPACES
from tests.clients import KUBECTLS, find_client
from tests.engine.conftest import Ran, RunningEngine

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Kubectl:
    """A kubectl in a namespace."""

    engine: RunningEngine
    namespace: str

    async def __call__(self, *arguments: str, stdin: str = "", editor: str = "") -> str:
        """What a command prints; it has to succeed."""
        return (await self._run(arguments, stdin, check=True, editor=editor)).out

    async def fails(self, *arguments: str, stdin: str = "") -> str:
        """What a command says on stderr; it has to fail."""
        ran = await self._run(arguments, stdin, check=False)
        assert ran.code != 0, ran.out
        return ran.err

    async def ran(self, *arguments: str, stdin: str = "") -> Ran:
        """All that a command leaves."""
        return await self._run(arguments, stdin, check=False)

    @asynccontextmanager
    async def printing(self, *arguments: str) -> AsyncIterator[Callable[[], Awaitable[str]]]:
        """A command that goes on: gives one line after the other, and is ended on leave."""
        process = await asyncio.create_subprocess_exec(
            find_client(self.engine.kubectl_name),
            "-n",
            self.namespace,
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            env={"KUBECONFIG": str(self.engine.kubeconfig), "HOME": str(self.engine.data_dir)},
        )
        out = process.stdout
        assert out is not None

        async def line() -> str:
            return (await asyncio.wait_for(out.readline(), 20)).decode()

        try:
            yield line
        finally:
            process.terminate()
            await process.wait()

    async def _run(self, arguments: tuple[str, ...], stdin: str, *, check: bool, editor: str = "") -> Ran:
        ran = await self.engine.kubectl(
            "-n", self.namespace, *arguments, stdin=stdin, check=check, env={"KUBE_EDITOR": editor} if editor else {}
        )
        # The older one says of every answer that the server is too new for it.
        told = [
            line for line in ran.err.splitlines(keepends=True) if not line.startswith("WARNING: version difference")
        ]
        return replace(ran, err="".join(told))


@pytest_asyncio.fixture(loop_scope="module", params=KUBECTLS)
async def kubectl(request: pytest.FixtureRequest, shared_engine: RunningEngine) -> Kubectl:
    namespace = f"test-{next(_numbers)}"
    engine = replace(shared_engine, kubectl_name=request.param)
    await engine.client.create(
        NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}, None
    )
    return Kubectl(engine, namespace)
