"""What one object counts for in a ResourceQuota, and which quotas count it.

Source: pkg/quota/v1/evaluator/core. Pure: the API server's admission and the quota controller both count by this.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from apimachinery.objects import podresources, quantity
from apimachinery.objects.podresources import Amounts

Json = dict[str, Any]
GroupResource = tuple[str, str]

PODS: GroupResource = ("", "pods")
SERVICES: GroupResource = ("", "services")
CLAIMS: GroupResource = ("", "persistentvolumeclaims")

_ONE = Decimal(1)
_NAMED = ("configmaps", "persistentvolumeclaims", "replicationcontrollers", "resourcequotas", "secrets", "services")
_COMPUTE = ("cpu", "memory", "ephemeral-storage")
_ASKED_OF_CONTAINERS = ("cpu", "limits.cpu", "limits.memory", "memory", "requests.cpu", "requests.memory")
_CLASS = ".storageclass.storage.k8s.io/"
_OLD_CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"


def count_name(resource: GroupResource) -> str:
    """The name under which objects of a kind are counted: `count/deployments.apps`."""
    group, plural = resource
    return f"count/{plural}.{group}" if group else f"count/{plural}"


def usage_of(resource: GroupResource, obj: Json) -> Amounts:
    """What the object counts for, by the names that a quota's `hard` uses."""
    found: Amounts = {count_name(resource): _ONE}
    group, plural = resource
    if not group and plural in _NAMED:
        found[plural] = _ONE
    if resource == PODS:
        found.update(_pod_usage(obj))
    elif resource == SERVICES:
        found.update(_service_usage(obj.get("spec") or {}))
    elif resource == CLAIMS:
        found.update(_claim_usage(obj))
    return found


def counted_resources(hard: dict[str, str]) -> set[GroupResource]:
    """The kinds whose objects a quota with these limits counts."""
    found: set[GroupResource] = set()
    for name in hard:
        if name.startswith("count/"):
            plural, _, group = name.removeprefix("count/").partition(".")
            found.add((group, plural))
        elif name in _NAMED:
            found.add(("", name))
        elif name.startswith("services."):
            found.add(SERVICES)
        elif name == "requests.storage" or _CLASS in name:
            found.add(CLAIMS)
        else:
            found.add(PODS)
    return found


def _pod_usage(pod: Json) -> Amounts:
    if (pod.get("status") or {}).get("phase") in {"Failed", "Succeeded"}:
        # Such a pod holds nothing but its place in the store.
        return {}
    spec: Json = pod.get("spec") or {}
    found: Amounts = {"pods": _ONE}
    for name, amount in podresources.of_pod(spec, "requests").items():
        found[f"requests.{name}"] = amount
        if name in _COMPUTE or name.startswith("hugepages-"):
            found[name] = amount
    for name, amount in podresources.of_pod(spec, "limits").items():
        if name in _COMPUTE:
            found[f"limits.{name}"] = amount
    return found


def _service_usage(spec: Json) -> Amounts:
    ports: list[Json] = spec.get("ports") or []
    kind = spec.get("type")
    found: Amounts = {"services.nodeports": Decimal(0), "services.loadbalancers": Decimal(0)}
    if kind == "NodePort":
        found["services.nodeports"] = Decimal(len(ports))
    elif kind == "LoadBalancer":
        found["services.loadbalancers"] = _ONE
        allocated = spec.get("allocateLoadBalancerNodePorts", True)
        found["services.nodeports"] = Decimal(len([port for port in ports if allocated or port.get("nodePort")]))
    return found


def _claim_usage(claim: Json) -> Amounts:
    spec: Json = claim.get("spec") or {}
    given: dict[str, str] = (claim.get("status") or {}).get("allocatedResources") or {}
    asked: dict[str, str] = (spec.get("resources") or {}).get("requests") or {}
    size = max((quantity.parse(part["storage"]) for part in (given, asked) if "storage" in part), default=None)
    found: Amounts = {} if size is None else {"requests.storage": size}
    annotations: dict[str, str] = claim["metadata"].get("annotations") or {}
    name = annotations.get(_OLD_CLASS_ANNOTATION) or spec.get("storageClassName")
    if name:
        found[f"{name}{_CLASS}persistentvolumeclaims"] = _ONE
        if size is not None:
            found[f"{name}{_CLASS}requests.storage"] = size
    return found


def in_scope(quota_spec: Json, resource: GroupResource, obj: Json) -> bool:
    """Whether a quota's scopes let it count this object."""
    requirements: list[Json] = [
        *({"scopeName": scope, "operator": "Exists"} for scope in quota_spec.get("scopes") or ()),
        *((quota_spec.get("scopeSelector") or {}).get("matchExpressions") or ()),
    ]
    if not requirements:
        return True
    spec: Json = obj.get("spec") or {}
    if resource == PODS:
        return all(_pod_matches(requirement, spec) for requirement in requirements)
    if resource == CLAIMS:
        return all(
            requirement.get("scopeName") == "VolumeAttributesClass"
            and _value_matches(requirement, spec.get("volumeAttributesClassName") or "")
            for requirement in requirements
        )
    return False


def _pod_matches(requirement: Json, spec: Json) -> bool:
    match requirement.get("scopeName"):
        case "Terminating":
            return spec.get("activeDeadlineSeconds") is not None
        case "NotTerminating":
            return spec.get("activeDeadlineSeconds") is None
        case "BestEffort":
            return _best_effort(spec)
        case "NotBestEffort":
            return not _best_effort(spec)
        case "PriorityClass":
            return _value_matches(requirement, spec.get("priorityClassName") or "")
        case "CrossNamespacePodAffinity":
            return _reaches_other_namespaces(spec)
        case _:
            return False


def _value_matches(requirement: Json, value: str) -> bool:
    values: list[str] = requirement.get("values") or []
    match requirement.get("operator"):
        case "In":
            return bool(value) and value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return bool(value)
        case _:
            return not value


def _best_effort(spec: Json) -> bool:
    sides: tuple[podresources.Side, ...] = ("requests", "limits")
    return not any(
        amount and name in {"cpu", "memory"}
        for side in sides
        for name, amount in podresources.of_pod(spec, side).items()
    )


def _reaches_other_namespaces(spec: Json) -> bool:
    affinity: Json = spec.get("affinity") or {}
    for field in ("podAffinity", "podAntiAffinity"):
        part: Json = affinity.get(field) or {}
        terms: list[Json] = [
            *(part.get("requiredDuringSchedulingIgnoredDuringExecution") or ()),
            *(
                weighted.get("podAffinityTerm") or {}
                for weighted in part.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
            ),
        ]
        if any(term.get("namespaces") or term.get("namespaceSelector") is not None for term in terms):
            return True
    return False


def unspecified(quota_hard: dict[str, str], pod: Json) -> str:
    """What a quota wants every container of a pod to say and some do not: `must specify cpu for: a,b`; else empty."""
    wanted = [name for name in _ASKED_OF_CONTAINERS if name in quota_hard]
    if not wanted:
        return ""
    spec: Json = pod.get("spec") or {}
    missing: dict[str, list[str]] = {}
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        said = {f"limits.{name}" for name in podresources.of_container(container, "limits")}
        for name in podresources.of_container(container, "requests"):
            said |= {name, f"requests.{name}"}
        for name in wanted:
            if name not in said:
                missing.setdefault(name, []).append(container.get("name", ""))
    if not missing:
        return ""
    listed = "; ".join(f"{name} for: {','.join(sorted(missing[name]))}" for name in sorted(missing))
    return f"must specify {listed}"


def printed(amount: Decimal, like: str = "") -> str:
    """An amount as a quantity, in the family of suffixes of `like` or of what it counts."""
    if "memory" in like or "storage" in like or "hugepages" in like:
        return quantity.format_bytes(int(amount)) if amount == int(amount) else quantity.canonical(str(amount))
    return quantity.canonical(format(amount.normalize(), "f"))
