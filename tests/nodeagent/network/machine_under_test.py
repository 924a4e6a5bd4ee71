"""Runs a machine's network inside the namespace it is started in, told by JSON lines what the cluster looks like.

Input: one `state.Snapshot` a line, or the words `flush` (somebody empties our table), `check` and `table`.
Output: one line for each, once it has taken effect.
"""

import asyncio
import sys

import msgspec
import structlog

from apimachinery.aio.clock import SystemClock
from apimachinery.aio.tasks import TaskScope
from apimachinery.objects.meta import key
from nodeagent.network.command import run
from nodeagent.network.machine import MachineNetwork, NetworkStatus
from nodeagent.network.nft.kernel import Nft
from nodeagent.network.services.rules import FAMILY_TABLE
from nodeagent.network.state import ClusterState, Snapshot
from tests.nodeagent.network.objects import Config


def feed(state: ClusterState, wanted: Snapshot) -> None:
    for service in wanted.services:
        if state.services.get(key(service)) != service:
            state.service_changed(state.services.get(key(service)), service)
    for piece in wanted.slices:
        if state.slices.get(key(piece)) != piece:
            state.slice_changed(state.slices.get(key(piece)), piece)
    for node in wanted.nodes:
        state.node_changed(state.nodes.get(key(node)), node)
    state.forget_all_but(
        services={key(o) for o in wanted.services},
        slices={key(o) for o in wanted.slices},
        nodes={key(o) for o in wanted.nodes},
    )
    policies = wanted.policies
    for policy in policies.policies:
        state.policies.policy_changed(state.policies.policies.get(key(policy)), policy)
    for namespace in policies.namespaces:
        state.policies.namespace_changed(state.policies.namespaces.get(key(namespace)), namespace)
    for pod in policies.pods:
        state.policies.pod_changed(state.policies.pods.get(key(pod)), pod)
    state.policies.forget_all_but(
        policies={key(o) for o in policies.policies},
        pods={key(o) for o in policies.pods},
        namespaces={key(o) for o in policies.namespaces},
    )
    state.learned.set()


async def settle(network: MachineNetwork, status: NetworkStatus) -> str:
    await status.ready.wait()
    await asyncio.sleep(0.1)
    for _ in range(100):
        rules = network.rules
        if rules is not None and rules.settled.is_set() and rules.idle:
            break
        await asyncio.sleep(0.05)
    return "; ".join(f"{part}: {problem}" for part, problem in status.problems().items()) or "settled"


async def main(config: Config, node_name: str) -> None:
    state, status = ClusterState(), NetworkStatus()
    network = MachineNetwork(state, config, node_name, SystemClock(), status)
    async with TaskScope("test") as scope:
        scope.spawn("machine", network.run())
        while line := await asyncio.to_thread(sys.stdin.readline):
            match line.strip():
                case "flush":
                    await run(("nft", "flush", "table", *FAMILY_TABLE.split()))
                    said = "flushed"
                case "check":
                    await network.rules.check()
                    said = "checked"
                case "table":
                    table = await Nft().read(FAMILY_TABLE)
                    said = f"{network.rules.transactions} {len(table.chains) if table else 0}"
                case text:
                    feed(state, msgspec.json.decode(text, type=Snapshot))
                    said = await settle(network, status)
            sys.stdout.write(said + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(main(msgspec.json.decode(sys.argv[2], type=Config), sys.argv[1]))
