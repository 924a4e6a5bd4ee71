"""CSIDriver: what a storage driver wants of the cluster."""

from __future__ import annotations

import msgspec

from apimachinery.objects.field import FieldError, immutable, not_supported
from engine.apiserver.registry import columns, metadata, names
from engine.apiserver.registry.kind import Cell, Context, Json, Kind
from engine.apiserver.registry.views import AGE, NAME, NONE, UNSET, Metadata

_MODES = ("Ephemeral", "Persistent")
_GROUP_POLICIES = ("File", "None", "ReadWriteOnceWithFSType")
_DEFAULTS = {
    "attachRequired": True,
    "podInfoOnMount": False,
    "requiresRepublish": False,
    "storageCapacity": False,
    "seLinuxMount": False,
    "fsGroupPolicy": "ReadWriteOnceWithFSType",
}


class _Token(msgspec.Struct, frozen=True):
    audience: str = ""


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    attach_required: bool = True
    pod_info_on_mount: bool = False
    storage_capacity: bool = False
    requires_republish: bool = False
    token_requests: list[_Token] | None = None
    volume_lifecycle_modes: list[str] = []


class CSIDriverRow(msgspec.Struct, frozen=True):
    """What the table cells read."""

    metadata: Metadata
    spec: _Spec = _Spec()


def _tokens(view: CSIDriverRow) -> Cell:
    tokens = view.spec.token_requests
    return UNSET if tokens is None else ",".join(token.audience for token in tokens)


def _set_defaults(obj: Json) -> None:
    spec: Json = obj.setdefault("spec", {})
    for field, value in _DEFAULTS.items():
        spec.setdefault(field, value)
    if not spec.get("volumeLifecycleModes"):
        spec["volumeLifecycleModes"] = ["Persistent"]


def _validate(obj: Json) -> list[FieldError]:
    spec: Json = obj["spec"]
    errors = [
        not_supported("spec.volumeLifecycleModes", mode, _MODES)
        for mode in spec["volumeLifecycleModes"]
        if mode not in _MODES
    ]
    if spec["fsGroupPolicy"] not in _GROUP_POLICIES:
        errors.append(not_supported("spec.fsGroupPolicy", spec["fsGroupPolicy"], _GROUP_POLICIES))
    return errors


def _validate_update(new: Json, old: Json) -> list[FieldError]:
    fixed = ("attachRequired", "volumeLifecycleModes")
    return [
        immutable(f"spec.{field}", new["spec"].get(field))
        for field in fixed
        if new["spec"].get(field) != old["spec"].get(field)
    ]


def _prepare_create(obj: Json, _context: Context) -> None:
    obj["metadata"]["generation"] = 1


def _prepare_update(new: Json, old: Json, _context: Context) -> None:
    metadata.bump_generation_if_changed(new, old)


CSI_DRIVER = Kind(
    group="storage.k8s.io",
    version="v1",
    kind="CSIDriver",
    plural="csidrivers",
    singular="csidriver",
    namespaced=False,
    name_errors=names.dns_subdomain,
    set_defaults=_set_defaults,
    validate=_validate,
    validate_update=_validate_update,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    allow_unconditional_update=False,
    returns_deleted=True,
    table_view=CSIDriverRow,
    columns=(
        NAME,
        columns.boolean(
            "AttachRequired",
            lambda view: view.spec.attach_required,
            "attachRequired indicates this CSI volume driver requires an attach operation.",
        ),
        columns.boolean(
            "PodInfoOnMount",
            lambda view: view.spec.pod_info_on_mount,
            "podInfoOnMount indicates this CSI volume driver requires additional pod information during mount.",
        ),
        columns.boolean(
            "StorageCapacity",
            lambda view: view.spec.storage_capacity,
            "storageCapacity indicates that the CSI volume driver wants pod scheduling to consider the storage"
            " capacity.",
        ),
        columns.text("TokenRequests", _tokens, "tokenRequests indicates the CSI driver needs pods' tokens."),
        columns.boolean(
            "RequiresRepublish",
            lambda view: view.spec.requires_republish,
            "requiresRepublish indicates the CSI driver wants `NodePublishVolume` being periodically called.",
        ),
        columns.text(
            "Modes",
            lambda view: ",".join(view.spec.volume_lifecycle_modes) or NONE,
            "volumeLifecycleModes defines what kind of volumes this CSI volume driver supports.",
        ),
        AGE,
    ),
)
