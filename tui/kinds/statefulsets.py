"""StatefulSets."""

from apimachinery.objects.resources import STATEFULSETS
from tui.document import Document
from tui.kinds.lens import ANY_OBJECT, FORWARDING, JSON, Action, Facts, Lens
from tui.kinds.podspec import containers, volumes
from tui.kinds.sections import conditions, events, identity, latest_warning
from tui.kinds.words import general_tone
from tui.kinds.workload import pods_by_selector


def describe(obj: JSON, facts: Facts) -> Document:
    doc = Document()
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    identity(doc, obj, facts)
    doc.heading("Rollout")
    latest_warning(doc, facts)
    wanted, ready, updated = spec.get("replicas", 1), status.get("readyReplicas", 0), status.get("updatedReplicas", 0)
    doc.field("Replicas", f"{wanted} wanted, {status.get('replicas', 0)} there, {updated} up to date, {ready} ready")
    doc.field("Order", "all at once" if spec.get("podManagementPolicy") == "Parallel" else "one after the other")
    strategy = spec.get("updateStrategy") or {}
    partition = (strategy.get("rollingUpdate") or {}).get("partition")
    doc.field(
        "Strategy", (strategy.get("type") or "RollingUpdate") + (f", from number {partition} on" if partition else "")
    )
    doc.field("Service", spec.get("serviceName"))
    doc.pairs("Selector", (spec.get("selector") or {}).get("matchLabels"))
    template = (spec.get("template") or {}).get("spec") or {}
    containers(doc, "Containers of the template", template.get("containers"), None, facts.now)
    volumes(doc, template.get("volumes"))
    for claim in spec.get("volumeClaimTemplates") or ():
        requests = ((claim.get("spec") or {}).get("resources") or {}).get("requests") or {}
        doc.field("Claim", f"{claim['metadata']['name']}, {requests.get('storage', 'any size')} for each pod")
    conditions(doc, status.get("conditions"), facts)
    events(doc, facts)
    return doc


LENS = Lens(
    resource=STATEFULSETS,
    tone=general_tone,
    describe=describe,
    actions=ANY_OBJECT | FORWARDING | {Action.LOGS, Action.SHELL, Action.RESTART, Action.SCALE, Action.IMAGE},
    drill_object=pods_by_selector,
    pod_selector=pods_by_selector,
    enter_word="pods",
)
