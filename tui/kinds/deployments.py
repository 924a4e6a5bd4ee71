"""Deployments."""

from apimachinery.objects.resources import DEPLOYMENTS
from tui.document import Document
from tui.kinds.lens import ANY_OBJECT, FORWARDING, JSON, Action, Facts, Lens
from tui.kinds.podspec import containers, volumes
from tui.kinds.rollout import REVISION, rollout_status
from tui.kinds.sections import conditions, events, identity, latest_warning, meta_of
from tui.kinds.words import general_tone
from tui.kinds.workload import pods_by_selector
from tui.tones import Tone


def describe(obj: JSON, facts: Facts) -> Document:
    doc = Document()
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    identity(doc, obj, facts)
    doc.heading("Rollout")
    state = rollout_status(obj)
    doc.field("Status", state.text, Tone.OK if state.done else Tone.BAD if state.failed else Tone.WARN)
    latest_warning(doc, facts)
    doc.field("Revision", (meta_of(obj).get("annotations") or {}).get(REVISION))
    doc.field(
        "Paused", "yes: changes of the template wait until it is resumed" if spec.get("paused") else None, Tone.WARN
    )
    doc.field("Replicas", replica_words(spec, status))
    doc.field("Strategy", strategy_words(spec))
    doc.pairs("Selector", (spec.get("selector") or {}).get("matchLabels"))
    template = (spec.get("template") or {}).get("spec") or {}
    containers(doc, "Containers of the template", template.get("containers"), None, facts.now)
    volumes(doc, template.get("volumes"))
    conditions(doc, status.get("conditions"), facts)
    events(doc, facts)
    return doc


def replica_words(spec: JSON, status: JSON) -> str:
    counted = {
        "there": status.get("replicas", 0),
        "up to date": status.get("updatedReplicas", 0),
        "ready": status.get("readyReplicas", 0),
        "available": status.get("availableReplicas", 0),
    }
    return ", ".join([f"{spec.get('replicas', 1)} wanted", *(f"{number} {word}" for word, number in counted.items())])


def strategy_words(spec: JSON) -> str:
    strategy = spec.get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return "Recreate: all old pods end before new ones start"
    rolling = strategy.get("rollingUpdate") or {}
    surge, missing = rolling.get("maxSurge", "25%"), rolling.get("maxUnavailable", "25%")
    return f"RollingUpdate: at most {surge} more, {missing} fewer pods than wanted"


LENS = Lens(
    resource=DEPLOYMENTS,
    tone=general_tone,
    describe=describe,
    actions=ANY_OBJECT
    | FORWARDING
    | {Action.LOGS, Action.SHELL, Action.RESTART, Action.SCALE, Action.IMAGE, Action.ROLLOUT},
    drill_object=pods_by_selector,
    pod_selector=pods_by_selector,
    enter_word="pods",
)
