"""Claims and volumes as the storage controllers see them, made from the few facts a test cares about."""

from typing import Any

from apimachinery.objects import localpath
from apimachinery.objects.meta import ObjectMeta
from engine.controllers.storage.views import (
    Claim,
    ClaimSpec,
    ClaimStatus,
    PersistentVolume,
    Reference,
    Requests,
    StorageClass,
    VolumeSpec,
    VolumeStatus,
)
from tests.engine.controllers.objects import ago


def claim(
    name: str = "data",
    *,
    size: str = "3Gi",
    phase: str = "Pending",
    annotations: dict[str, str] | None = None,
    finalizers: tuple[str, ...] = (),
    going: bool = False,
    has: str = "",
    status: dict[str, Any] | None = None,
    owners: tuple[Any, ...] = (),
    **spec: Any,
) -> Claim:
    """`has`: the size that it was given."""
    spec.setdefault("access_modes", ("ReadWriteOnce",))
    modes = spec["access_modes"] if has else ()
    return Claim(
        metadata=ObjectMeta(
            name=name,
            namespace="default",
            uid=f"uid-{name}",
            resource_version="5",
            annotations=annotations or {},
            finalizers=finalizers,
            deletion_timestamp=ago(0) if going else None,
            owner_references=owners,
        ),
        spec=ClaimSpec(resources=Requests(requests={"storage": size}), **spec),
        status=ClaimStatus(phase=phase, access_modes=modes, capacity={"storage": has} if has else {}, **(status or {})),
    )


def volume(
    name: str = "disk",
    *,
    size: str = "10Gi",
    phase: str = "Available",
    held_by: str = "",
    uid: str | None = None,
    annotations: dict[str, str] | None = None,
    labels: dict[str, str] | None = None,
    finalizers: tuple[str, ...] = (),
    going: bool = False,
    **spec: Any,
) -> PersistentVolume:
    """`held_by`: the claim it is for; `uid` that claim's, where it is another than that of the name."""
    reference = Reference(namespace="default", name=held_by, uid=f"uid-{held_by}" if uid is None else uid)
    spec.setdefault("access_modes", ("ReadWriteOnce",))
    return PersistentVolume(
        metadata=ObjectMeta(
            name=name,
            uid=f"uid-{name}",
            resource_version="8",
            annotations=annotations or {},
            labels=labels or {},
            finalizers=finalizers,
            deletion_timestamp=ago(0) if going else None,
        ),
        spec=VolumeSpec(capacity={"storage": size}, claim_ref=reference if held_by else None, **spec),
        status=VolumeStatus(phase=phase),
    )


def storage_class(name: str = "local-path", *, provisioner: str = localpath.PROVISIONER, **fields: Any) -> StorageClass:
    fields.setdefault("volume_binding_mode", "WaitForFirstConsumer")
    return StorageClass(metadata=ObjectMeta(name=name), provisioner=provisioner, **fields)
