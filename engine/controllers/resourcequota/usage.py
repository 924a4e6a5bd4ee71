"""What pods and Services use of a quota, and which pods a quota is about (upstream's pkg/quota/v1/evaluator/core)."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from apimachinery.objects import quantity
from engine.controllers.endpointslice import Service
from engine.controllers.podstate import is_terminal
from engine.controllers.resourcequota.views import ScopeRequirement
from engine.controllers.views import Container, Pod

Usage = dict[str, Decimal]
_ALIASED = ("cpu", "memory", "ephemeral-storage")


def pod_usage(pod: Pod) -> Usage:
    """An ended pod still counts as an object, but uses nothing."""
    usage: Usage = {"count/pods": Decimal(1)}
    if is_terminal(pod):
        return usage
    usage["pods"] = Decimal(1)
    requests = _pod_total(pod, [container.resources.requests for container in pod.spec.containers], limits=False)
    limits = _pod_total(pod, [container.resources.limits for container in pod.spec.containers], limits=True)
    for name, amount in requests.items():
        usage[f"requests.{name}"] = amount
        if name in _ALIASED or name.startswith("hugepages-"):
            usage[name] = amount
    for name, amount in limits.items():
        usage[f"limits.{name}"] = amount
    return usage


def service_usage(service: Service) -> Usage:
    usage: Usage = {"services": Decimal(1), "count/services": Decimal(1)}
    spec = service.spec
    if spec.type in ("NodePort", "LoadBalancer"):
        usage["services.nodeports"] = Decimal(len(spec.ports))
    if spec.type == "LoadBalancer":
        usage["services.loadbalancers"] = Decimal(1)
    return usage


def total(usages: Iterable[Usage]) -> Usage:
    summed: Usage = {}
    for usage in usages:
        for name, amount in usage.items():
            summed[name] = summed.get(name, Decimal(0)) + amount
    return summed


def written(name: str, amount: Decimal) -> str:
    """Bytes as binary quantities where they come out even, all else as decimal ones."""
    if any(word in name for word in ("memory", "storage", "hugepages")) and amount % 1024 == 0:
        return quantity.format_bytes(int(amount))
    return quantity.canonical(str(amount.normalize() if amount % 1 else int(amount)))


def in_scope(pod: Pod, requirements: Iterable[ScopeRequirement]) -> bool:
    return all(_matches(pod, requirement) for requirement in requirements)


def _matches(pod: Pod, requirement: ScopeRequirement) -> bool:
    match requirement.scope_name:
        case "Terminating":
            return pod.spec.active_deadline_seconds is not None
        case "NotTerminating":
            return pod.spec.active_deadline_seconds is None
        case "BestEffort":
            return _is_best_effort(pod)
        case "NotBestEffort":
            return not _is_best_effort(pod)
        case "PriorityClass":
            return _matches_class(pod.spec.priority_class_name, requirement)
        case _:
            return False


def _matches_class(name: str, requirement: ScopeRequirement) -> bool:
    match requirement.operator:
        case "In":
            return name in requirement.values
        case "NotIn":
            return name not in requirement.values
        case "DoesNotExist":
            return not name
        case _:
            return bool(name)


def _is_best_effort(pod: Pod) -> bool:
    containers = (*pod.spec.containers, *pod.spec.init_containers)
    asked = (name for c in containers for name in (*c.resources.requests, *c.resources.limits))
    return not any(name in ("cpu", "memory") for name in asked)


def _pod_total(pod: Pod, running: Iterable[Mapping[str, str | int | float]], *, limits: bool) -> Usage:
    """Containers together; init containers one by one, with the sidecars that started before them."""
    together = total(_amounts(amounts) for amounts in running)
    sidecars: Usage = {}
    peak: Usage = {}
    for container in pod.spec.init_containers:
        wanted = _amounts(_side(container, limits=limits))
        if container.restart_policy == "Always":
            sidecars = total((sidecars, wanted))
            wanted = sidecars
        else:
            wanted = total((sidecars, wanted))
        peak = _highest(peak, wanted)
    whole = _highest(total((together, sidecars)), peak)
    overhead = _amounts(pod.spec.overhead)
    return total((whole, {name: amount for name, amount in overhead.items() if not limits or name in whole}))


def _side(container: Container, *, limits: bool) -> Mapping[str, str | int | float]:
    return container.resources.limits if limits else container.resources.requests


def _highest(left: Usage, right: Usage) -> Usage:
    return {name: max(left.get(name, Decimal(0)), right.get(name, Decimal(0))) for name in {**left, **right}}


def _amounts(amounts: Mapping[str, str | int | float]) -> Usage:
    return {name: quantity.parse(text) for name, text in amounts.items()}
