"""What a pod asks for, in whole units: millicores of cpu, bytes of memory and storage, counts of all else.

The rules of k8s.io/component-helpers/resource: containers run together, init containers before them one by one with
the sidecars that started earlier; the overhead of the sandbox comes on top.
"""

from collections.abc import Mapping

from apimachinery.objects import quantity
from engine.scheduler.views import PodSpec

Amounts = dict[str, int]

CPU = "cpu"
MEMORY = "memory"
STORAGE = "ephemeral-storage"
PODS = "pods"
_ASSUMED = {CPU: 100, MEMORY: 200 * 1024 * 1024}
"""What a container without requests is taken for when machines are compared (never when they are filtered)."""


def amounts(resources: Mapping[str, str | int | float]) -> Amounts:
    return {name: quantity.milli(text) if name == CPU else quantity.value(text) for name, text in resources.items()}


def pod_requests(spec: PodSpec) -> Amounts:
    """The least that a machine must have free for the pod."""
    running: Amounts = {}
    for container in spec.containers:
        _add(running, amounts(container.resources.requests))
    sidecars: Amounts = {}
    peak: Amounts = {}
    for container in spec.init_containers:
        wanted = amounts(container.resources.requests)
        if container.restart_policy == "Always":
            _add(sidecars, wanted)
            _raise(peak, sidecars)
        else:
            _add(wanted, sidecars)
            _raise(peak, wanted)
    _add(running, sidecars)
    _raise(running, peak)
    if spec.resources is not None:
        running |= amounts(spec.resources.requests)
    _add(running, amounts(spec.overhead))
    return {name: amount for name, amount in running.items() if amount}


def assumed_requests(spec: PodSpec, asked: Amounts) -> tuple[int, int]:
    """(cpu, memory) for comparing machines: a container that asks for nothing still takes something."""
    cpu, memory = (
        asked.get(name, 0) + sum(default for c in spec.containers if name not in c.resources.requests)
        for name, default in _ASSUMED.items()
    )
    return cpu, memory


def _add(total: Amounts, more: Amounts) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, 0) + amount


def _raise(total: Amounts, least: Amounts) -> None:
    for name, amount in least.items():
        total[name] = max(total.get(name, 0), amount)
