import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from apimachinery.aio.clock import FakeClock
from apimachinery.aio.tasks import TaskScope
from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.client.transport import Response, StreamResponse
from nodeagent.network import cache
from nodeagent.network.run import follow
from nodeagent.network.state import ClusterState, Snapshot
from tests.nodeagent.network.objects import endpoint, endpoints, node, service

FROM_DISK = Snapshot(
    services=(service("web"), service("gone", ip="10.43.0.51")),
    slices=(endpoints(endpoint("10.42.1.2")),),
    nodes=(node("m1", "10.42.1.0/24", "192.168.1.1"),),
)
LISTS = {
    "services": [{"metadata": {"name": "web", "namespace": "default"}, "spec": {"clusterIP": "10.43.0.50"}}],
    "endpointslices": [],
    "nodes": [{"metadata": {"name": "m1"}, "spec": {"podCIDR": "10.42.1.0/24"}}],
    "networkpolicies": [],
    "namespaces": [{"metadata": {"name": "default"}}],
    "pods": [{"metadata": {"name": "a", "namespace": "default"}, "status": {"podIP": "10.42.1.2"}}],
}


class ApiServer:
    """Lists what it is told, then keeps the watches open without a word."""

    def __init__(self, **lists: list) -> None:
        self.away = False
        self.lists = LISTS | lists
        self.asked: set[str] = set()

    async def request(self, method, path, *, query=(), headers=None, body=None, timeout=None) -> Response:
        if self.away:
            raise ConnectionFailed("away")
        kind = path.rsplit("/", 1)[1]
        self.asked.add(kind)
        return Response(200, msgspec.json.encode({"metadata": {"resourceVersion": "5"}, "items": self.lists[kind]}))

    @asynccontextmanager
    async def stream(self, method, path, *, query=(), headers=None, body=None):
        yield StreamResponse(200, {}, self._silence())

    async def _silence(self) -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""


async def test_what_the_api_says_replaces_what_was_on_disk() -> None:
    server, state, synced = ApiServer(), ClusterState(FROM_DISK), asyncio.Event()
    async with TaskScope("test") as scope:
        scope.spawn("follow", follow(Client(server), state, synced))
        async with asyncio.timeout(5):
            await synced.wait()
    # Without a policy nobody needs to know every pod of the cluster.
    assert server.asked == {"services", "endpointslices", "nodes", "networkpolicies"}
    assert state.services.keys() == {"default/web"}
    assert (state.slices, state.nodes.keys()) == ({}, {"m1"})


async def test_where_there_are_policies_their_pods_are_known_before_rules_are_made() -> None:
    deny = {"metadata": {"name": "deny", "namespace": "default"}, "spec": {"podSelector": {}}}
    server, state, synced = ApiServer(networkpolicies=[deny]), ClusterState(), asyncio.Event()
    async with TaskScope("test") as scope:
        scope.spawn("follow", follow(Client(server), state, synced))
        async with asyncio.timeout(5):
            await state.learned.wait()
    assert state.policies.policies.keys() == {"default/deny"}
    assert state.policies.pods["default/a"].address == "10.42.1.2"
    assert state.policies.namespaces.keys() == {"default"}


async def test_while_the_api_is_away_what_was_on_disk_stays() -> None:
    server, state, synced = ApiServer(), ClusterState(FROM_DISK), asyncio.Event()
    server.away = True
    async with TaskScope("test") as scope:
        scope.spawn("follow", follow(Client(server), state, synced))
        await asyncio.sleep(0.05)
    assert not synced.is_set()
    assert state.known
    assert state.services.keys() == {"default/web", "default/gone"}


async def test_changes_are_written_down_once_they_settle_and_at_the_end(tmp_path: Path) -> None:
    path, clock, state, synced = tmp_path / "network.json", FakeClock(), ClusterState(), asyncio.Event()
    async with TaskScope("test") as scope:
        scope.spawn("cache", cache.keep_saved(path, state, synced, clock))
        await clock.advance(60)
        assert not path.exists(), "written before anything whole was known"
        synced.set()
        state.service_changed(None, service("web"))
        await clock.advance(0)
        await clock.advance(5)
        assert not path.exists()
        state.service_changed(None, service("api", ip="10.43.0.52"))
        await clock.advance(5)
        await _written(path, 2)
        state.service_changed(None, service("late", ip="10.43.0.53"))
        await clock.advance(30)
        assert len(_services(path)) == 2, "written again too soon"
    assert len(_services(path)) == 3


def _services(path: Path) -> tuple[object, ...]:
    found = cache.load(path)
    return found.services if found is not None else ()


async def _written(path: Path, services: int) -> None:
    async with asyncio.timeout(5):
        while len(_services(path)) != services:
            await asyncio.sleep(0.01)
