"""One engine without machines for all tests of a module, and each kubectl that we look after in a namespace of its own."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import pytest
import pytest_asyncio

from apimachinery.objects.resources import NAMESPACES
from tests.clients import KUBECTLS
from tests.engine.conftest import Ran, RunningEngine

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Kubectl:
    """A kubectl in a namespace."""

    engine: RunningEngine
    namespace: str

    async def __call__(self, *arguments: str, stdin: str = "") -> str:
        """What a command prints; it has to succeed."""
        return (await self._run(arguments, stdin, check=True)).out

    async def fails(self, *arguments: str, stdin: str = "") -> str:
        """What a command says on stderr; it has to fail."""
        ran = await self._run(arguments, stdin, check=False)
        assert ran.code != 0, ran.out
        return ran.err

    async def ran(self, *arguments: str, stdin: str = "") -> Ran:
        """All that a command leaves."""
        return await self._run(arguments, stdin, check=False)

    async def _run(self, arguments: tuple[str, ...], stdin: str, *, check: bool) -> Ran:
        ran = await self.engine.kubectl("-n", self.namespace, *arguments, stdin=stdin, check=check)
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
