"""The scheduler's decisions alone, at 1,000 machines: told of pods, it places them; no API, no binding."""

import time
from collections.abc import Callable
from typing import Any

import msgspec

from engine.scheduler.scheduler import Bind, Evict, Scheduler
from engine.scheduler.views import Node, Owner, Pod
from scripts.benchmarks.report import Figure

MACHINES = 1000
HOST, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
Json = dict[str, Any]
Make = Callable[[int], Json]


async def measure() -> list[Figure]:
    return [
        _placing("10,000 pods of 100 ReplicaSets", 10_000, _of_sets, "> 1,000/s"),
        _placing("10,000 pods of 100 ReplicaSets, coming in turn", 10_000, _in_turn, "> 1,000/s"),
        _placing("2,000 pods, each of its own kind", 2_000, _single),
        _placing("2,000 pods of 20 sets that shun their own kind", 2_000, _shunning),
        _placing("2,000 pods of 20 sets spread over zones and machines, hard", 2_000, _spread),
        _placing("1,000 pods of a DaemonSet", 1_000, _daemon),
        _preempting(),
    ]


def _scheduler() -> Scheduler:
    made = Scheduler()
    for number in range(MACHINES):
        name = f"m{number:04}"
        labels = {HOST: name, ZONE: f"zone-{number % 10}"}
        status = {"allocatable": {"cpu": "32", "memory": "128Gi", "pods": "250"}}
        node = {"metadata": {"name": name, "uid": name, "labels": labels}, "status": status}
        made.machine_changed(None, msgspec.convert(node, Node), 0.0)
    for number in range(100):
        meta = {"name": f"rs-{number}", "namespace": "default"}
        selector = {"matchLabels": {"app": f"rs-{number}"}}
        made.owners.set_changed(
            "ReplicaSet", None, msgspec.convert({"metadata": meta, "spec": {"selector": selector}}, Owner)
        )
    return made


def _pod(number: int, group: str, **spec: Any) -> Json:
    owner = {"kind": "ReplicaSet", "name": group, "uid": group, "controller": True}
    meta = {
        "name": f"p{number}", "namespace": "default", "uid": f"p{number}", "labels": {"app": group}, "ownerReferences": [owner],
    }  # fmt: skip
    resources = {"requests": {"cpu": "100m", "memory": "128Mi"}}
    return {
        "metadata": meta,
        "spec": {"containers": [{"name": "c", "image": "nginx:1.27", "resources": resources}], **spec},
    }


def _of_sets(number: int) -> Json:
    return _pod(number, f"rs-{number // 100}")


def _in_turn(number: int) -> Json:
    return _pod(number, f"rs-{number % 100}")


def _single(number: int) -> Json:
    resources = {"requests": {"cpu": f"{number + 1}m"}}
    return {**_pod(number, ""), "spec": {"containers": [{"name": "c", "image": "nginx:1.27", "resources": resources}]}}


def _shunning(number: int) -> Json:
    group = f"rs-{number // 100}"
    term = {"topologyKey": HOST, "labelSelector": {"matchLabels": {"app": group}}}
    return _pod(number, group, affinity={"podAntiAffinity": {REQUIRED: [term]}})


def _spread(number: int) -> Json:
    group = f"rs-{number // 100}"
    selector = {"matchLabels": {"app": group}}
    constraints = [
        {"topologyKey": key, "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": selector}
        for key in (ZONE, HOST)
    ]
    return _pod(number, group, topologySpreadConstraints=constraints)


def _daemon(number: int) -> Json:
    on_it = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [f"m{number:04}"]}]}
    return _pod(number, "ds", affinity={"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [on_it]}}})


def _placing(what: str, count: int, make: Make, goal: str = "") -> Figure:
    scheduler = _scheduler()
    pods = [msgspec.convert(make(number), Pod) for number in range(count)]
    started = time.process_time()
    for pod in pods:
        scheduler.pod_changed(None, pod, 0.0)
    bound = 0
    while len(scheduler.queue):
        bound += sum(isinstance(one, Bind) for one in scheduler.cycle(0.0))
    seconds = time.process_time() - started
    if bound != count:
        raise RuntimeError(f"{what}: only {bound} of {count} found a machine")
    return Figure(what, f"{count / seconds:,.0f}/s, {1000 * seconds / count:.2f} ms CPU each", goal)


def _preempting() -> Figure:
    """The machines are full; each important pod needs one of the less important ones to go."""
    scheduler = _scheduler()
    full = {"requests": {"cpu": "16"}}
    for number in range(2 * MACHINES):
        raw = _pod(number, f"rs-{number % 100}", nodeName=f"m{number // 2:04}")
        raw["spec"]["containers"][0]["resources"] = full
        scheduler.pod_changed(None, msgspec.convert(raw, Pod), 0.0)
    count = 100
    started = time.process_time()
    for number in range(count):
        raw = _pod(100_000 + number, "rs-1", priority=1000)
        raw["spec"]["containers"][0]["resources"] = full
        scheduler.pod_changed(None, msgspec.convert(raw, Pod), 0.0)
    evicted = 0
    while len(scheduler.queue):
        evicted += sum(isinstance(one, Evict) for one in scheduler.cycle(0.0))
    seconds = time.process_time() - started
    if evicted != count:
        raise RuntimeError(f"preemption: only {evicted} of {count} made room")
    return Figure(
        "100 pods that others must make room for", f"{count / seconds:,.0f}/s, {1000 * seconds / count:.1f} ms CPU each"
    )
