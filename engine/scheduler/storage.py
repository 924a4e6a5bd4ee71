"""Claims and volumes of pods: which machines they allow, and what must be bound or made once one is chosen.

Semantics and texts: pkg/scheduler/framework/plugins/{volumebinding,volumerestrictions,volumezone,nodevolumelimits}.
With the volume controller there is no contract but the fields: a PersistentVolume's `claimRef` that we set binds it to
the claim; the annotation `volume.kubernetes.io/selected-node` on a claim asks for a volume that this machine can use.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from apimachinery.objects import quantity
from apimachinery.objects.meta import key
from apimachinery.objects.selectors import from_label_selector
from engine.scheduler.filters import Refusal
from engine.scheduler.machine import Machine
from engine.scheduler.shape import ClaimUse, Shape
from engine.scheduler.snapshot import Snapshot
from engine.scheduler.terms import node_terms
from engine.scheduler.views import Claim, CsiNode, PersistentVolume, StorageClass, VolumeNodes

SELECTED_NODE = "volume.kubernetes.io/selected-node"
BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
NO_PROVISIONER = "kubernetes.io/no-provisioner"
UNBOUND_IMMEDIATE = "pod has unbound immediate PersistentVolumeClaims"
_ZONES = (
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
)
_NOW_CALLED = {
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
}

NODE_CONFLICT = Refusal(("node(s) didn't match PersistentVolume's node affinity",), plugin="VolumeBinding")
BIND_CONFLICT = Refusal(("node(s) didn't find available persistent volumes to bind",), plugin="VolumeBinding")
VOLUME_MISSING = Refusal(
    ("node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)",), plugin="VolumeBinding"
)
ZONE_CONFLICT = Refusal(("node(s) had no available volume zone",), plugin="VolumeZone")
TOO_MANY = Refusal(("node(s) exceed max volume count",), curable=True, plugin="NodeVolumeLimits")
ONLY_ONE_POD = Refusal(
    ("node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode",),
    curable=True,
    plugin="VolumeRestrictions",
)


@dataclass(frozen=True, slots=True)
class VolumePlan:
    """What must be written before the pod is bound: volumes for claims, and claims to be provided for on the machine.

    `claims`: all that must be bound before the pod may go, by key.
    """

    bindings: tuple[tuple[str, str], ...] = ()
    provisions: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        return not self.bindings and not self.provisions


@dataclass(slots=True)
class Storage:
    """What the API knows of volumes, and what we have promised but it does not show yet."""

    claims: dict[str, Claim] = field(default_factory=dict[str, Claim])
    volumes: dict[str, PersistentVolume] = field(default_factory=dict[str, PersistentVolume])
    classes: dict[str, StorageClass] = field(default_factory=dict[str, StorageClass])
    machines: dict[str, CsiNode] = field(default_factory=dict[str, CsiNode])
    promised_volumes: dict[str, str] = field(default_factory=dict[str, str])
    """By volume the claim that is to get it."""
    promised_machines: dict[str, str] = field(default_factory=dict[str, str])
    """By claim the machine that its volume is to be made for."""

    def obstacle(self, shape: Shape) -> Refusal | None:
        """Why no machine at all will do: claims that are not there, or not bound though they should be by now."""
        for use in shape.claims:
            claim = self.claims.get(use.key)
            if claim is None:
                missing = f'persistentvolumeclaim "{use.name}" not found'
                if use.pod:
                    missing = (
                        f'waiting for ephemeral volume controller to create the persistentvolumeclaim "{use.name}"'
                    )
                return _nowhere(missing)
            if claim.status.phase == "Lost":
                volume = claim.spec.volume_name
                return _nowhere(f'persistentvolumeclaim "{use.name}" bound to non-existent persistentvolume "{volume}"')
            if claim.metadata.deletion_timestamp is not None:
                return _nowhere(f'persistentvolumeclaim "{use.name}" is being deleted')
            if use.pod and not _belongs(claim, use):
                namespace = claim.metadata.namespace
                who = f"{namespace}/{use.name} was not created for pod {namespace}/{use.pod}"
                return _nowhere(f"PVC {who} (pod is not owner)")
        if any(not _bound(claim) and not self._waits(claim) for claim in self._claims(shape)):
            return _nowhere(UNBOUND_IMMEDIATE)
        return None

    def refusal(
        self,
        snapshot: Snapshot,
        shape: Shape,
        machine: Machine,
        disabled: Collection[str] = (),
        gone: Collection[str] = (),
    ) -> Refusal | None:
        """`gone`: pods to be thought away."""
        if "VolumeRestrictions" not in disabled:
            for use in shape.claims:
                claim = self.claims.get(use.key)
                if (
                    claim is not None
                    and "ReadWriteOncePod" in claim.spec.access_modes
                    and not snapshot.claim_users.get(use.key, set()) <= set(gone)
                ):
                    return ONLY_ONE_POD
        if "NodeVolumeLimits" not in disabled and self._too_many(shape, machine):
            return TOO_MANY
        if "VolumeBinding" not in disabled:
            verdict = self._plan(shape, machine)
            if isinstance(verdict, Refusal):
                return verdict
        return ZONE_CONFLICT if "VolumeZone" not in disabled and not self._zones_match(shape, machine) else None

    def plan(self, shape: Shape, machine: Machine) -> VolumePlan:
        """What to write for a machine that was not refused."""
        verdict = self._plan(shape, machine)
        return VolumePlan() if isinstance(verdict, Refusal) else verdict

    def promise(self, plan: VolumePlan, machine: str) -> None:
        """Let nobody else have these from now on."""
        self.promised_volumes |= {volume: claim for claim, volume in plan.bindings}
        self.promised_machines |= dict.fromkeys(plan.provisions, machine)

    def release(self, plan: VolumePlan) -> None:
        """The plan is done with, well or not: what it wrote shows by itself."""
        for _, volume in plan.bindings:
            self.promised_volumes.pop(volume, None)
        for claim in plan.provisions:
            self.promised_machines.pop(claim, None)

    def all_bound(self, claims: Sequence[str]) -> bool:
        return all((claim := self.claims.get(name)) is not None and _bound(claim) for name in claims)

    def _plan(self, shape: Shape, machine: Machine) -> VolumePlan | Refusal:
        bindings: list[tuple[str, str]] = []
        provisions: list[str] = []
        waiting: list[Claim] = []
        for claim in self._claims(shape):
            if not _bound(claim):
                waiting.append(claim)
                continue
            volume = self.volumes.get(claim.spec.volume_name)
            if volume is None:
                return VOLUME_MISSING
            if not _reachable(volume.spec.node_affinity, machine):
                return NODE_CONFLICT
        taken: set[str] = set()
        # The smallest claims first, so that a large volume is not wasted on one of them.
        for claim in sorted(waiting, key=_wanted):
            selected = self.promised_machines.get(key(claim)) or claim.metadata.annotations.get(SELECTED_NODE, "")
            if selected:
                if selected != machine.name:
                    return BIND_CONFLICT
                provisions.append(key(claim))
                continue
            volume = self._matching(claim, machine, taken)
            if volume is not None:
                taken.add(volume.metadata.name)
                bindings.append((key(claim), volume.metadata.name))
            elif self._can_be_made(claim, machine):
                provisions.append(key(claim))
            else:
                return BIND_CONFLICT
        return VolumePlan(tuple(bindings), tuple(provisions), tuple(key(claim) for claim in waiting))

    def _matching(self, claim: Claim, machine: Machine, taken: Collection[str]) -> PersistentVolume | None:
        """The smallest volume that will do; one that names this claim before all others."""
        selector = from_label_selector(claim.spec.selector) if claim.spec.selector is not None else None
        best: PersistentVolume | None = None
        for volume in self.volumes.values():
            spec = volume.spec
            if volume.metadata.name in taken or volume.metadata.deletion_timestamp is not None:
                continue
            if self.promised_volumes.get(volume.metadata.name, key(claim)) != key(claim):
                continue
            if spec.volume_mode != claim.spec.volume_mode or _capacity(volume) < _wanted(claim):
                continue
            if spec.storage_class_name != claim.spec.storage_class_name:
                continue
            if not set(claim.spec.access_modes) <= set(spec.access_modes) or not _reachable(
                spec.node_affinity, machine
            ):
                continue
            if spec.claim_ref is not None:
                if _refers(volume, claim):
                    return volume
                continue
            if volume.status.phase != "Available" or (
                selector is not None and not selector.matches(volume.metadata.labels)
            ):
                continue
            if best is None or _capacity(volume) < _capacity(best):
                best = volume
        return best

    def _can_be_made(self, claim: Claim, machine: Machine) -> bool:
        found = self.classes.get(claim.spec.storage_class_name)
        if found is None or found.provisioner in ("", NO_PROVISIONER):
            return False
        return not found.allowed_topologies or any(
            all(machine.labels.get(e.key, "") in e.values for e in term.match_label_expressions)
            for term in found.allowed_topologies
        )

    def _waits(self, claim: Claim) -> bool:
        """Whether binding waits for a pod's machine."""
        found = self.classes.get(claim.spec.storage_class_name)
        return found is not None and found.volume_binding_mode == "WaitForFirstConsumer"

    def _zones_match(self, shape: Shape, machine: Machine) -> bool:
        for claim in self._claims(shape):
            volume = self.volumes.get(claim.spec.volume_name) if claim.spec.volume_name else None
            if volume is None:
                continue
            for label in _ZONES:
                zones = volume.metadata.labels.get(label)
                if not zones:
                    continue
                here = machine.labels.get(label) or machine.labels.get(_NOW_CALLED.get(label, ""))
                if here not in zones.split("__"):
                    return False
        return True

    def _too_many(self, shape: Shape, machine: Machine) -> bool:
        found = self.machines.get(machine.name)
        limits = {
            driver.name: driver.allocatable.count
            for driver in (found.spec.drivers if found is not None else ())
            if driver.allocatable is not None and driver.allocatable.count is not None
        }
        if not limits:
            return False
        there = {handle for one in machine.residents.values() for handle in self._handles(one.shape)}
        wanted = set(self._handles(shape)) - there
        return any(
            sum(driver == name for driver, _ in there) + sum(driver == name for driver, _ in wanted) > limit
            for name, limit in limits.items()
            if any(driver == name for driver, _ in wanted)
        )

    def _handles(self, shape: Shape) -> Iterator[tuple[str, str]]:
        """(driver, volume) of each claim; a claim without a volume stands for itself."""
        for claim in self._claims(shape):
            volume = self.volumes.get(claim.spec.volume_name) if claim.spec.volume_name else None
            if volume is not None:
                if volume.spec.csi is not None:
                    yield volume.spec.csi.driver, volume.spec.csi.volume_handle
            elif (found := self.classes.get(claim.spec.storage_class_name)) is not None:
                yield found.provisioner, key(claim)

    def _claims(self, shape: Shape) -> Iterator[Claim]:
        return (claim for use in shape.claims if (claim := self.claims.get(use.key)) is not None)


def _nowhere(reason: str) -> Refusal:
    return Refusal((reason,), plugin="VolumeBinding")


def _bound(claim: Claim) -> bool:
    return bool(claim.spec.volume_name) and BIND_COMPLETED in claim.metadata.annotations


def _belongs(claim: Claim, use: ClaimUse) -> bool:
    return any(o.controller and o.kind == "Pod" and o.name == use.pod for o in claim.metadata.owner_references)


def _reachable(nodes: VolumeNodes | None, machine: Machine) -> bool:
    terms = node_terms(nodes.required) if nodes is not None else None
    return terms is None or any(term.matches(machine.labels, machine.name) for term in terms)


def _refers(volume: PersistentVolume, claim: Claim) -> bool:
    ref = volume.spec.claim_ref
    if ref is None or (ref.namespace, ref.name) != (claim.metadata.namespace, claim.metadata.name):
        return False
    return not ref.uid or ref.uid == claim.metadata.uid


def _capacity(volume: PersistentVolume) -> int:
    return quantity.value(volume.spec.capacity.get("storage", 0))


def _wanted(claim: Claim) -> int:
    return quantity.value(claim.spec.resources.requests.get("storage", 0))
