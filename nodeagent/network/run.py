"""The network part of the agent: what `nodeagent.main` starts."""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

from apimachinery.aio.clock import Clock
from apimachinery.aio.tasks import TaskScope
from apimachinery.client.client import Client
from apimachinery.client.informer import Informer
from apimachinery.objects.meta import Object, key
from apimachinery.objects.resources import ENDPOINTSLICES, NAMESPACES, NETWORKPOLICIES, NODES, PODS, SERVICES
from nodeagent.network import cache
from nodeagent.network.gates import Gates
from nodeagent.network.layout import NetworkConfig
from nodeagent.network.loadbalancers.announcer import Announcer
from nodeagent.network.machine import MachineNetwork, NetworkStatus
from nodeagent.network.policies.state import PolicyState
from nodeagent.network.policies.views import NamespaceView, PodView, PolicyView
from nodeagent.network.state import ClusterState
from nodeagent.network.views import EndpointSliceView, NodeView, ServiceView


async def run_network(
    client: Client,
    config: NetworkConfig,
    node_name: str,
    clock: Clock,
    *,
    status: NetworkStatus | None = None,
    gates: Gates | None = None,
    on_state: Callable[[ClusterState], None] | None = None,
) -> None:
    """Run this machine's network for ever: first from what is on disk, then from the API's word.

    `status` is filled in for others to read: `ready` is what the node's Ready condition waits for. `gates` lets the
    pods of this machine wait for their rules.
    `on_state` gets what is known of Services, which goes on changing.
    """
    path = cache.path_in(Path(config.state_dir))
    state = ClusterState(await asyncio.to_thread(cache.load, path))
    if on_state is not None:
        on_state(state)
    network = MachineNetwork(state, config, node_name, clock, status or NetworkStatus())
    synced = asyncio.Event()
    if gates is not None:
        gates.serve(state, network.settled)
    try:
        async with TaskScope("network-watch") as scope:
            scope.supervise("api", lambda: follow(client, state, synced))
            scope.supervise("cache", lambda: cache.keep_saved(path, state, synced, clock))
            scope.supervise("machine", network.run)
            scope.supervise("loadbalancers", Announcer(client, state, node_name, clock).run)
            await asyncio.Event().wait()
    finally:
        if gates is not None:
            gates.rest()


async def follow(client: Client, state: ClusterState, synced: asyncio.Event) -> None:
    """Keep the state at what the API says."""
    services = Informer(client, SERVICES, view=ServiceView)
    slices = Informer(client, ENDPOINTSLICES, view=EndpointSliceView)
    nodes = Informer(client, NODES, view=NodeView)
    policies = Informer(client, NETWORKPOLICIES, view=PolicyView)
    services.on_change(state.service_changed)
    slices.on_change(state.slice_changed)
    nodes.on_change(state.node_changed)
    policies.on_change(state.policies.policy_changed)
    async with TaskScope("informers") as scope:
        for informer in (services, slices, nodes, policies):
            scope.spawn(informer.resource.plural, informer.run())
        for informer in (services, slices, nodes, policies):
            await informer.synced.wait()
        state.forget_all_but(services=_keys(services.list()), slices=_keys(slices.list()), nodes=_keys(nodes.list()))
        state.policies.forget_all_but(policies=_keys(policies.list()))
        peers = asyncio.Event()
        scope.spawn("peers", _follow_peers(client, state.policies, peers))
        if state.policies.policies:
            await peers.wait()
        state.learned.set()
        synced.set()
        await asyncio.Event().wait()


async def _follow_peers(client: Client, state: PolicyState, synced: asyncio.Event) -> None:
    """Learn of pods and namespaces once there is a policy that may speak of them: most clusters have none."""
    await state.first_policy.wait()
    namespaces = Informer(client, NAMESPACES, view=NamespaceView)
    pods = Informer(client, PODS, view=PodView)
    namespaces.on_change(state.namespace_changed)
    async with TaskScope("peers") as scope:
        # Namespaces first: a pod whose namespace is unknown is nobody's peer.
        scope.spawn("namespaces", namespaces.run())
        await namespaces.synced.wait()
        pods.on_change(state.pod_changed)
        scope.spawn("pods", pods.run())
        await pods.synced.wait()
        state.forget_all_but(pods=_keys(pods.list()), namespaces=_keys(namespaces.list()))
        synced.set()
        await asyncio.Event().wait()


def _keys(objects: Iterable[Object]) -> set[str]:
    return {key(obj) for obj in objects}
