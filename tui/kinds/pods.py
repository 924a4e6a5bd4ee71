"""Pods."""

from apimachinery.objects.resources import PODS
from tui.document import Document
from tui.kinds.lens import ANY_OBJECT, JSON, Action, Facts, Lens
from tui.kinds.podspec import containers, volumes
from tui.kinds.sections import conditions, events, identity
from tui.kinds.words import general_tone, ready_tone, status_tone
from tui.rows import Column, Row
from tui.target import Target, View
from tui.tones import Tone


def tone(row: Row, column: Column, text: str) -> Tone:
    match column.name:
        case "Ready":
            # "0/1 Completed" is how a finished pod looks: nothing is missing there.
            return Tone.MUTED if any(cell in ("Completed", "Succeeded") for cell in row.cells[:4]) else ready_tone(text)
        case "Restarts":
            return Tone.MUTED if text == "0" else Tone.WARN
        case "IP" | "Node":
            return Tone.MUTED
        case _:
            return general_tone(row, column, text)


def drill(row: Row) -> Target:
    return Target(resource=PODS, view=View.CONTAINERS, namespace=row.namespace, name=row.name, title=row.name)


def describe(obj: JSON, facts: Facts) -> Document:
    doc = Document()
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    identity(doc, obj, facts)
    doc.heading("Status")
    phase = status.get("reason") or status.get("phase") or "Unknown"
    doc.field("Phase", phase, status_tone(phase))
    doc.field("Message", status.get("message"), Tone.WARN)
    doc.field("Node", f"{spec.get('nodeName') or '<none>'}" + _beside(status.get("hostIP")))
    doc.field("IP", ", ".join(entry["ip"] for entry in status.get("podIPs") or ()) or status.get("podIP"))
    doc.field("QoS class", status.get("qosClass"))
    doc.field("Service account", spec.get("serviceAccountName"))
    doc.field("Restart policy", spec.get("restartPolicy"))
    doc.field("Priority", spec.get("priorityClassName"))
    containers(doc, "Init containers", spec.get("initContainers"), status.get("initContainerStatuses"), facts.now)
    containers(doc, "Containers", spec.get("containers"), status.get("containerStatuses"), facts.now)
    containers(
        doc, "Debug containers", spec.get("ephemeralContainers"), status.get("ephemeralContainerStatuses"), facts.now
    )
    volumes(doc, spec.get("volumes"))
    _placement(doc, spec)
    conditions(doc, status.get("conditions"), facts)
    events(doc, facts)
    return doc


def _beside(address: str | None) -> str:
    return f"  ({address})" if address else ""


def _placement(doc: Document, spec: JSON) -> None:
    tolerations = [
        t for t in spec.get("tolerations") or () if not str(t.get("key", "")).startswith("node.kubernetes.io/")
    ]
    if not spec.get("nodeSelector") and not tolerations:
        return
    doc.heading("Placement")
    doc.pairs("Node selector", spec.get("nodeSelector"))
    for index, toleration in enumerate(tolerations):
        words = f"{toleration.get('key', '*')}{'=' + toleration['value'] if toleration.get('value') else ''}"
        doc.field("Tolerates" if index == 0 else " ", f"{words}:{toleration.get('effect', 'any effect')}")


LENS = Lens(
    resource=PODS,
    tone=tone,
    describe=describe,
    actions=ANY_OBJECT | {Action.LOGS, Action.PREVIOUS, Action.SHELL},
    drill=drill,
    enter_word="containers",
)
