"""PersistentVolume: storage that is there, for one claim at a time."""

from __future__ import annotations

import msgspec

from apimachinery.objects.field import FieldError, forbidden, immutable, invalid, not_supported, required
from apimachinery.objects.meta import format_time
from engine.apiserver.registry import columns, metadata, names
from engine.apiserver.registry.core.accessmodes import append_mode_errors, append_size_errors, modes_text
from engine.apiserver.registry.core.persistentvolumeclaim import BETA_CLASS
from engine.apiserver.registry.kind import Cell, Context, Json, Kind, Subresource
from engine.apiserver.registry.labelselector import append_node_term_errors
from engine.apiserver.registry.views import AGE, NAME, UNSET, Metadata

_RECLAIM = ("Delete", "Recycle", "Retain")
_NO_SOURCE = frozenset({
    "accessModes", "capacity", "claimRef", "mountOptions", "nodeAffinity", "persistentVolumeReclaimPolicy",
    "storageClassName", "volumeAttributesClassName", "volumeMode",
})  # fmt: skip


_PROTECTION = "kubernetes.io/pv-protection"


class _Metadata(Metadata, frozen=True, rename="camel"):
    annotations: dict[str, str] = {}


class _Claim(msgspec.Struct, frozen=True):
    namespace: str = ""
    name: str = ""


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    capacity: dict[str, str] = {}
    access_modes: list[str] = []
    persistent_volume_reclaim_policy: str = ""
    claim_ref: _Claim | None = None
    storage_class_name: str = ""
    volume_mode: str | None = None
    volume_attributes_class_name: str | None = None


class _Status(msgspec.Struct, frozen=True):
    phase: str = ""
    reason: str = ""


class PersistentVolumeRow(msgspec.Struct, frozen=True):
    """What the table cells read."""

    metadata: _Metadata
    spec: _Spec = _Spec()
    status: _Status = _Status()


def _phase(view: PersistentVolumeRow) -> Cell:
    return "Terminating" if view.metadata.deletion_timestamp else view.status.phase


def _claim(view: PersistentVolumeRow) -> Cell:
    claim = view.spec.claim_ref
    return f"{claim.namespace}/{claim.name}" if claim else ""


def _storage_class(view: PersistentVolumeRow) -> Cell:
    return view.metadata.annotations.get(BETA_CLASS) or view.spec.storage_class_name


def _set_defaults(obj: Json) -> None:
    obj.setdefault("status", {}).setdefault("phase", "Pending")
    spec: Json = obj.setdefault("spec", {})
    spec["persistentVolumeReclaimPolicy"] = spec.get("persistentVolumeReclaimPolicy") or "Retain"
    spec.setdefault("volumeMode", "Filesystem")
    if "hostPath" in spec:
        spec["hostPath"].setdefault("type", "")


def _source(spec: Json) -> Json:
    return {field: value for field, value in spec.items() if field not in _NO_SOURCE}


def _validate(obj: Json) -> list[FieldError]:
    spec: Json = obj["spec"]
    errors: list[FieldError] = []
    append_mode_errors(errors, spec, "spec")
    capacity: dict[str, str] = spec.get("capacity", {})
    if not capacity:
        errors.append(required("spec.capacity"))
    elif set(capacity) != {"storage"}:
        errors.append(not_supported("spec.capacity", capacity, ["storage"]))
    for name, amount in capacity.items():
        append_size_errors(errors, amount, f"spec.capacity[{name}]")
    policy = spec["persistentVolumeReclaimPolicy"]
    if policy not in _RECLAIM:
        errors.append(not_supported("spec.persistentVolumeReclaimPolicy", policy, _RECLAIM))
    _append_source_errors(errors, spec)
    name = spec.get("storageClassName")
    if name:
        errors += (invalid("spec.storageClassName", name, message) for message in names.dns_subdomain(name))
    return errors


def _append_source_errors(errors: list[FieldError], spec: Json) -> None:
    sources = list(_source(spec))
    if not sources:
        errors.append(required("spec", "must specify a volume type"))
    errors += (forbidden(f"spec.{name}", "may not specify more than 1 volume type") for name in sources[1:])
    host: Json = spec.get("hostPath", {"path": "-"})
    if not host.get("path"):
        errors.append(required("spec.hostPath.path"))
    elif ".." in host["path"].split("/"):
        errors.append(invalid("spec.hostPath.path", host["path"], "must not contain '..'"))
    elif host["path"] == "/" and spec["persistentVolumeReclaimPolicy"] == "Recycle":
        detail = "may not be 'recycle' for a hostPath mount of '/'"
        errors.append(forbidden("spec.persistentVolumeReclaimPolicy", detail))
    if "nfs" in spec:
        errors += (required(f"spec.nfs.{field}") for field in ("server", "path") if not spec["nfs"].get(field))
    if "csi" in spec:
        errors += (required(f"spec.csi.{field}") for field in ("driver", "volumeHandle") if not spec["csi"].get(field))
    affinity: Json | None = spec.get("nodeAffinity")
    if "local" in spec:
        if not spec["local"].get("path"):
            errors.append(required("spec.local.path"))
        if affinity is None:
            errors.append(required("spec.nodeAffinity", "Local volume requires node affinity"))
    if affinity is not None:
        _append_affinity_errors(errors, affinity)


def _append_affinity_errors(errors: list[FieldError], affinity: Json) -> None:
    selector: Json | None = affinity.get("required")
    if selector is None:
        errors.append(required("spec.nodeAffinity.required", "must specify required node constraints"))
        return
    path = "spec.nodeAffinity.required.nodeSelectorTerms"
    terms: list[Json] = selector.get("nodeSelectorTerms", [])
    if not terms:
        errors.append(required(path, "must have at least one node selector term"))
    for index, term in enumerate(terms):
        append_node_term_errors(errors, term, f"{path}[{index}]")


def _validate_update(new: Json, old: Json) -> list[FieldError]:
    spec, before = new["spec"], old["spec"]
    errors: list[FieldError] = []
    if _source(spec) != _source(before):
        detail = "spec.persistentvolumesource is immutable after creation"
        errors.append(forbidden("spec.persistentvolumesource", detail))
    if spec.get("volumeMode") != before.get("volumeMode"):
        errors.append(immutable("spec.volumeMode", spec.get("volumeMode")))
    if "nodeAffinity" in before and spec.get("nodeAffinity") != before["nodeAffinity"]:
        detail = "field is immutable, except for updating from beta label to GA"
        errors.append(invalid("spec.nodeAffinity", spec.get("nodeAffinity"), detail))
    return errors


def _prepare_create(obj: Json, context: Context) -> None:
    obj["status"] = {"phase": "Pending", "lastPhaseTransitionTime": format_time(context.now)}


def _status_update(new: Json, old: Json, context: Context) -> None:
    metadata.put_back_part(new, old, "spec")
    status: Json = new.setdefault("status", {})
    if status.get("phase") != old.get("status", {}).get("phase"):
        status["lastPhaseTransitionTime"] = format_time(context.now)


def _admit(obj: Json, _context: Context) -> None:
    """Do what the admission plugin StorageObjectInUseProtection does."""
    metadata.add_finalizer(obj, _PROTECTION)


PERSISTENT_VOLUME = Kind(
    group="",
    version="v1",
    kind="PersistentVolume",
    plural="persistentvolumes",
    singular="persistentvolume",
    namespaced=False,
    short_names=("pv",),
    subresources={
        "status": Subresource(name="status", verbs=("get", "patch", "update"), prepare=_status_update),
    },
    name_errors=names.dns_subdomain,
    set_defaults=_set_defaults,
    admit=_admit,
    validate=_validate,
    validate_update=_validate_update,
    prepare_create=_prepare_create,
    prepare_update=metadata.keep("status"),
    returns_deleted=True,
    table_view=PersistentVolumeRow,
    columns=(
        NAME,
        columns.text(
            "Capacity",
            lambda view: view.spec.capacity.get("storage", "0"),
            "capacity is the description of the persistent volume's resources and capacity.",
        ),
        columns.text(
            "Access Modes",
            lambda view: modes_text(view.spec.access_modes),
            "accessModes contains all ways the volume can be mounted.",
        ),
        columns.text(
            "Reclaim Policy",
            lambda view: view.spec.persistent_volume_reclaim_policy,
            "persistentVolumeReclaimPolicy defines what happens to a persistent volume when released from its claim.",
        ),
        columns.text("Status", _phase, "phase indicates if a volume is available, bound to a claim, or released."),
        columns.text(
            "Claim",
            _claim,
            "claimRef is part of a bi-directional binding between PersistentVolume and PersistentVolumeClaim.",
        ),
        columns.text(
            "StorageClass",
            _storage_class,
            "storageClassName is the name of StorageClass to which this persistent volume belongs.",
        ),
        columns.text(
            "VolumeAttributesClass",
            lambda view: view.spec.volume_attributes_class_name or UNSET,
            "Name of VolumeAttributesClass to which this persistent volume belongs.",
        ),
        columns.text(
            "Reason",
            lambda view: view.status.reason,
            "reason is a brief CamelCase string that describes any failure.",
        ),
        AGE,
        columns.text(
            "VolumeMode",
            lambda view: view.spec.volume_mode or UNSET,
            "volumeMode defines if a volume is intended to be used with a formatted filesystem or to remain in raw"
            " block state.",
            wide=True,
        ),
    ),
)
