"""pods/binding: the scheduler's word on where a pod runs. Pure.

Source: pkg/registry/core/pod/storage/storage.go (BindingREST).
"""

from __future__ import annotations

from typing import Any

from apimachinery.objects.errors import Conflict, Invalid
from apimachinery.objects.field import FieldError, not_supported, required
from apimachinery.objects.meta import format_time
from engine.apiserver.registry.core.pod_admission import copy_topology_labels
from engine.apiserver.registry.kind import Context

Json = dict[str, Any]


def check(binding: Json) -> None:
    """Raises Invalid."""
    target = binding.get("target") or {}
    errors: list[FieldError] = []
    if target.get("kind") not in (None, "", "Node"):
        errors.append(not_supported("target.kind", target["kind"], ["Node", "<empty>"]))
    if not target.get("name"):
        errors.append(required("target.name", ""))
    if errors:
        raise Invalid.of("Binding", "", binding.get("metadata", {}).get("name", ""), errors)


def bind(pod: Json, binding: Json, context: Context) -> Json:
    """The pod, placed. Raises Conflict when it is placed already, is being deleted or is another pod."""
    metadata, spec = pod["metadata"], pod["spec"]
    name = metadata["name"]
    uid = binding.get("metadata", {}).get("uid")
    if uid and uid != metadata.get("uid"):
        detail = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {metadata.get('uid')}"
        raise Conflict.of("pods", name, detail)
    if "deletionTimestamp" in metadata:
        raise Conflict.of("pods/binding", name, f"pod {name} is being deleted, cannot be assigned to a host")
    if spec.get("nodeName"):
        raise Conflict.of("pods/binding", name, f'pod {name} is already assigned to node "{spec["nodeName"]}"')
    if spec.get("schedulingGates"):
        raise Conflict.of("pods/binding", name, f"pod {name} has non-empty .spec.schedulingGates")
    spec["nodeName"] = binding["target"]["name"]
    asked: Json = binding.get("metadata") or {}
    copy_topology_labels(asked, spec["nodeName"], context)
    for part in ("annotations", "labels"):
        if asked.get(part):
            metadata[part] = {**(metadata.get(part) or {}), **asked[part]}
    _set_scheduled(pod.setdefault("status", {}), context)
    return pod


def _set_scheduled(status: Json, context: Context) -> None:
    conditions = [c for c in status.get("conditions") or () if c.get("type") != "PodScheduled"]
    now = format_time(context.now)
    conditions.append({"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": now})
    status["conditions"] = conditions
