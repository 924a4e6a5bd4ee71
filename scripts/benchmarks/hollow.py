"""The engine with 1,000 machines that only pretend, and 30,000 pods created, rolled and deleted, over HTTPS."""

import os

from pilothouse.commands.bench import drive
from scripts.benchmarks.process import engine
from scripts.benchmarks.report import Figure

NODES = int(os.environ.get("HOLLOW_NODES", "1000"))
PODS = int(os.environ.get("HOLLOW_PODS", "30000"))


async def measure() -> list[Figure]:
    async with engine() as server:
        rows = await drive(server.access, NODES, PODS, pid=server.pid)
        last = server.memory_mb()
    size = f"{NODES:,} machines, {PODS:,} pods"
    return [Figure(f"{what} ({size})", value) for what, value in rows] + [Figure("engine afterwards", f"{last:.0f} MB")]
