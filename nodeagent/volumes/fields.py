"""The downward API: what a pod may ask about itself, as text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING

from apimachinery.objects import quantity
from nodeagent.volumes.view import ObjectFieldSelector, ResourceFieldSelector

_SUBSCRIPT = re.compile(r"^metadata\.(labels|annotations)\['(.*)'\]$")


class FieldError(Exception):
    """A field path or resource that the downward API does not offer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodFacts:
    """`resources` holds, for each container, ``limits.cpu`` and its like; `allocatable` stands in for absent limits."""

    name: str
    namespace: str
    uid: str
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])
    node_name: str = ""
    service_account_name: str = ""
    fs_group: int | None = None
    pod_ips: tuple[str, ...] = ()
    host_ips: tuple[str, ...] = ()
    resources: Mapping[str, Mapping[str, str | int | float]] = field(
        default_factory=dict[str, Mapping[str, str | int | float]]
    )
    allocatable: Mapping[str, str | int | float] = field(default_factory=dict[str, str | int | float])


def field_text(pod: PodFacts, selector: ObjectFieldSelector) -> str:
    """The value of a fieldRef. Raises FieldError."""
    path = selector.field_path
    subscript = _SUBSCRIPT.match(path)
    if subscript:
        where = pod.labels if subscript[1] == "labels" else pod.annotations
        return where.get(subscript[2], "")
    plain = _PLAIN_FIELDS.get(path)
    if plain is None:
        raise FieldError(f"unsupported fieldPath: {path}")
    return plain(pod)


def resource_text(pod: PodFacts, selector: ResourceFieldSelector, container: str) -> str:
    """The value of a resourceFieldRef, in units of its divisor, rounded up. Raises FieldError."""
    owner = selector.container_name or container
    amounts = pod.resources.get(owner)
    if amounts is None:
        raise FieldError(f"container {owner} not found")
    kind, _, name = selector.resource.partition(".")
    if kind not in ("limits", "requests") or name not in ("cpu", "memory", "ephemeral-storage"):
        raise FieldError(f"unsupported container resource: {selector.resource}")
    amount = amounts.get(selector.resource)
    if amount is None:
        amount = pod.allocatable.get(name, 0) if kind == "limits" else amounts.get(f"limits.{name}", 0)
    divisor = quantity.parse(selector.divisor) or quantity.parse("1")
    return str(int((quantity.parse(amount) / divisor).to_integral_value(rounding=ROUND_CEILING)))


def _map_text(pairs: Mapping[str, str]) -> str:
    """Lines of key="value" with Go's quoting, in order of the keys."""
    return "\n".join(f"{key}={_quoted(value)}" for key, value in sorted(pairs.items()))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


_PLAIN_FIELDS: Mapping[str, Callable[[PodFacts], str]] = {
    "metadata.name": lambda pod: pod.name,
    "metadata.namespace": lambda pod: pod.namespace,
    "metadata.uid": lambda pod: pod.uid,
    "metadata.labels": lambda pod: _map_text(pod.labels),
    "metadata.annotations": lambda pod: _map_text(pod.annotations),
    "spec.nodeName": lambda pod: pod.node_name,
    "spec.serviceAccountName": lambda pod: pod.service_account_name,
    "status.podIP": lambda pod: pod.pod_ips[0] if pod.pod_ips else "",
    "status.podIPs": lambda pod: ",".join(pod.pod_ips),
    "status.hostIP": lambda pod: pod.host_ips[0] if pod.host_ips else "",
    "status.hostIPs": lambda pod: ",".join(pod.host_ips),
}
