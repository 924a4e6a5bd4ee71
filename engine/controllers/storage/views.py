"""What the storage controllers read of claims, volumes and classes, and the questions that several of them ask."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from apimachinery.objects import quantity
from apimachinery.objects.meta import Object, ObjectMeta, object_key
from apimachinery.objects.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, STORAGECLASSES
from engine.controllers.controller import Source

BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
PROVISIONER = "volume.kubernetes.io/storage-provisioner"
BETA_PROVISIONER = "volume.beta.kubernetes.io/storage-provisioner"
BETA_CLASS = "volume.beta.kubernetes.io/storage-class"
DEFAULT_CLASS_MARKS = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)
PENDING = "pending"
"""The value of index `pending` under which all claims stand that are not bound yet."""


class Reference(msgspec.Struct, frozen=True, rename="camel"):
    namespace: str = ""
    name: str = ""
    uid: str = ""


class RequiredNodes(msgspec.Struct, frozen=True, rename="camel"):
    node_selector_terms: tuple[dict[str, Any], ...] = ()


class NodeAffinity(msgspec.Struct, frozen=True):
    required: RequiredNodes | None = None


class CsiSource(msgspec.Struct, frozen=True, rename="camel"):
    driver: str = ""
    volume_handle: str = ""


class VolumeSpec(msgspec.Struct, frozen=True, rename="camel"):
    capacity: dict[str, str] = {}
    access_modes: tuple[str, ...] = ()
    claim_ref: Reference | None = None
    storage_class_name: str = ""
    volume_mode: str = "Filesystem"
    volume_attributes_class_name: str = ""
    node_affinity: NodeAffinity | None = None
    reclaim_policy: str = msgspec.field(default="Retain", name="persistentVolumeReclaimPolicy")
    csi: CsiSource | None = None


class VolumeStatus(msgspec.Struct, frozen=True):
    phase: str = "Pending"


class PersistentVolume(Object, frozen=True):
    spec: VolumeSpec = VolumeSpec()
    status: VolumeStatus = VolumeStatus()


class Requests(msgspec.Struct, frozen=True):
    requests: dict[str, str] = {}


class ClaimSpec(msgspec.Struct, frozen=True, rename="camel"):
    volume_name: str = ""
    access_modes: tuple[str, ...] = ()
    resources: Requests = Requests()
    selector: dict[str, Any] | None = None
    storage_class_name: str | None = None
    volume_mode: str = "Filesystem"
    volume_attributes_class_name: str = ""
    data_source: dict[str, Any] | None = None
    data_source_ref: dict[str, Any] | None = None


class ClaimCondition(msgspec.Struct, frozen=True):
    type: str = ""
    status: str = ""


class ClaimStatus(msgspec.Struct, frozen=True, rename="camel"):
    phase: str = "Pending"
    access_modes: tuple[str, ...] = ()
    capacity: dict[str, str] = {}
    allocated_resources: dict[str, str] = {}
    allocated_resource_statuses: dict[str, str] = {}
    conditions: tuple[ClaimCondition, ...] = ()


class Claim(Object, frozen=True):
    spec: ClaimSpec = ClaimSpec()
    status: ClaimStatus = ClaimStatus()


class StorageClass(Object, frozen=True, rename="camel"):
    provisioner: str = ""
    parameters: dict[str, str] = {}
    reclaim_policy: str = "Delete"
    volume_binding_mode: str = "Immediate"
    allow_volume_expansion: bool = False
    mount_options: tuple[str, ...] = ()
    allowed_topologies: tuple[dict[str, Any], ...] = ()


def _by_claim(volume: PersistentVolume) -> list[str]:
    claim = volume.spec.claim_ref
    return [object_key(claim.namespace, claim.name)] if claim is not None else []


def _by_volume(claim: Claim) -> list[str]:
    return [claim.spec.volume_name] if claim.spec.volume_name else []


def _by_state(claim: Claim) -> list[str]:
    return [] if BIND_COMPLETED in claim.metadata.annotations else [PENDING]


VOLUME_SOURCE = Source(PERSISTENTVOLUMES, PersistentVolume, {"claim": _by_claim})
CLAIM_SOURCE = Source(PERSISTENTVOLUMECLAIMS, Claim, {"volume": _by_volume, "pending": _by_state})
CLASS_SOURCE = Source(STORAGECLASSES, StorageClass)


def class_of_claim(claim: Claim) -> str:
    return claim.metadata.annotations.get(BETA_CLASS) or claim.spec.storage_class_name or ""


def class_of_volume(volume: PersistentVolume) -> str:
    return volume.metadata.annotations.get(BETA_CLASS) or volume.spec.storage_class_name


def amount(amounts: Mapping[str, str]) -> Decimal:
    return quantity.parse(amounts.get("storage", "0"))


def requested(claim: Claim) -> Decimal:
    return amount(claim.spec.resources.requests)


def refers_to(volume: PersistentVolume, claim: Claim) -> bool:
    """Whether the volume is claimed by this very claim, or kept for one of its name."""
    reference = volume.spec.claim_ref
    if reference is None or reference.name != claim.metadata.name or reference.namespace != claim.metadata.namespace:
        return False
    return reference.uid in ("", claim.metadata.uid)


def is_going(meta: ObjectMeta) -> bool:
    return meta.deletion_timestamp is not None
