"""A large cluster's API server: 1,000 machines that send their heartbeats, 30,000 pods."""

import asyncio
import ssl
import time
from collections.abc import Iterable

import msgspec

from scripts.benchmarks import load
from scripts.benchmarks.pods import pod
from scripts.benchmarks.process import EngineProcess, engine
from scripts.benchmarks.report import Figure

_MACHINES = 1000
_PODS = 30_000
_HEARTBEAT = 10.0
_WATCHED = 30.0
_NODES = "/api/v1/nodes"
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


async def measure() -> list[Figure]:
    async with engine() as server:
        await _send(server, (load.request("POST", _NODES, _node(n)) for n in range(_MACHINES)))
        await _send(server, (load.request("POST", _LEASES, _lease(n)) for n in range(_MACHINES)))
        bodies = (msgspec.json.encode(pod(n)) for n in range(_PODS))
        await _send(server, (load.request("POST", "/api/v1/namespaces/default/pods", body) for body in bodies))
        cpu, began = server.cpu_seconds(), time.perf_counter()
        beats = await _heartbeats(server)
        share = (server.cpu_seconds() - cpu) / (time.perf_counter() - began) * 100
        what = f"{_MACHINES:,} machines, {_PODS:,} pods"
        return [
            Figure(f"memory with {what}", f"{server.memory_mb():.0f} MB", "< 600 MB"),
            Figure(
                f"{what}: CPU for {beats / _WATCHED:.0f} heartbeats/s, controllers included", f"{share:.0f} % of a core"
            ),
        ]


async def _send(server: EngineProcess, messages: Iterable[bytes]) -> None:
    context = server.access.ssl_context
    assert isinstance(context, ssl.SSLContext)
    await load.run(server.port, context, messages, accept=(201,))


async def _heartbeats(server: EngineProcess) -> int:
    """Every machine renews its Lease in turn, all of them within each period; how often they did."""
    context = server.access.ssl_context
    assert isinstance(context, ssl.SSLContext)
    ends = time.perf_counter() + _WATCHED
    sent = 0
    while time.perf_counter() < ends:
        for start in range(0, _MACHINES, 100):
            started = time.perf_counter()
            body = msgspec.json.encode(
                {"spec": {"renewTime": time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())}}
            )
            messages = (
                load.request("PATCH", f"{_LEASES}/machine-{n}", body, "application/merge-patch+json")
                for n in range(start, start + 100)
            )
            sent += (await load.run(server.port, context, messages, connections=4)).requests
            await asyncio.sleep(max(0.0, started + _HEARTBEAT / 10 - time.perf_counter()))
    return sent


def _node(number: int) -> bytes:
    name = f"machine-{number}"
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "lastHeartbeatTime": now,
        "lastTransitionTime": now,
    }
    return msgspec.json.encode(
        {
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}},
            "status": {
                "capacity": {"cpu": "16", "memory": "64Gi", "pods": "110"},
                "allocatable": {"cpu": "16", "memory": "64Gi", "pods": "110"},
                "conditions": [ready],
                "addresses": [{"type": "Hostname", "address": name}],
                "images": [{"names": [f"docker.io/library/image-{i}:1"], "sizeBytes": 1000} for i in range(20)],
            },
        }
    )


def _lease(number: int) -> bytes:
    name = f"machine-{number}"
    now = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())
    spec = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": now}
    return msgspec.json.encode({"metadata": {"name": name}, "spec": spec})
