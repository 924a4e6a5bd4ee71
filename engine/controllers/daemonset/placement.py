"""Where daemon pods belong, and what each carries so that the scheduler puts it there."""

from typing import Any, Literal

import msgspec

from apimachinery.objects.nodeselection import selects_node
from apimachinery.objects.resources import DAEMONSETS
from apimachinery.objects.taints import Toleration, first_untolerated
from engine.controllers.actions import Json
from engine.controllers.daemonset.views import DaemonSet
from engine.controllers.history import HASH_LABEL
from engine.controllers.podtemplate import pod_of
from engine.controllers.views import Node, Pod

TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
TEMPLATE_GENERATION_LABEL = "pod-template-generation"

Place = Literal["run", "stay", "no"]
"""Should run there; may stay if it runs there already; must not be there."""

_AUTOMATIC = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)
_OF_HOST_NETWORK = ("node.kubernetes.io/network-unavailable", "NoSchedule")


def place(spec: Json, node: Node) -> Place:
    """`spec`: of the template."""
    meta = node.metadata
    if spec.get("nodeName") not in (None, "", meta.name) or not selects_node(spec, meta.labels, meta.name):
        return "no"
    tolerations = msgspec.convert(tolerations_of(spec), tuple[Toleration, ...])
    if first_untolerated(node.spec.taints, tolerations, ("NoSchedule", "NoExecute")) is None:
        return "run"
    return "stay" if first_untolerated(node.spec.taints, tolerations, ("NoExecute",)) is None else "no"


def tolerations_of(spec: Json) -> list[Json]:
    """The template's tolerations with those that every daemon pod has."""
    wanted = [*_AUTOMATIC, _OF_HOST_NETWORK] if spec.get("hostNetwork") else list(_AUTOMATIC)
    automatic = [{"key": key, "operator": "Exists", "effect": effect} for key, effect in wanted]
    own: list[Any] = list(spec.get("tolerations") or ())
    return [*own, *(toleration for toleration in automatic if toleration not in own)]


def daemon_pod(daemon_set: DaemonSet, template: Json, digest: str, node_name: str) -> Json:
    """The pod for one machine, bound to it by a node affinity that replaces the template's own."""
    pod = pod_of(template, DAEMONSETS, daemon_set)
    pod["metadata"]["generateName"] = f"{daemon_set.metadata.name}-"
    pod["metadata"]["labels"][HASH_LABEL] = digest
    generation = daemon_set.metadata.annotations.get(TEMPLATE_GENERATION)
    if generation is not None:
        pod["metadata"]["labels"][TEMPLATE_GENERATION_LABEL] = generation
    affinity: Json = dict(template["spec"].get("affinity") or {})
    on_node = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node_name]}]}
    affinity["nodeAffinity"] = {
        **(affinity.get("nodeAffinity") or {}),
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [on_node]},
    }
    pod["spec"] = {**template["spec"], "affinity": affinity, "tolerations": tolerations_of(template["spec"])}
    return pod


def target_of(pod: Pod) -> str:
    """The machine that a daemon pod runs on or is meant for; empty where nothing says so."""
    if pod.spec.node_name or pod.spec.affinity is None or pod.spec.affinity.node_affinity is None:
        return pod.spec.node_name
    required = pod.spec.affinity.node_affinity.required
    for term in required.node_selector_terms if required is not None else ():
        for expression in term.get("matchFields") or ():
            values = expression.get("values") or ()
            if expression.get("key") == "metadata.name" and expression.get("operator") == "In" and len(values) == 1:
                return values[0]
    return ""
