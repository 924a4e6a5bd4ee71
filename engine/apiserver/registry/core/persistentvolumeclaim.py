"""PersistentVolumeClaim: storage that a pod asks for."""

from __future__ import annotations

import msgspec

from apimachinery.objects import quantity
from apimachinery.objects.field import FieldError, forbidden, invalid, required
from engine.apiserver.registry import columns, metadata, names
from engine.apiserver.registry.core.accessmodes import append_mode_errors, append_size_errors, modes_text
from engine.apiserver.registry.kind import Cell, Context, Json, Kind
from engine.apiserver.registry.labelselector import append_selector_errors
from engine.apiserver.registry.status import STATUS
from engine.apiserver.registry.views import AGE, NAME, UNSET, Metadata

BETA_CLASS = "volume.beta.kubernetes.io/storage-class"
"""Where a claim named its class before it had a field for that."""
DEFAULT_CLASS_MARKS = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)


_PROTECTION = "kubernetes.io/pvc-protection"


class _Metadata(Metadata, frozen=True, rename="camel"):
    annotations: dict[str, str] = {}


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    volume_name: str = ""
    storage_class_name: str | None = None
    volume_mode: str | None = None
    volume_attributes_class_name: str | None = None


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    phase: str = ""
    access_modes: list[str] = []
    capacity: dict[str, str] = {}


class PersistentVolumeClaimRow(msgspec.Struct, frozen=True):
    """What the table cells read."""

    metadata: _Metadata
    spec: _Spec = _Spec()
    status: _Status = _Status()


def _phase(view: PersistentVolumeClaimRow) -> Cell:
    return "Terminating" if view.metadata.deletion_timestamp else view.status.phase


def _capacity(view: PersistentVolumeClaimRow) -> Cell:
    return view.status.capacity.get("storage", "0") if view.spec.volume_name else ""


def _access_modes(view: PersistentVolumeClaimRow) -> Cell:
    return modes_text(view.status.access_modes) if view.spec.volume_name else ""


def _storage_class(view: PersistentVolumeClaimRow) -> Cell:
    return view.metadata.annotations.get(BETA_CLASS) or view.spec.storage_class_name or ""


def set_claim_defaults(claim: Json) -> None:
    """Fill in a claim, those in the templates of a StatefulSet included."""
    claim.setdefault("status", {}).setdefault("phase", "Pending")
    spec: Json = claim.setdefault("spec", {})
    spec.setdefault("volumeMode", "Filesystem")


def append_claim_spec_errors(errors: list[FieldError], spec: Json, path: str) -> None:
    """Judge a claim's spec, also that of an ephemeral volume."""
    append_mode_errors(errors, spec, path)
    append_selector_errors(errors, spec.get("selector"), f"{path}.selector")
    requests: dict[str, str] = spec.get("resources", {}).get("requests", {})
    if "storage" not in requests:
        errors.append(required(f"{path}.resources[storage]"))
    else:
        append_size_errors(errors, requests["storage"], f"{path}.resources[storage]")
    for field in ("storageClassName", "volumeAttributesClassName"):
        if spec.get(field):
            errors += (invalid(f"{path}.{field}", spec[field], message) for message in names.dns_subdomain(spec[field]))
    source: Json | None = spec.get("dataSource")
    if source is not None:
        errors += (required(f"{path}.dataSource.{field}") for field in ("name", "kind") if not source.get(field))
        if not source.get("apiGroup") and source.get("kind") != "PersistentVolumeClaim":
            detail = "must be 'PersistentVolumeClaim' when referencing the default apiGroup"
            errors.append(invalid(f"{path}.dataSource", source.get("kind", ""), detail))


def _validate(obj: Json) -> list[FieldError]:
    errors: list[FieldError] = []
    append_claim_spec_errors(errors, obj["spec"], "spec")
    return errors


def _validate_update(new: Json, old: Json) -> list[FieldError]:
    errors: list[FieldError] = []
    spec, before = new["spec"], old["spec"]
    wanted, had = (_requested(part) for part in (spec, before))
    bound = old.get("status", {}).get("phase") == "Bound"
    # The volume is filled in once; the size of a bound claim may change; a class may be named late.
    free = {"resources"} if bound else set[str]()
    if not before.get("volumeName"):
        free.add("volumeName")
    if "storageClassName" not in before:
        free.add("storageClassName")
    free.add("volumeAttributesClassName")
    if {k: v for k, v in spec.items() if k not in free} != {k: v for k, v in before.items() if k not in free}:
        errors.append(
            forbidden(
                "spec",
                "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound"
                " claims",
            )
        )
    elif bound and wanted is not None and had is not None and quantity.parse(wanted) < quantity.parse(had):
        given = new.get("status", {}).get("capacity", {}).get("storage")
        if given is None or quantity.parse(wanted) <= quantity.parse(given):
            detail = "field can not be less than status.capacity"
            errors.append(forbidden("spec.resources.requests.storage", detail))
    return errors


def _requested(spec: Json) -> str | None:
    return spec.get("resources", {}).get("requests", {}).get("storage")


def _prepare_create(obj: Json, _context: Context) -> None:
    obj["status"] = {"phase": "Pending"}
    source = obj["spec"].get("dataSource")
    if source is not None:
        obj["spec"].setdefault("dataSourceRef", dict(source))


def _prepare_update(new: Json, old: Json, _context: Context) -> None:
    metadata.put_back_part(new, old, "status")
    if "dataSourceRef" in old["spec"]:
        new["spec"].setdefault("dataSourceRef", old["spec"]["dataSourceRef"])


def _admit(obj: Json, context: Context) -> None:
    """Do what the admission plugins StorageObjectInUseProtection and DefaultStorageClass do."""
    metadata.add_finalizer(obj, _PROTECTION)
    if BETA_CLASS in obj["metadata"].get("annotations", {}) or "storageClassName" in obj["spec"]:
        return
    name = default_class(context)
    if name:
        obj["spec"]["storageClassName"] = name


def default_class(context: Context) -> str:
    """The newest StorageClass marked as default; of those of one age the first by name. Empty: there is none."""
    marked = [
        item["metadata"]
        for item in context.find("storage.k8s.io", "storageclasses", "")
        if any(item["metadata"].get("annotations", {}).get(mark) == "true" for mark in DEFAULT_CLASS_MARKS)
    ]
    marked.sort(key=lambda meta: meta["name"])
    newest = max((meta["creationTimestamp"] for meta in marked), default="")
    return next((meta["name"] for meta in marked if meta["creationTimestamp"] == newest), "")


PERSISTENT_VOLUME_CLAIM = Kind(
    group="",
    version="v1",
    kind="PersistentVolumeClaim",
    plural="persistentvolumeclaims",
    singular="persistentvolumeclaim",
    namespaced=True,
    short_names=("pvc",),
    subresources={"status": STATUS},
    name_errors=names.dns_subdomain,
    set_defaults=set_claim_defaults,
    admit=_admit,
    validate=_validate,
    validate_update=_validate_update,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    returns_deleted=True,
    table_view=PersistentVolumeClaimRow,
    columns=(
        NAME,
        columns.text("Status", _phase, "phase represents the current phase of PersistentVolumeClaim."),
        columns.text(
            "Volume",
            lambda view: view.spec.volume_name,
            "volumeName is the binding reference to the PersistentVolume backing this claim.",
        ),
        columns.text("Capacity", _capacity, "capacity represents the actual resources of the underlying volume."),
        columns.text(
            "Access Modes",
            _access_modes,
            "accessModes contains the actual access modes the volume backing the PVC has.",
        ),
        columns.text(
            "StorageClass",
            _storage_class,
            "storageClassName is the name of the StorageClass required by the claim.",
        ),
        columns.text(
            "VolumeAttributesClass",
            lambda view: view.spec.volume_attributes_class_name or UNSET,
            "volumeAttributesClassName may be used to set the VolumeAttributesClass used by this claim.",
        ),
        AGE,
        columns.text(
            "VolumeMode",
            lambda view: view.spec.volume_mode or UNSET,
            "volumeMode defines what type of volume is required by the claim.",
            wide=True,
        ),
    ),
)
