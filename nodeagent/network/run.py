"""The network part of the agent: what `nodeagent.main` starts."""

import asyncio
from pathlib import Path

from apimachinery.aio.clock import Clock
from apimachinery.aio.tasks import TaskScope
from apimachinery.client.client import Client
from apimachinery.client.informer import Informer
from apimachinery.objects.meta import key
from apimachinery.objects.resources import ENDPOINTSLICES, NODES, SERVICES
from nodeagent.network import cache
from nodeagent.network.layout import NetworkConfig
from nodeagent.network.machine import MachineNetwork, NetworkStatus
from nodeagent.network.state import ClusterState
from nodeagent.network.views import EndpointSliceView, NodeView, ServiceView


async def run_network(
    client: Client, config: NetworkConfig, node_name: str, clock: Clock, *, status: NetworkStatus | None = None
) -> None:
    """Run this machine's network for ever: first from what is on disk, then from the API's word.

    `status` is filled in for others to read: `ready` is what the node's Ready condition waits for.
    """
    path = cache.path_in(Path(config.state_dir))
    state = ClusterState(await asyncio.to_thread(cache.load, path))
    network = MachineNetwork(state, config, node_name, clock, status or NetworkStatus())
    synced = asyncio.Event()
    async with TaskScope("network-watch") as scope:
        scope.supervise("api", lambda: follow(client, state, synced))
        scope.supervise("cache", lambda: cache.keep_saved(path, state, synced, clock))
        scope.supervise("machine", network.run)
        await asyncio.Event().wait()


async def follow(client: Client, state: ClusterState, synced: asyncio.Event) -> None:
    """Keep the state at what the API says."""
    services = Informer(client, SERVICES, view=ServiceView)
    slices = Informer(client, ENDPOINTSLICES, view=EndpointSliceView)
    nodes = Informer(client, NODES, view=NodeView)
    services.on_change(state.service_changed)
    slices.on_change(state.slice_changed)
    nodes.on_change(state.node_changed)
    async with TaskScope("informers") as scope:
        scope.spawn("services", services.run())
        scope.spawn("endpointslices", slices.run())
        scope.spawn("nodes", nodes.run())
        for informer in (services, slices, nodes):
            await informer.synced.wait()
        state.forget_all_but(
            services={key(service) for service in services.list()},
            slices={key(piece) for piece in slices.list()},
            nodes={key(node) for node in nodes.list()},
        )
        state.learned.set()
        synced.set()
        await asyncio.Event().wait()
