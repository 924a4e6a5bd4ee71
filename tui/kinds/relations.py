"""How objects hang together: who owns whom, what refers to what. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from apimachinery.objects.selectors import from_labels
from tui.document import Document, Line, Span
from tui.kinds.sections import meta_of
from tui.kinds.why.references import references
from tui.kinds.why.surroundings import backends
from tui.tones import Tone

JSON = dict[str, Any]
Name = tuple[str, str]
"""(kind, name), all in one namespace but for Nodes."""


@dataclass(frozen=True, slots=True)
class Branch:
    """One line of the tree and what hangs below it."""

    name: Name
    note: str = ""
    missing: bool = False
    below: tuple["Branch", ...] = ()


def name_of(obj: JSON) -> Name:
    return obj.get("kind", ""), meta_of(obj).get("name", "")


def owner_of(obj: JSON) -> JSON | None:
    """The owner reference that controls it, else the first."""
    owners = meta_of(obj).get("ownerReferences") or []
    return next((owner for owner in owners if owner.get("controller")), owners[0] if owners else None)


def needs(obj: JSON) -> list[Name]:
    """What an object refers to and cannot do without."""
    spec = obj.get("spec") or {}
    match obj.get("kind"):
        case "Pod":
            node = spec.get("nodeName")
            return [*references(obj), *([("Node", node)] if node else [])]
        case "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job":
            return references(spec.get("template") or {})
        case "CronJob":
            return references(((spec.get("jobTemplate") or {}).get("spec") or {}).get("template") or {})
        case "Ingress":
            return [("Service", name) for name in backends(obj)]
        case "HorizontalPodAutoscaler":
            target = spec.get("scaleTargetRef") or {}
            return [(target.get("kind", ""), target.get("name", ""))]
        case _:
            return []


def chosen(service: JSON, pods: Iterable[JSON]) -> list[JSON]:
    """The pods that a Service's selector takes."""
    selector = (service.get("spec") or {}).get("selector")
    if not selector:
        return []
    matcher = from_labels(selector)
    return [pod for pod in pods if matcher.matches(meta_of(pod).get("labels"))]


def below(obj: JSON, others: Sequence[JSON], *, depth: int = 4) -> tuple[Branch, ...]:
    """What it owns, what it selects, what it needs: downwards. `others` is all that was looked at."""
    if depth == 0:
        return ()
    known = {name_of(other) for other in others}
    uid = meta_of(obj).get("uid")
    owned = [
        other
        for other in others
        if uid and any(o.get("uid") == uid for o in meta_of(other).get("ownerReferences") or ())
    ]
    if obj.get("kind") == "Service":
        owned += chosen(obj, [other for other in others if other.get("kind") == "Pod"])
    found = [Branch(name_of(one), state_of(one), below=below(one, others, depth=depth - 1)) for one in owned]
    wanted = [] if owned and obj.get("kind") != "Pod" else needs(obj)
    found += [Branch(name, missing=name[0] != "Node" and name not in known) for name in wanted]
    return tuple(found)


def above(obj: JSON, others: Sequence[JSON], *, depth: int = 4) -> tuple[Branch, ...]:
    """What owns it, selects it or refers to it: upwards."""
    if depth == 0:
        return ()
    name, owner = name_of(obj), owner_of(obj)
    found: list[JSON] = [o for o in others if owner and name_of(o) == (owner.get("kind"), owner.get("name"))]
    for other in others:
        selects = other.get("kind") == "Service" and obj.get("kind") == "Pod" and chosen(other, [obj])
        # A workload's pods refer to what its template does: the workload alone says it once.
        owned = owner_of(other) is not None and other.get("kind") in ("Pod", "ReplicaSet")
        if other not in found and (selects or (name in needs(other) and not owned)):
            found.append(other)
    return tuple(Branch(name_of(one), state_of(one), below=above(one, others, depth=depth - 1)) for one in found)


def state_of(obj: JSON) -> str:
    """A word or two on how it fares."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    if obj.get("kind") == "Pod":
        return status.get("phase", "")
    if "replicas" in spec:
        return f"{status.get('readyReplicas', 0)}/{spec['replicas']} ready"
    return ""


def tree_lines(obj: JSON, upwards: Sequence[Branch] | None, downwards: Sequence[Branch]) -> list[Line]:
    """`upwards` None was not looked for."""
    doc = Document()
    kind, name = name_of(obj)
    doc.heading(f"{kind} {name}", meta_of(obj).get("namespace", ""))
    for title, branches, empty in (
        ("Stands on it", upwards, "nothing owns it, selects it or refers to it"),
        ("It stands on", downwards, "it owns nothing and refers to nothing"),
    ):
        if branches is None:
            continue
        doc.heading(title)
        if not branches:
            doc.text(empty, Tone.FAINT)
        _grow(doc, branches, "")
    return doc.lines


def _grow(doc: Document, branches: Sequence[Branch], lead: str) -> None:
    for number, branch in enumerate(branches):
        last = number == len(branches) - 1
        kind, name = branch.name
        spans: list[Span] = [(f"{lead}{'└ ' if last else '├ '}", Tone.FAINT), (f"{kind} ", Tone.MUTED)]
        spans.append((name, Tone.BAD if branch.missing else Tone.TEXT))
        if branch.missing or branch.note:
            spans.append(
                ("  is missing" if branch.missing else f"  {branch.note}", Tone.BAD if branch.missing else Tone.MUTED)
            )
        doc.spans(spans)
        _grow(doc, branch.below, lead + ("  " if last else "│ "))
