"""The example's operator, as an unmodified kopf runs it: a process with an account of its own, on a real engine."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from apimachinery.objects.errors import NotFound
from apimachinery.objects.resources import CONFIGMAPS, DEPLOYMENTS, EVENTS, SERVICES, Resource
from tests.engine.clients.programs import Program, account_kubeconfig, program
from tests.engine.conftest import RunningEngine
from tests.engine.runtime.cluster import Cluster, eventually, running

EXAMPLE = Path(__file__).resolve().parents[3] / "examples/operator"
GAMESERVERS = Resource("games.example.com", "v1", "gameservers", "GameServer", namespaced=True)
PEERINGS = Resource("kopf.dev", "v1", "clusterkopfpeerings", "ClusterKopfPeering", False)


@dataclass(frozen=True, slots=True)
class Arena:
    """A cluster with the example's kind, and the operator's account on it."""

    engine: RunningEngine
    cluster: Cluster
    kubeconfig: Path

    def operator(self, *words: str, name: str = "operator") -> AbstractAsyncContextManager[Program]:
        options = ("run", "--all-namespaces", *(words or ("--standalone",)), str(EXAMPLE / "gameserver.py"))
        return program(self.engine.data_dir / f"{name}.log", self.kubeconfig, "-m", "kopf", *options)

    async def apply(self, *files: str) -> None:
        await self.engine.kubectl("apply", *(word for file in files for word in ("-f", str(EXAMPLE / file))))

    async def change(self, **spec: Any) -> None:
        await self.cluster.client.patch(GAMESERVERS, "arena", {"spec": spec}, "default", kind="merge")

    async def get(self, resource: Resource = GAMESERVERS, name: str = "arena") -> dict[str, Any] | None:
        try:
            return await self.cluster.client.get(resource, name, "default")
        except NotFound:
            return None

    async def told(self, field: str) -> Any:
        """What the status says."""
        return ((await self.get()) or {}).get("status", {}).get(field)

    async def has(self, *, ready: int) -> None:
        """Wait until the status says that so many pods are ready, and no others are left."""

        async def there() -> bool:
            return await self.told("readyReplicas") == ready == await self.told("replicas")

        await eventually(there, 30)


@pytest.fixture
async def arena(engine: RunningEngine) -> AsyncIterator[Arena]:
    async with running(engine.api) as cluster:
        await engine.kubectl("apply", "-f", str(EXAMPLE / "definition.yaml"), "-f", str(EXAMPLE / "access.yaml"))
        yield Arena(engine, cluster, await account_kubeconfig(engine, "gameserver-operator"))


async def test_what_a_game_server_asks_for_is_made_changed_and_taken_away(arena: Arena) -> None:
    async with arena.operator() as operator:
        await arena.apply("arena.yaml")
        await arena.has(ready=2)
        assert await eventually(lambda: arena.told("address")) == "arena.default.svc:80"
        assert await arena.told("phase") == "Running"
        assert await arena.get(SERVICES)
        table = (await arena.engine.kubectl("get", "gs")).out.split()
        assert table[:6] == ["NAME", "GAME", "READY", "WANTED", "PHASE", "AGE"]
        assert table[6:11] == ["arena", "nginx:1.27", "2", "2", "Running"]

        await arena.change(image="nginx:1.28", greeting="Hello")
        await arena.engine.kubectl("scale", "gs", "arena", "--replicas=3")
        await arena.has(ready=3)
        deployment = await arena.get(DEPLOYMENTS)
        assert deployment is not None
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        assert (container["image"], container["env"]) == ("nginx:1.28", [{"name": "GREETING", "value": "Hello"}])
        told = [event["message"] for event in await arena.cluster.items(EVENTS) if event["reason"] == "Changed"]
        assert any("image 'nginx:1.27' -> 'nginx:1.28'" in message for message in told), told

        await arena.engine.kubectl("delete", "gs", "arena", "--timeout=20s")
        kept = await arena.get(CONFIGMAPS, "arena-kept")
        assert kept is not None
        assert kept["data"]["image"] == "nginx:1.28"
        for resource in (DEPLOYMENTS, SERVICES):
            await eventually(lambda resource=resource: _gone(arena, resource))
        assert "failed with an exception" not in operator.said()


async def test_an_operator_that_comes_back_finds_what_happened_without_it(arena: Arena) -> None:
    await arena.apply("arena.yaml")
    async with arena.operator() as operator:
        await arena.has(ready=2)
        assert await eventually(lambda: arena.get(SERVICES))
        await operator.kill()
    await arena.change(replicas=1)
    await arena.cluster.client.delete(SERVICES, "arena", "default")
    async with arena.operator(name="again") as operator:
        await arena.has(ready=1)
        await eventually(lambda: arena.get(SERVICES))
        await operator.stop()
    # Its finalizer keeps the object while nobody is there to handle the deletion.
    await arena.engine.kubectl("delete", "gs", "arena", "--wait=false")
    await asyncio.sleep(0.5)
    left = await arena.get()
    assert left is not None
    assert left["metadata"]["deletionTimestamp"]
    assert left["metadata"]["finalizers"] == ["kopf.zalando.org/KopfFinalizerMarker"]
    async with arena.operator(name="once-more"):
        await eventually(lambda: _gone(arena, GAMESERVERS), 30)
    assert await arena.get(CONFIGMAPS, "arena-kept")


async def test_the_timer_of_an_operator_mends_what_others_broke(arena: Arena) -> None:
    await arena.apply("arena.yaml")
    async with arena.operator():
        await arena.has(ready=2)
        await arena.engine.kubectl("scale", "deployment/arena", "--replicas=5")
        await arena.has(ready=2)
        await arena.cluster.client.delete(DEPLOYMENTS, "arena", "default")
        await eventually(lambda: arena.get(DEPLOYMENTS), 20)
        await arena.has(ready=2)


async def test_of_two_operators_the_lesser_waits_until_the_other_has_ended(arena: Arena) -> None:
    await arena.apply("peering.yaml")
    await arena.apply("meeting.yaml")

    async def met(count: int) -> bool:
        return len((await arena.get(PEERINGS, "gameservers") or {}).get("status", {})) == count

    async with arena.operator("--peering=gameservers", "--priority=2", name="first") as first:
        await eventually(lambda: met(1), 20)
        async with arena.operator("--peering=gameservers", "--priority=1", name="second") as second:
            await eventually(lambda: met(2), 20)
            await arena.apply("arena.yaml")
            await arena.has(ready=2)
            await first.says("Handler 'serve' succeeded")
            assert "Handler 'serve' succeeded" not in second.said()
            await first.stop()
            await second.says("Resuming operations after the pause")
            await arena.change(replicas=3)
            await arena.has(ready=3)


async def _gone(arena: Arena, resource: Resource) -> bool:
    return await arena.get(resource) is None
