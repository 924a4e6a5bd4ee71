import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from apimachinery.aio.tasks import TaskScope
from nodeagent.network.gates import Gates
from nodeagent.network.state import ClusterState
from tests.nodeagent.network.objects import endpoint, endpoints, service
from tests.nodeagent.network.policies.objects import pod, policy

ADDRESS = "10.42.1.2"
SERVING, LEAVING = (
    endpoints(endpoint(ADDRESS)),
    endpoints(endpoint(ADDRESS, ready=False, serving=True, terminating=True)),
)


class Kernel:
    """Holds what is known when told to."""

    def __init__(self) -> None:
        self.holds = asyncio.Event()

    async def settled(self) -> None:
        await self.holds.wait()


@asynccontextmanager
async def waiting(call) -> AsyncIterator[asyncio.Task]:
    async with TaskScope("test") as scope:
        task = scope.spawn("wait", call)
        await asyncio.sleep(0.02)
        yield task


async def test_an_ending_pod_waits_until_no_service_leads_to_it_and_the_kernel_knows() -> None:
    state, kernel, gate = ClusterState(), Kernel(), Gates()
    gate.serve(state, kernel.settled)
    state.service_changed(None, service())
    state.slice_changed(None, SERVING)
    async with waiting(gate.withdrawn(ADDRESS, 30)) as ending:
        assert not ending.done()
        state.slice_changed(SERVING, LEAVING)
        await asyncio.sleep(0.02)
        assert not ending.done(), "the kernel has yet to follow"
        kernel.holds.set()
        await asyncio.wait_for(ending, 1)


@pytest.mark.parametrize(
    "piece",
    [
        pytest.param(endpoints(endpoint("10.42.1.3")), id="of another pod"),
        pytest.param(endpoints(endpoint(ADDRESS, ready=False)), id="not ready"),
    ],
)
async def test_a_pod_that_gets_no_new_connections_ends_at_once(piece) -> None:
    state, gate = ClusterState(), Gates()
    gate.serve(state, Kernel().settled)
    state.slice_changed(None, piece)
    await asyncio.wait_for(gate.withdrawn(ADDRESS, 30), 0.2)


@pytest.mark.parametrize(
    "piece",
    [
        pytest.param(LEAVING, id="this machine heard of it before the pod did; others may not have yet"),
        pytest.param(endpoints(endpoint(ADDRESS, ready=True, terminating=True)), id="led to although it is ending"),
    ],
)
async def test_a_pod_that_is_withdrawn_already_waits_for_the_others_alone(piece) -> None:
    state, kernel, gate = ClusterState(), Kernel(), Gates()
    gate.serve(state, kernel.settled)
    state.slice_changed(None, piece)
    async with waiting(gate.withdrawn(ADDRESS, 30)) as ending:
        assert not ending.done()
        kernel.holds.set()
        await asyncio.wait_for(ending, 1)


async def test_half_of_its_grace_is_the_most_that_a_pod_waits() -> None:
    state, gate = ClusterState(), Gates()
    gate.serve(state, Kernel().settled)
    state.slice_changed(None, SERVING)
    await asyncio.wait_for(gate.withdrawn(ADDRESS, 0.1), 0.2)


async def test_a_selected_pod_starts_once_the_kernel_shuts_it_and_others_at_once() -> None:
    state, kernel, gate = ClusterState(), Kernel(), Gates()
    gate.serve(state, kernel.settled)
    state.policies.policy_changed(None, policy({"podSelector": {"matchLabels": {"app": "web"}}}))
    await asyncio.wait_for(gate.shut(pod("api", "10.42.1.3")), 0.2)
    async with waiting(gate.shut(pod("web", ADDRESS))) as starting:
        assert not starting.done()
        assert state.policies.pods["default/web"].address == ADDRESS
        kernel.holds.set()
        await asyncio.wait_for(starting, 1)


async def test_without_a_network_nobody_waits() -> None:
    gate = Gates()
    gate.serve(ClusterState(), Kernel().settled)
    gate.rest()
    await gate.shut(pod("web", ADDRESS))
    await gate.withdrawn(ADDRESS, 30)
