"""VolumeAttachment: the wish that a volume be attached to a machine, and what became of it."""

from __future__ import annotations

import msgspec

from apimachinery.objects.field import FieldError, required
from engine.apiserver.registry import columns, metadata, names, status
from engine.apiserver.registry.kind import Context, Json, Kind
from engine.apiserver.registry.views import AGE, NAME, Metadata


class _Source(msgspec.Struct, frozen=True, rename="camel"):
    persistent_volume_name: str = ""


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    attacher: str = ""
    source: _Source = _Source()
    node_name: str = ""


class _Status(msgspec.Struct, frozen=True):
    attached: bool = False


class VolumeAttachmentRow(msgspec.Struct, frozen=True):
    """What the table cells read."""

    metadata: Metadata
    spec: _Spec = _Spec()
    status: _Status = _Status()


def _validate(obj: Json) -> list[FieldError]:
    spec: Json = obj.get("spec", {})
    errors = [required(f"spec.{field}") for field in ("attacher", "nodeName") if not spec.get(field)]
    source: Json = spec.get("source", {})
    if not source.get("persistentVolumeName") and "inlineVolumeSpec" not in source:
        detail = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
        errors.append(required("spec.source", detail))
    return errors


def _prepare_create(obj: Json, _context: Context) -> None:
    obj["status"] = {"attached": False}


VOLUME_ATTACHMENT = Kind(
    group="storage.k8s.io",
    version="v1",
    kind="VolumeAttachment",
    plural="volumeattachments",
    singular="volumeattachment",
    namespaced=False,
    subresources={"status": status.STATUS},
    name_errors=names.dns_subdomain,
    validate=_validate,
    validate_update=status.fixed_spec,
    prepare_create=_prepare_create,
    prepare_update=metadata.keep("status"),
    allow_unconditional_update=False,
    returns_deleted=True,
    table_view=VolumeAttachmentRow,
    columns=(
        NAME,
        columns.text(
            "Attacher",
            lambda view: view.spec.attacher,
            "attacher indicates the name of the volume driver that MUST handle this request.",
        ),
        columns.text(
            "PV",
            lambda view: view.spec.source.persistent_volume_name,
            "persistentVolumeName represents the name of the persistent volume to attach.",
        ),
        columns.text(
            "Node",
            lambda view: view.spec.node_name,
            "nodeName represents the node that the volume should be attached to.",
        ),
        columns.boolean(
            "Attached", lambda view: view.status.attached, "attached indicates the volume is successfully attached."
        ),
        AGE,
    ),
)
