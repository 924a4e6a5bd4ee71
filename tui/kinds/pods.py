"""Pods."""

from apimachinery.objects.resources import PODS
from tui.document import Document
from tui.kinds.lens import ANY_OBJECT, FORWARDING, JSON, Action, Facts, Lens
from tui.kinds.podspec import containers, volumes
from tui.kinds.sections import conditions, events, identity, latest_warning
from tui.kinds.words import general_tone, ready_tone, status_tone
from tui.rows import Column, Row
from tui.target import Target, View
from tui.tones import Tone


def tone(row: Row, column: Column, text: str) -> Tone:
    match column.name:
        case "Ready":
            # "0/1 Completed" is how a finished pod looks: nothing is missing there.
            return Tone.MUTED if any(cell in ("Completed", "Succeeded") for cell in row.cells[:5]) else ready_tone(text)
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
    word = status_word(obj)
    doc.field("Status", word, status_tone(word))
    doc.field("Message", status.get("message"), Tone.WARN)
    latest_warning(doc, facts)
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


def status_word(pod: JSON) -> str:
    """One word for how it fares: what a container waits for or ended with says more than the phase."""
    status = pod.get("status") or {}
    if (pod.get("metadata") or {}).get("deletionTimestamp"):
        return "Terminating"
    for group, prefix in (("initContainerStatuses", "Init:"), ("containerStatuses", "")):
        for one in status.get(group) or ():
            state = one.get("state") or {}
            ended = state.get("terminated") or {}
            reason = (state.get("waiting") or {}).get("reason") or (
                ended.get("reason") if ended.get("exitCode") else ""
            )
            if reason and reason != "PodInitializing":
                return f"{prefix}{reason}"
    return status.get("reason") or status.get("phase") or "Unknown"


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
    actions=ANY_OBJECT
    | FORWARDING
    | {
        Action.LOGS,
        Action.PREVIOUS,
        Action.SHELL,
        Action.NODE,
        Action.ATTACH,
        Action.DEBUG,
        Action.TRANSFER,
        Action.SANITIZE,
    },
    drill=drill,
    enter_word="containers",
    preferred=frozenset({"CPU", "MEM", "%MEM/L", "Node"}),
    measured=True,
)
