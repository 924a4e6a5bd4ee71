"""What becomes of everything when machines are lost, or drained. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from apimachinery.objects.selectors import from_label_selector
from tui.kinds.draining import MIRROR
from tui.kinds.whatif.fitting import ENDED, JSON, Machine, machine_of, place, reaches, unjudged

SERVICE_OF_SLICE = "kubernetes.io/service-name"


class How(StrEnum):
    LOST = "lost"
    DRAINED = "drained"


class Fate(StrEnum):
    LOST = "lost for good"
    STUCK = "fits nowhere"
    WAITS = "waits"
    MOVES = "moves"
    WITH_IT = "belongs to the machine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """`unread` names kinds that could not be read: nothing is said about them."""

    nodes: Sequence[JSON]
    pods: Sequence[JSON]
    budgets: Sequence[JSON] = ()
    services: Sequence[JSON] = ()
    slices: Sequence[JSON] = ()
    claims: Sequence[JSON] = ()
    volumes: Sequence[JSON] = ()
    unread: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Going:
    """One pod of the machines that go: where its successor fits, or why nowhere."""

    namespace: str
    name: str
    fate: Fate
    to: str = ""
    why: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class ServiceLoss:
    namespace: str
    name: str
    lost: int
    ready: int

    @property
    def whole(self) -> bool:
        return self.lost == self.ready


@dataclass(frozen=True, slots=True)
class BudgetStrain:
    namespace: str
    name: str
    leaving: int
    allowed: int
    healthy: int
    desired: int


@dataclass(frozen=True, slots=True)
class BoundVolume:
    name: str
    claim: str
    users: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    going: Sequence[Going]
    services: Sequence[ServiceLoss]
    budgets: Sequence[BudgetStrain]
    volumes: Sequence[BoundVolume]
    before: Mapping[str, Machine] = field(default_factory=dict[str, Machine])
    after: Mapping[str, Machine] = field(default_factory=dict[str, Machine])


def outcome(seen: Observed, names: frozenset[str], how: How) -> Outcome:
    """Of losing or draining the machines of these names, all at once."""
    on: dict[str, list[JSON]] = {}
    for pod in seen.pods:
        on.setdefault((pod.get("spec") or {}).get("nodeName", ""), []).append(pod)
    staying = [node for node in seen.nodes if node["metadata"]["name"] not in names]
    before = {node["metadata"]["name"]: machine_of(node, on.get(node["metadata"]["name"], ())) for node in staying}
    after = {node["metadata"]["name"]: machine_of(node, on.get(node["metadata"]["name"], ())) for node in staying}
    leaving = [pod for name in sorted(names) for pod in on.get(name, ()) if not _ended(pod)]
    # As a scheduler takes them: the more important first, then the older.
    leaving.sort(key=lambda pod: (-(pod["spec"].get("priority") or 0), pod["metadata"].get("creationTimestamp") or ""))
    going = [_going(pod, seen, after, how) for pod in leaving]
    asked = [pod for pod, one in zip(leaving, going, strict=True) if how is How.LOST or one.fate is not Fate.WITH_IT]
    order = list(Fate)
    return Outcome(
        going=sorted(going, key=lambda one: (order.index(one.fate), one.namespace, one.name)),
        services=_services(seen, names),
        budgets=_budgets(seen, asked),
        volumes=_volumes(seen, names, staying),
        before=before,
        after=after,
    )


def _ended(pod: JSON) -> bool:
    return (pod.get("status") or {}).get("phase") in ENDED


def _going(pod: JSON, seen: Observed, machines: Mapping[str, Machine], how: How) -> Going:
    meta, spec = pod["metadata"], pod["spec"]
    namespace, name = meta.get("namespace", ""), meta["name"]
    controller = next((one for one in meta.get("ownerReferences") or () if one.get("controller")), None)
    kind = (controller or {}).get("kind", "")
    if MIRROR in (meta.get("annotations") or {}) or kind == "DaemonSet":
        stays = "stays on it" if how is How.DRAINED else "goes with it"
        return Going(namespace, name, Fate.WITH_IT, note=f"{kind or 'static pod'}: {stays}")
    if controller is None:
        return Going(namespace, name, Fate.LOST, note="nothing makes it again elsewhere")
    # What its successor asks for is what it asks for; a volume that was bound to it stays bound.
    target, why = place(spec, machines.values(), _volumes_of(pod, seen))
    notes = [f"not judged: {', '.join(left)}"] if (left := unjudged(spec)) else []
    local = [volume["name"] for volume in spec.get("volumes") or () if "emptyDir" in volume]
    if local:
        notes.append(f"loses the contents of {', '.join(local)}")
    if target is None:
        return Going(namespace, name, Fate.STUCK, why=why, note="; ".join(notes))
    if kind == "StatefulSet" and how is How.LOST:
        notes.insert(0, "not before the old one is known to have ended: the machine is back, or its Node deleted")
        return Going(namespace, name, Fate.WAITS, to=target.name, note="; ".join(notes))
    return Going(namespace, name, Fate.MOVES, to=target.name, note="; ".join(notes))


def _claims_of(pod: JSON) -> list[str]:
    name = pod["metadata"]["name"]
    found: list[str] = []
    for volume in pod["spec"].get("volumes") or ():
        if claim := (volume.get("persistentVolumeClaim") or {}).get("claimName"):
            found.append(claim)
        elif "ephemeral" in volume:
            found.append(f"{name}-{volume['name']}")
    return found


def _volumes_of(pod: JSON, seen: Observed) -> list[JSON]:
    """The volumes behind a pod's claims; those of ephemeral claims go with the pod and bind nothing."""
    namespace = pod["metadata"].get("namespace", "")
    named = {
        (volume.get("persistentVolumeClaim") or {}).get("claimName")
        for volume in pod["spec"].get("volumes") or ()
        if "persistentVolumeClaim" in volume
    }
    bound = {
        (claim.get("spec") or {}).get("volumeName")
        for claim in seen.claims
        if claim["metadata"].get("namespace", "") == namespace and claim["metadata"]["name"] in named
    }
    return [volume for volume in seen.volumes if volume["metadata"]["name"] in bound]


def _services(seen: Observed, names: frozenset[str]) -> list[ServiceLoss]:
    """Those with ready endpoints on the machines, the ones that lose all of them first."""
    ready: dict[tuple[str, str], dict[str, bool]] = {}
    for one in seen.slices:
        meta = one["metadata"]
        service = (meta.get("labels") or {}).get(SERVICE_OF_SLICE)
        if not service:
            continue
        counted = ready.setdefault((meta.get("namespace", ""), service), {})
        for endpoint in one.get("endpoints") or ():
            if (endpoint.get("conditions") or {}).get("ready", True) is not False:
                # Slices of two address families name a pod twice.
                target = endpoint.get("targetRef") or {}
                counted[target.get("uid") or target.get("name") or ",".join(endpoint.get("addresses") or ())] = (
                    endpoint.get("nodeName") in names
                )
    known = {(one["metadata"].get("namespace", ""), one["metadata"]["name"]) for one in seen.services}
    losses = [
        ServiceLoss(namespace, name, sum(counted.values()), len(counted))
        for (namespace, name), counted in ready.items()
        if any(counted.values()) and (not known or (namespace, name) in known)
    ]
    return sorted(losses, key=lambda one: (not one.whole, one.namespace, one.name))


def _budgets(seen: Observed, leaving: Sequence[JSON]) -> list[BudgetStrain]:
    """Budgets that would not let all of these go at once."""
    found: list[BudgetStrain] = []
    for budget in seen.budgets:
        meta, status = budget["metadata"], budget.get("status") or {}
        selector = from_label_selector((budget.get("spec") or {}).get("selector"))
        count = sum(
            pod["metadata"].get("namespace", "") == meta.get("namespace", "")
            and selector.matches(pod["metadata"].get("labels"))
            for pod in leaving
        )
        allowed = status.get("disruptionsAllowed", 0)
        if count > allowed:
            found.append(
                BudgetStrain(
                    meta.get("namespace", ""), meta["name"], count, allowed,
                    status.get("currentHealthy", 0), status.get("desiredHealthy", 0),
                )
            )  # fmt: skip
    return sorted(found, key=lambda one: (one.allowed, one.namespace, one.name))


def _volumes(seen: Observed, names: frozenset[str], staying: Sequence[JSON]) -> list[BoundVolume]:
    """Those that can be used on the machines that go, and on no other."""
    going = [node for node in seen.nodes if node["metadata"]["name"] in names]
    users: dict[tuple[str, str], list[str]] = {}
    for pod in seen.pods:
        for claim in [] if _ended(pod) else _claims_of(pod):
            users.setdefault((pod["metadata"].get("namespace", ""), claim), []).append(pod["metadata"]["name"])
    found: list[BoundVolume] = []
    for volume in seen.volumes:
        if not any(_reaches(volume, node) for node in going) or any(_reaches(volume, node) for node in staying):
            continue
        claim = (volume.get("spec") or {}).get("claimRef") or {}
        key = (claim.get("namespace", ""), claim.get("name", ""))
        found.append(
            BoundVolume(volume["metadata"]["name"], "/".join(key) if key[1] else "", tuple(users.get(key, ())))
        )
    return sorted(found, key=lambda one: (not one.users, one.claim, one.name))


def _reaches(volume: JSON, node: JSON) -> bool:
    return reaches(volume, node["metadata"].get("labels") or {}, node["metadata"]["name"])
