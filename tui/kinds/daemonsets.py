"""DaemonSets."""

from apimachinery.objects.resources import DAEMONSETS
from tui.document import Document
from tui.kinds.lens import ANY_OBJECT, FORWARDING, JSON, Action, Facts, Lens
from tui.kinds.podspec import containers, volumes
from tui.kinds.sections import conditions, events, identity, latest_warning
from tui.kinds.words import general_tone
from tui.kinds.workload import pods_by_selector
from tui.rows import Column, Row
from tui.tones import Tone

_COUNTS = ("Current", "Ready", "Up-to-date", "Available")


def tone(row: Row, column: Column, text: str) -> Tone:
    if column.name in _COUNTS and text.isdigit():
        numbers = [cell for cell in row.cells if isinstance(cell, int) and not isinstance(cell, bool)]
        return Tone.WARN if numbers and int(text) < numbers[0] else Tone.TEXT
    return general_tone(row, column, text)


def describe(obj: JSON, facts: Facts) -> Document:
    doc = Document()
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    identity(doc, obj, facts)
    doc.heading("Rollout")
    latest_warning(doc, facts)
    doc.field("Machines", f"{status.get('desiredNumberScheduled', 0)} wanted, {status.get('numberReady', 0)} ready, "
                          f"{status.get('updatedNumberScheduled', 0)} up to date")  # fmt: skip
    misplaced = status.get("numberMisscheduled")
    doc.field("Misplaced", f"{misplaced} on machines that should have none" if misplaced else None, Tone.WARN)
    doc.field("Strategy", (spec.get("updateStrategy") or {}).get("type") or "RollingUpdate")
    doc.pairs("Selector", (spec.get("selector") or {}).get("matchLabels"))
    template = (spec.get("template") or {}).get("spec") or {}
    doc.pairs("Node selector", template.get("nodeSelector"))
    containers(doc, "Containers of the template", template.get("containers"), None, facts.now)
    volumes(doc, template.get("volumes"))
    conditions(doc, status.get("conditions"), facts)
    events(doc, facts)
    return doc


LENS = Lens(
    resource=DAEMONSETS,
    tone=tone,
    describe=describe,
    actions=ANY_OBJECT | FORWARDING | {Action.LOGS, Action.SHELL, Action.RESTART, Action.IMAGE},
    drill_object=pods_by_selector,
    pod_selector=pods_by_selector,
    enter_word="pods",
)
