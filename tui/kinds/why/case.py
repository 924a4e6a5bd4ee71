"""What a rule may look at, and what it finds. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from apimachinery.objects.meta import parse_time

JSON = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One object and what was found around it.

    `related` maps `Kind/name` to the object, or to None where the server said that there is none; what is not in it
    was not looked at. `logs` are the last lines of containers, by name.
    """

    obj: JSON
    now: float
    events: tuple[JSON, ...] = ()
    pods: tuple[JSON, ...] | None = None
    related: Mapping[str, JSON | None] = field(default_factory=dict[str, JSON | None])
    logs: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    @property
    def kind(self) -> str:
        return self.obj.get("kind", "")

    @property
    def meta(self) -> JSON:
        return self.obj.get("metadata") or {}

    @property
    def spec(self) -> JSON:
        return self.obj.get("spec") or {}

    @property
    def status(self) -> JSON:
        return self.obj.get("status") or {}

    @property
    def name(self) -> str:
        return self.meta.get("name", "")

    @property
    def namespace(self) -> str:
        return self.meta.get("namespace", "")

    @property
    def in_namespace(self) -> str:
        """As kubectl takes it, with a space before; empty for what has no namespace."""
        return f" -n {self.namespace}" if self.namespace else ""

    def condition(self, kind: str) -> JSON:
        return next((c for c in self.status.get("conditions") or () if c.get("type") == kind), {})

    def missing(self, kind: str, name: str) -> bool:
        """Looked for and not there."""
        return self.related.get(f"{kind}/{name}", {}) is None

    def containers(self) -> Iterator[tuple[JSON, JSON]]:
        """(spec, status) of every container that has a status, init containers first."""
        for specs, statuses in (("initContainers", "initContainerStatuses"), ("containers", "containerStatuses")):
            known = {one["name"]: one for one in self.spec.get(specs) or ()}
            for status in self.status.get(statuses) or ():
                yield known.get(status["name"], {}), status

    def age(self, stamp: str | None) -> float:
        """Seconds since; 0 for no stamp."""
        return self.now - parse_time(stamp).timestamp() if stamp else 0.0

    def about(self, pod: JSON, events: tuple[JSON, ...]) -> "Case":
        """The same surroundings, seen from one of its pods."""
        return replace(self, obj=pod, events=events, pods=None, logs={})


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`verdict` is one plain sentence; `step` says what to do, `key` does it here, `command` on a command line."""

    rule: str
    verdict: str
    evidence: tuple[str, ...] = ()
    step: str = ""
    key: str = ""
    command: str = ""


Check = Callable[[Case], Iterator[Finding]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One entry of the table. A `general` rule keeps silent where another had something to say."""

    name: str
    kinds: frozenset[str]
    check: Check
    general: bool = False


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do next. Braces name parts of the text that was matched, and `name`, `ns`, `container`."""

    step: str
    key: str = ""
    command: str = ""


def finding(case: Case, rule: str, verdict: str, advice: Advice, *evidence: str, **words: str) -> Finding:
    """Fill in the words."""
    known = {
        "name": case.name,
        "ns": case.in_namespace,
        "kind": case.kind.lower(),
        "node": case.spec.get("nodeName", ""),
    }
    known |= words

    def said(text: str) -> str:
        for key, value in known.items():
            text = text.replace("{" + key + "}", value)
        return text

    return Finding(
        rule=rule,
        verdict=said(verdict),
        evidence=tuple(" ".join(line.split()) for line in evidence if line),
        step=said(advice.step),
        key=advice.key,
        command=said(advice.command),
    )


def only(*kinds: str) -> frozenset[str]:
    return frozenset(kinds)
