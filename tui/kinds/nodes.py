"""Nodes."""

from apimachinery.objects.resources import NODES, PODS
from tui.document import Document
from tui.kinds.lens import ANY_OBJECT, JSON, Action, Facts, Lens
from tui.kinds.sections import conditions, events, identity, latest_warning
from tui.kinds.words import general_tone
from tui.rows import Row
from tui.target import Target


def drill(row: Row) -> Target:
    return Target(resource=PODS, field_selector=f"spec.nodeName={row.name}", title=row.name)


def describe(obj: JSON, facts: Facts) -> Document:
    doc = Document()
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    identity(doc, obj, facts)
    doc.heading("Machine")
    latest_warning(doc, facts)
    for address in status.get("addresses") or ():
        doc.field(address["type"], address["address"])
    info = status.get("nodeInfo") or {}
    doc.field(
        "System", f"{info.get('osImage', '')}, kernel {info.get('kernelVersion', '')}, {info.get('architecture', '')}"
    )
    doc.field("Runtime", info.get("containerRuntimeVersion"))
    doc.field("Agent", info.get("kubeletVersion"))
    doc.field("Pod addresses", spec.get("podCIDR"))
    doc.field("Scheduling", "off (cordoned)" if spec.get("unschedulable") else "on")
    for index, taint in enumerate(spec.get("taints") or ()):
        words = f"{taint['key']}{'=' + taint['value'] if taint.get('value') else ''}:{taint['effect']}"
        doc.field("Taints" if index == 0 else " ", words)
    capacity, allocatable = status.get("capacity") or {}, status.get("allocatable") or {}
    if capacity:
        doc.heading("Capacity")
        doc.table(
            ("RESOURCE", "CAPACITY", "FOR PODS"),
            [(name, str(value), str(allocatable.get(name, ""))) for name, value in capacity.items()],
        )
    conditions(doc, status.get("conditions"), facts, bad_when_true=True)
    events(doc, facts)
    return doc


LENS = Lens(
    resource=NODES,
    tone=general_tone,
    describe=describe,
    actions=ANY_OBJECT | {Action.CORDON, Action.DRAIN, Action.WHATIF, Action.MACHINE, Action.SHELL},
    drill=drill,
    enter_word="pods",
    preferred=frozenset({"CPU", "%CPU", "MEM", "%MEM"}),
    measured=True,
)
