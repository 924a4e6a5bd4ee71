"""A node's agent writes its own Node, Lease and pods, and of these only what a machine should say of itself.

Source: plugin/pkg/admission/noderestriction/admission.go.
"""

from __future__ import annotations

from typing import Any

from apimachinery.objects import localpath
from engine.apiserver.authz.nodes import SHARED_LEASES, node_of
from engine.apiserver.guard import Write

Json = dict[str, Any]

_MIRROR = "kubernetes.io/config.mirror"
_OURS = "pilothouse.dev/"
# Labels in Kubernetes' own namespaces that a machine may set on itself (kubelet/pkg/apis/well_known_labels.go).
_OWN_LABELS = frozenset({
    "kubernetes.io/hostname", "kubernetes.io/os", "kubernetes.io/arch",
    "beta.kubernetes.io/os", "beta.kubernetes.io/arch", "beta.kubernetes.io/instance-type",
    "topology.kubernetes.io/zone", "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region",
    "failure-domain.kubernetes.io/zone", "failure-domain.kubernetes.io/region",
    "node.kubernetes.io/instance-type",
})  # fmt: skip
_GROWN = frozenset({"capacity", "conditions", "allocatedResources", "allocatedResourceStatuses"})
_OWN_LABEL_DOMAINS = ("kubelet.kubernetes.io", "node.kubernetes.io")


class NodeRestriction:
    """Raises Forbidden for writes of nodes that are not theirs to make."""

    def check(self, write: Write) -> None:
        node = node_of(write.user)
        if not node:
            return
        match write.kind.plural:
            case "nodes":
                _check_node(write, node)
            case "pods":
                _check_pod(write, node)
            case "leases" if write.name != node and not write.name.startswith(SHARED_LEASES):
                raise write.forbidden("can only access node lease with the same name as the requesting node")
            case "persistentvolumes":
                _check_volume(write, node)
            case "persistentvolumeclaims":
                _check_claim(write, node)
            case "csinodes" if write.name != node:
                raise write.forbidden("can only access CSINode with the same name as the requesting node")
            case "serviceaccounts" if write.subresource == "token":
                _check_token(write, node)
            case _:
                pass


def _check_node(write: Write, node: str) -> None:
    if write.name != node:
        raise write.forbidden(f'node "{node}" is not allowed to modify node "{write.name}"')
    if write.new is None:
        raise write.forbidden(f'node "{node}" is not allowed to delete node "{write.name}"')
    new, old = write.new["metadata"], (write.old or {}).get("metadata", {})
    labels = sorted(key for key in _changed(new, old, "labels") if not _may_set(key))
    if labels:
        verb = "modify labels" if write.old is not None else "set the following labels"
        raise write.forbidden(f'node "{node}" is not allowed to {verb}: {", ".join(labels)}')
    # How the engine reaches a machine is said by whoever let the machine join, not by the machine.
    annotations = sorted(key for key in _changed(new, old, "annotations") if key.startswith(_OURS))
    if annotations:
        raise write.forbidden(f'node "{node}" is not allowed to modify annotations: {", ".join(annotations)}')
    if write.old is None:
        return
    if write.new.get("spec", {}).get("taints") != write.old.get("spec", {}).get("taints"):
        raise write.forbidden(f'node "{node}" is not allowed to modify taints')
    if new.get("ownerReferences") != old.get("ownerReferences"):
        raise write.forbidden(f'node "{node}" is not allowed to modify ownerReferences')


def _changed(new: Json, old: Json, field: str) -> set[str]:
    after, before = new.get(field) or {}, old.get(field) or {}
    return {key for key in after.keys() | before.keys() if after.get(key) != before.get(key)}


def _may_set(label: str) -> bool:
    if label in _OWN_LABELS:
        return True
    domain, slash, _ = label.partition("/")
    if not slash:
        return True
    if any(domain == own or domain.endswith(f".{own}") for own in _OWN_LABEL_DOMAINS):
        return True
    return not any(domain == theirs or domain.endswith(f".{theirs}") for theirs in ("kubernetes.io", "k8s.io"))


def _check_pod(write: Write, node: str) -> None:
    if write.old is None and not write.subresource:
        _check_mirror(write, node, write.new or {})
        return
    pod = write.old or write.context.lookup("", "pods", write.namespace, write.name) or {}
    if pod.get("spec", {}).get("nodeName") == node:
        if write.new is not None and _changed(write.new["metadata"], pod["metadata"], "labels"):
            raise write.forbidden("cannot update labels through pod status")
        return
    if write.new is None:
        raise write.forbidden(f'node "{node}" can only delete pods with spec.nodeName set to itself')
    if write.subresource == "eviction":
        raise write.forbidden(f'node "{node}" can only evict pods with spec.nodeName set to itself')
    raise write.forbidden(f'node "{node}" can only update pod status for pods with spec.nodeName set to itself')  # noqa: S608


def _check_mirror(write: Write, node: str, pod: Json) -> None:
    if _MIRROR not in (pod["metadata"].get("annotations") or {}):
        raise write.forbidden(f'pod does not have "{_MIRROR}" annotation, node "{node}" can only create mirror pods')
    spec = pod.get("spec", {})
    if spec.get("nodeName") != node:
        raise write.forbidden(f'node "{node}" can only create pods with spec.nodeName set to itself')
    if spec.get("serviceAccountName"):
        raise write.forbidden(f'node "{node}" can not create pods that reference a service account')


def _check_volume(write: Write, node: str) -> None:
    """Of a folder on its own disk an agent may say that it was made, and let go of it once it is removed."""
    new, old = write.new, write.old
    if (
        new is None
        or old is None
        or write.subresource
        or old["metadata"].get("labels", {}).get(localpath.MACHINE) != node
    ):
        raise write.forbidden(f'node "{node}" can only update persistentvolumes that are folders of its own')
    if new.get("spec") != old.get("spec") or _changed(new["metadata"], old["metadata"], "labels"):
        raise write.forbidden(f'node "{node}" can only update the mark and the finalizer of its folder')
    lost = set(old["metadata"].get("finalizers") or ()) ^ set(new["metadata"].get("finalizers") or ())
    if lost - {localpath.FINALIZER} or _changed(new["metadata"], old["metadata"], "annotations") - {localpath.MADE}:
        raise write.forbidden(f'node "{node}" can only update the mark and the finalizer of its folder')


def _check_claim(write: Write, node: str) -> None:
    """How far a claim has grown is told by the machine that grows its file system, and nothing else of it."""
    new, old = write.new, write.old
    if new is None or old is None or write.subresource != "status":
        raise write.forbidden(f'node "{node}" can only update status for persistentvolumeclaims')
    if any(_changed(new["metadata"], old["metadata"], field) for field in ("labels", "annotations")):
        raise write.forbidden(f'node "{node}" is not allowed to update fields other than status')
    states = [{key: value for key, value in part.get("status", {}).items() if key not in _GROWN} for part in (new, old)]
    if states[0] != states[1]:
        raise write.forbidden(f'node "{node}" is not allowed to update fields other than status.capacity')


def _check_token(write: Write, node: str) -> None:
    bound = (write.new or {}).get("spec", {}).get("boundObjectRef") or {}
    if bound.get("kind") != "Pod" or bound.get("apiVersion", "v1") != "v1" or not bound.get("name"):
        raise write.forbidden("node requested token not bound to a pod")
    if not bound.get("uid"):
        raise write.forbidden("node requested token with a pod binding without a uid")
    pod = write.context.lookup("", "pods", write.namespace, bound["name"]) or {}
    found = pod.get("metadata", {}).get("uid", "")
    if bound["uid"] != found:
        raise write.forbidden(
            f"the UID in the bound object reference ({bound['uid']}) does not match the UID in record."
            " The object might have been deleted and then recreated"
        )
    if pod.get("spec", {}).get("nodeName") != node:
        raise write.forbidden("node requested token bound to a pod scheduled on a different node")
