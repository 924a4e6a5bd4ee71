"""ReplicaSets."""

from apimachinery.objects.resources import REPLICASETS
from tui.document import Document
from tui.kinds.lens import ANY_OBJECT, FORWARDING, JSON, Action, Facts, Lens
from tui.kinds.podspec import containers, volumes
from tui.kinds.sections import conditions, events, identity
from tui.kinds.words import general_tone
from tui.kinds.workload import pods_by_selector
from tui.rows import Column, Row
from tui.tones import Tone


def tone(row: Row, column: Column, text: str) -> Tone:
    names = {"Desired": 0, "Current": 1, "Ready": 2}
    numbers = [cell for cell in row.cells if isinstance(cell, int) and not isinstance(cell, bool)][:3]
    if column.name in names and len(numbers) == len(names):
        desired, ready = numbers[0], numbers[2]
        if desired == 0:
            return Tone.FAINT
        return Tone.WARN if column.name == "Ready" and ready < desired else Tone.TEXT
    if numbers and numbers[0] == 0:
        return Tone.MUTED
    return general_tone(row, column, text)


def describe(obj: JSON, facts: Facts) -> Document:
    doc = Document()
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    identity(doc, obj, facts)
    doc.heading("Status")
    doc.field("Replicas", f"{spec.get('replicas', 1)} wanted, {status.get('replicas', 0)} there, "
                          f"{status.get('readyReplicas', 0)} ready")  # fmt: skip
    doc.pairs("Selector", (spec.get("selector") or {}).get("matchLabels"))
    template = (spec.get("template") or {}).get("spec") or {}
    containers(doc, "Containers of the template", template.get("containers"), None, facts.now)
    volumes(doc, template.get("volumes"))
    conditions(doc, status.get("conditions"), facts)
    events(doc, facts)
    return doc


LENS = Lens(
    resource=REPLICASETS,
    tone=tone,
    describe=describe,
    actions=ANY_OBJECT | FORWARDING | {Action.LOGS, Action.SCALE},
    drill_object=pods_by_selector,
    pod_selector=pods_by_selector,
    enter_word="pods",
)
