"""The engine with 1,000 machines that only pretend, and 30,000 pods created, rolled and deleted, over HTTPS."""

import os

from pilothouse.commands.bench import drive
from scripts.benchmarks.process import engine
from scripts.benchmarks.report import Figure

NODES = int(os.environ.get("HOLLOW_NODES", "1000"))
PODS = int(os.environ.get("HOLLOW_PODS", "30000"))


GOALS = {
    "steady: pod asked for to ready": "p99 < 5 s",
    "steady: calls that change, the server's own p99": "< 1 s",
    "steady: reads of one object, the server's own p99": "< 1 s",
    "create: calls that change, the server's own p99": "< 1 s",
    "create: reads of one object, the server's own p99": "< 1 s",
    "roll: calls that change, the server's own p99": "< 1 s",
    "roll: reads of one object, the server's own p99": "< 1 s",
}
"""Kubernetes' published objectives. How long a pod takes they tell of a cluster that is not being filled."""


async def measure() -> list[Figure]:
    async with engine() as server:
        rows = await drive(server.access, NODES, PODS, pid=server.pid)
        last = server.memory_mb()
    size = f"{NODES:,} machines, {PODS:,} pods"
    return [Figure(f"{what} ({size})", value, GOALS.get(what, "")) for what, value in rows] + [
        Figure("engine afterwards", f"{last:.0f} MB")
    ]
