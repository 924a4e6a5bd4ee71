"""One lab machine, the real engine and agent: from `apply` to pods that run. Root is needed."""

import asyncio
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from apimachinery.client import kubeconfig
from apimachinery.client.client import Client
from apimachinery.objects.errors import NotFound
from apimachinery.objects.meta import Object
from apimachinery.objects.resources import DEPLOYMENTS, PODS, SERVICEACCOUNTS
from scripts.benchmarks.process import cpu_seconds, memory_mb
from scripts.benchmarks.report import Figure

NAMESPACE = "default"
LAB = "bench"
SIZES = ((1, "< 0.8 s"), (10, "< 2.5 s"), (50, "< 10 s"), (100, "< 20 s"))
TIMEOUT = 300.0


class PodStatus(msgspec.Struct, frozen=True):
    conditions: tuple[dict[str, Any], ...] = ()

    @property
    def ready(self) -> bool:
        return any(c["type"] == "Ready" and c["status"] == "True" for c in self.conditions)


class PodView(Object, frozen=True):
    status: PodStatus = PodStatus()


def deployment(name: str, replicas: int, *, probe: bool = False) -> dict[str, Any]:
    container: dict[str, Any] = {
        "name": "main", "image": "busybox:latest", "imagePullPolicy": "IfNotPresent", "command": ["sleep", "infinity"],
    }  # fmt: skip
    if probe:
        container["readinessProbe"] = {"exec": {"command": ["true"]}, "periodSeconds": 1}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
            },
        },
    }


async def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="pilothouse-bench-") as folder:
        async with cluster(Path(folder)) as (client, agent, setup):
            figures = [Figure("engine, one machine booted and joined, node Ready", f"{setup:.1f} s")]
            await _run(client, "warm-up", 1)
            await _gone(client, "warm-up")
            for size, goal in SIZES:
                seconds = await _run(client, f"pods-{size}", size)
                figures.append(
                    Figure(f"apply to all Ready on one machine, image present: {size}", f"{seconds:.1f} s", goal)
                )
                if size == SIZES[-1][0]:
                    figures.append(Figure(f"agent's memory with {size} pods", f"{memory_mb(agent):.0f} MB"))
                seconds = await _gone(client, f"pods-{size}")
            figures.append(
                Figure(
                    f"{SIZES[-1][0]} deleted (grace 0) to gone from the API; the machine cleans up after that",
                    f"{seconds:.1f} s",
                    "< 15 s",
                )
            )
            seconds = await _run(client, "probed", 10, probe=True)
            figures.append(
                Figure("10 replicas with a 1 s readiness probe, apply to rolled out", f"{seconds:.1f} s", "< 4 s")
            )
            await _run(client, "idle", 10)
            await asyncio.sleep(10)
            cpu = cpu_seconds(agent)
            await asyncio.sleep(30)
            share = (cpu_seconds(agent) - cpu) / 30 * 100
            figures.append(Figure("agent's memory with 20 pods", f"{memory_mb(agent):.0f} MB", "< 60 MB"))
            figures.append(Figure("agent's idle CPU with 20 pods", f"{share:.1f} % of a core", "< 1 %"))
            return figures


async def _run(client: Client, name: str, replicas: int, *, probe: bool = False) -> float:
    """Seconds from creating a Deployment until all its pods are Ready."""
    started = time.perf_counter()
    await client.create(DEPLOYMENTS, deployment(name, replicas, probe=probe), NAMESPACE)
    while True:
        pods = (await client.list(PODS, NAMESPACE, view=PodView, label_selector=f"app={name}")).items
        if sum(pod.status.ready for pod in pods) == replicas:
            return time.perf_counter() - started
        _check_time(started, name)
        await asyncio.sleep(0.05)


async def _gone(client: Client, name: str) -> float:
    """Seconds from deleting a Deployment until its last pod is gone."""
    started = time.perf_counter()
    await client.delete(DEPLOYMENTS, name, NAMESPACE, propagation="Background")
    while (await client.list(PODS, NAMESPACE, view=PodView, label_selector=f"app={name}")).items:
        _check_time(started, name)
        await asyncio.sleep(0.05)
    return time.perf_counter() - started


def _check_time(started: float, name: str) -> None:
    if time.perf_counter() - started > TIMEOUT:
        raise TimeoutError(f"{name}: not done after {TIMEOUT:.0f} s")


@asynccontextmanager
async def cluster(data_dir: Path):
    """An engine and one joined machine; gives a client, the agent's pid and the seconds it took."""
    started = time.perf_counter()
    try:
        await pilothouse(data_dir, "engine", "start", "--listen", "127.0.0.1:0")
        await pilothouse(data_dir, "lab", "up", "--machines", "1", "--name", LAB)
        setup = time.perf_counter() - started
        client = Client(kubeconfig.load(data_dir / "kubeconfig").transport())
        try:
            while not await _exists(client):
                await asyncio.sleep(0.05)
            yield client, _agent_pid(), setup
        finally:
            await client.close()
    finally:
        await pilothouse(data_dir, "lab", "down", "--name", LAB)
        await pilothouse(data_dir, "engine", "stop")


async def _exists(client: Client) -> bool:
    try:
        await client.get(SERVICEACCOUNTS, "default", NAMESPACE)
    except NotFound:
        return False
    return True


def _agent_pid() -> int:
    """The newest agent on this computer: the one that was just joined."""
    found = [
        (int(stat.read_text().rpartition(")")[2].split()[19]), int(stat.parent.name))
        for stat in Path("/proc").glob("[0-9]*/stat")
        if b"\0nodeagent\0" in (stat.parent / "cmdline").read_bytes()
    ]
    return max(found)[1]


async def pilothouse(data_dir: Path, *words: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pilothouse", "--data-dir", str(data_dir), *words, stdout=asyncio.subprocess.DEVNULL
    )
    if await process.wait():
        raise RuntimeError(f"pilothouse {' '.join(words)} failed")
