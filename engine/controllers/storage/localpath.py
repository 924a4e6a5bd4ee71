"""Makes and gives back volumes that are folders of one machine.

The texts of events are those of sig-storage-lib-external-provisioner. The folder itself is the business of the
machine's agent: `apimachinery.objects.localpath` says how the two agree.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from apimachinery.objects import localpath, quantity
from apimachinery.objects.meta import key, object_key
from apimachinery.objects.resources import NODES, PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES
from engine.controllers.actions import About, Action, Create, Delete, Emit, Json, Note, Patch
from engine.controllers.controller import Moment, Reader, Watch
from engine.controllers.storage.protection import VOLUME_FINALIZER
from engine.controllers.storage.views import (
    BIND_COMPLETED,
    CLAIM_SOURCE,
    CLASS_SOURCE,
    PROVISIONER,
    SELECTED_NODE,
    VOLUME_SOURCE,
    Claim,
    PersistentVolume,
    StorageClass,
    amount,
    class_of_claim,
    is_going,
    requested,
)
from engine.controllers.views import NODE_SOURCE, POD_SOURCE, Node, Pod, claims_of, condition_of

HOSTNAME = "kubernetes.io/hostname"
_MODES = frozenset({"ReadWriteOnce", "ReadWriteOncePod"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """`used_on`: the machine of a pod that waits for the claim. `given`: bytes that each machine has given away."""

    claim: Claim
    storage_class: StorageClass
    nodes: Mapping[str, Node]
    used_on: str = ""
    given: Mapping[str, Decimal]


def plan(observed: Observed) -> list[Action]:
    claim, storage_class = observed.claim, observed.storage_class
    annotations = claim.metadata.annotations
    if claim.spec.volume_name or is_going(claim.metadata) or storage_class.provisioner != localpath.PROVISIONER:
        return []
    chosen = annotations.get(SELECTED_NODE, "")
    delayed = storage_class.volume_binding_mode != "Immediate"
    if delayed and not chosen and observed.used_on:
        # A pod that was put onto its machine without the scheduler: nobody else says where the volume has to be.
        return [_annotate(claim, {SELECTED_NODE: observed.used_on})]
    if annotations.get(PROVISIONER) != localpath.PROVISIONER or (delayed and not chosen):
        return []
    problem = _unsupported(claim, storage_class)
    if problem:
        return [_failed(claim, problem)]
    if not chosen:
        chosen = _roomiest(observed)
        if not chosen:
            return [_failed(claim, "no machine is ready and has room for the volume")]
    node = observed.nodes.get(chosen)
    problem = f'node "{chosen}" not found' if node is None else no_room(node, requested(claim))
    if node is None or problem:
        failed: list[Action] = [_failed(claim, problem)]
        # The scheduler is to choose anew; but not where a pod is bound to this machine already.
        return failed if observed.used_on or not delayed else [*failed, _annotate(claim, {SELECTED_NODE: None})]
    return _make(claim, storage_class, node)


def _unsupported(claim: Claim, storage_class: StorageClass) -> str:
    """What cannot be had of a folder; empty when all is well."""
    spec = claim.spec
    if spec.selector is not None:
        return "claim.Spec.Selector is not supported"
    if spec.data_source is not None or spec.data_source_ref is not None:
        return "a data source is not supported"
    if spec.volume_mode != "Filesystem":
        return f"{localpath.PROVISIONER} does not support block volume provisioning"
    if not set(spec.access_modes) <= _MODES:
        return (
            "only access modes ReadWriteOnce and ReadWriteOncePod are supported: the volume is a folder of one machine"
        )
    if storage_class.parameters:
        return f'unknown parameter "{min(storage_class.parameters)}"'
    return ""


def no_room(node: Node, wanted: Decimal) -> str:
    """Why a volume of this size cannot be on the machine, as far as it told its size; empty when it can."""
    size = node.metadata.annotations.get(localpath.CAPACITY)
    if size is None or wanted <= quantity.parse(size):
        return ""
    return f'node "{node.metadata.name}" has {size} for volumes, {quantity.format_bytes(int(wanted))} requested'


def _roomiest(observed: Observed) -> str:
    """The machine that has given away least, of those that could take the volume."""
    wanted = requested(observed.claim)
    fit = [
        name
        for name, node in observed.nodes.items()
        if _is_ready(node) and not no_room(node, wanted) and _is_allowed(node, observed.storage_class)
    ]
    return min(fit, key=lambda name: (observed.given.get(name, Decimal(0)), name), default="")


def _is_ready(node: Node) -> bool:
    ready = condition_of(node.status.conditions, "Ready")
    return ready is not None and ready.status == "True" and not node.spec.unschedulable and not node.spec.taints


def _is_allowed(node: Node, storage_class: StorageClass) -> bool:
    terms = storage_class.allowed_topologies
    return not terms or any(
        all(
            node.metadata.labels.get(one.get("key", "")) in (one.get("values") or ())
            for one in term.get("matchLabelExpressions") or ()
        )
        for term in terms
    )


def _make(claim: Claim, storage_class: StorageClass, node: Node) -> list[Action]:
    meta = claim.metadata
    name = volume_name(claim)
    begun = f'External provisioner is provisioning volume for claim "{meta.namespace}/{meta.name}"'
    return [
        Emit(note=_note(claim, "Provisioning", begun)),
        Create(
            resource=PERSISTENTVOLUMES,
            body=_volume(claim, storage_class, node),
            succeeded=_note(claim, "ProvisioningSucceeded", f"Successfully provisioned volume {name}"),
            failed=Note(
                about=About.of(PERSISTENTVOLUMECLAIMS, claim),
                reason="ProvisioningFailed",
                message="Error saving volume: {error}",
                type="Warning",
            ),
        ),
    ]


def volume_name(claim: Claim) -> str:
    return f"pvc-{claim.metadata.uid}"


def _volume(claim: Claim, storage_class: StorageClass, node: Node) -> Json:
    meta, machine = claim.metadata, node.metadata.name
    name = volume_name(claim)
    root = node.metadata.annotations.get(localpath.ROOT, localpath.DEFAULT_ROOT)
    # For whoever looks at the machine's disk; a file's name may have 255 characters.
    folder = f"{name}_{meta.namespace}_{meta.name}"[:255]
    host_name = node.metadata.labels.get(HOSTNAME, machine)
    here = {"matchExpressions": [{"key": HOSTNAME, "operator": "In", "values": [host_name]}]}
    spec: Json = {
        "capacity": {"storage": claim.spec.resources.requests["storage"]},
        "accessModes": list(claim.spec.access_modes),
        "persistentVolumeReclaimPolicy": storage_class.reclaim_policy,
        "storageClassName": class_of_claim(claim),
        "volumeMode": "Filesystem",
        "local": {"path": f"{root.rstrip('/')}/{folder}"},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [here]}},
        "claimRef": {
            "apiVersion": PERSISTENTVOLUMECLAIMS.api_version,
            "kind": PERSISTENTVOLUMECLAIMS.kind,
            "namespace": meta.namespace,
            "name": meta.name,
            "uid": meta.uid,
            "resourceVersion": meta.resource_version,
        },
    }
    if storage_class.mount_options:
        spec["mountOptions"] = list(storage_class.mount_options)
    return {
        "apiVersion": PERSISTENTVOLUMES.api_version,
        "kind": PERSISTENTVOLUMES.kind,
        "metadata": {
            "name": name,
            "labels": {localpath.MACHINE: machine},
            "annotations": {localpath.PROVISIONED_BY: localpath.PROVISIONER},
            "finalizers": [VOLUME_FINALIZER, localpath.FINALIZER],
        },
        "spec": spec,
    }


def _annotate(claim: Claim, annotations: Mapping[str, str | None]) -> Patch:
    meta = claim.metadata
    return Patch(
        resource=PERSISTENTVOLUMECLAIMS,
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        resource_version=meta.resource_version,
        body={"metadata": {"annotations": dict(annotations)}},
    )


def _failed(claim: Claim, problem: str) -> Emit:
    text = f'failed to provision volume with StorageClass "{class_of_claim(claim)}": {problem}'
    about = About.of(PERSISTENTVOLUMECLAIMS, claim)
    return Emit(note=Note(about=about, reason="ProvisioningFailed", message=text, type="Warning"))


def _note(claim: Claim, reason: str, message: str) -> Note:
    return Note(about=About.of(PERSISTENTVOLUMECLAIMS, claim), reason=reason, message=message)


class LocalPathProvisioner:
    name = "local-path-provisioner"
    component = localpath.PROVISIONER

    def __init__(self) -> None:
        self.watches = (
            Watch(
                CLAIM_SOURCE, lambda claim, _: [key(claim)] if BIND_COMPLETED not in claim.metadata.annotations else []
            ),
            Watch(POD_SOURCE, _unbound_claims_of_pod),
            Watch(NODE_SOURCE, lambda _node, _reader: ()),
            Watch(CLASS_SOURCE, lambda _class, _reader: ()),
            Watch(VOLUME_SOURCE, lambda _volume, _reader: ()),
        )

    async def observe(self, key: str, reader: Reader, moment: Moment) -> Observed | None:  # noqa: ARG002
        claim = reader.get(CLAIM_SOURCE, key)
        storage_class = reader.get(CLASS_SOURCE, class_of_claim(claim)) if claim is not None else None
        if claim is None or storage_class is None or storage_class.provisioner != localpath.PROVISIONER:
            return None
        if reader.get(VOLUME_SOURCE, volume_name(claim)) is not None:
            return None
        given: dict[str, Decimal] = {}
        for volume in reader.list(VOLUME_SOURCE):
            machine = volume.metadata.labels.get(localpath.MACHINE)
            if machine is not None:
                given[machine] = given.get(machine, Decimal(0)) + amount(volume.spec.capacity)
        pods = reader.by_index(POD_SOURCE, "claim", key)
        return Observed(
            claim=claim,
            storage_class=storage_class,
            nodes={node.metadata.name: node for node in reader.list(NODE_SOURCE)},
            used_on=min(
                (pod.spec.node_name for pod in pods if pod.spec.node_name and not is_going(pod.metadata)), default=""
            ),
            given=given,
        )

    def plan(self, observed: Observed) -> list[Action]:
        return plan(observed)


def _unbound_claims_of_pod(pod: Pod, reader: Reader) -> Iterable[str]:
    if not pod.spec.node_name:
        return
    for name in claims_of(pod):
        claim = reader.get(CLAIM_SOURCE, object_key(pod.metadata.namespace, name))
        if claim is not None and BIND_COMPLETED not in claim.metadata.annotations:
            yield key(claim)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedVolume:
    """`machine_is_gone`: there is no Node any more whose agent could remove the folder."""

    volume: PersistentVolume
    machine_is_gone: bool = False


def plan_volume(observed: ObservedVolume) -> list[Action]:
    volume = observed.volume
    meta = volume.metadata
    if meta.annotations.get(localpath.PROVISIONED_BY) != localpath.PROVISIONER:
        return []
    if is_going(meta):
        if not observed.machine_is_gone or localpath.FINALIZER not in meta.finalizers:
            return []
        kept = [finalizer for finalizer in meta.finalizers if finalizer != localpath.FINALIZER]
        return [
            Patch(
                resource=PERSISTENTVOLUMES,
                name=meta.name,
                uid=meta.uid,
                resource_version=meta.resource_version,
                body={"metadata": {"finalizers": kept}},
            )
        ]
    if volume.status.phase not in ("Released", "Failed") or volume.spec.reclaim_policy != "Delete":
        return []
    return [Delete(resource=PERSISTENTVOLUMES, name=meta.name, uid=meta.uid)]


class LocalPathReclaimer:
    name = "local-path-reclaimer"
    component = localpath.PROVISIONER

    def __init__(self) -> None:
        self.watches = (
            Watch(VOLUME_SOURCE, lambda volume, _: [volume.metadata.name]),
            Watch(NODE_SOURCE, _volumes_of_lost_node),
        )

    async def observe(self, key: str, reader: Reader, moment: Moment) -> ObservedVolume | None:  # noqa: ARG002
        volume = reader.get(VOLUME_SOURCE, key)
        if volume is None:
            return None
        machine = volume.metadata.labels.get(localpath.MACHINE, "")
        gone = False
        if is_going(volume.metadata) and reader.get(NODE_SOURCE, machine) is None:
            gone = not machine or await reader.live_get(NODES, "", machine) is None
        return ObservedVolume(volume=volume, machine_is_gone=gone)

    def plan(self, observed: ObservedVolume) -> list[Action]:
        return plan_volume(observed)


def _volumes_of_lost_node(node: Node, reader: Reader) -> Iterable[str]:
    if reader.get(NODE_SOURCE, node.metadata.name) is not None:
        return
    for volume in reader.list(VOLUME_SOURCE):
        if volume.metadata.labels.get(localpath.MACHINE) == node.metadata.name:
            yield volume.metadata.name
