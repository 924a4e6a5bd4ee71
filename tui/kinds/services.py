"""Services."""

from apimachinery.objects.resources import SERVICES
from tui.document import Document
from tui.kinds.lens import ANY_OBJECT, FORWARDING, JSON, Action, Facts, Lens
from tui.kinds.sections import events, identity
from tui.kinds.words import general_tone
from tui.kinds.workload import pods_by_labels
from tui.rows import Column, Row
from tui.tones import Tone


def tone(row: Row, column: Column, text: str) -> Tone:
    # A service's type is what it is, not how it fares.
    return Tone.TEXT if column.name == "Type" else general_tone(row, column, text)


def describe(obj: JSON, facts: Facts) -> Document:
    doc = Document()
    spec = obj.get("spec") or {}
    identity(doc, obj, facts)
    doc.heading("Service")
    doc.field("Type", spec.get("type", "ClusterIP"))
    doc.field("Cluster IP", ", ".join(spec.get("clusterIPs") or ()) or spec.get("clusterIP"))
    doc.field("External name", spec.get("externalName"))
    doc.field("External IPs", ", ".join(spec.get("externalIPs") or ()))
    doc.field("Affinity", spec.get("sessionAffinity") if spec.get("sessionAffinity") != "None" else None)
    doc.pairs("Selector", spec.get("selector"))
    if spec.get("ports"):
        doc.heading("Ports")
        doc.table(
            ("NAME", "PORT", "TARGET", "NODE PORT"),
            [
                (
                    port.get("name", ""),
                    f"{port['port']}/{port.get('protocol', 'TCP')}",
                    str(port.get("targetPort", "")),
                    str(port.get("nodePort", "")),
                )
                for port in spec["ports"]
            ],
        )
    events(doc, facts)
    return doc


LENS = Lens(
    resource=SERVICES,
    tone=tone,
    describe=describe,
    actions=ANY_OBJECT | FORWARDING | {Action.LOGS},
    drill_object=pods_by_labels,
    pod_selector=pods_by_labels,
    enter_word="pods",
)
