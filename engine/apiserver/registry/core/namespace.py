"""Namespace: a scope for names; deleted by its controller once it is empty (`spec.finalizers`)."""

from __future__ import annotations

import msgspec

from engine.apiserver.registry import metadata, names
from engine.apiserver.registry.kind import Column, Context, Json, Kind, Subresource
from engine.apiserver.registry.status import STATUS
from engine.apiserver.registry.views import AGE, NAME, Metadata


class NamespaceStatus(msgspec.Struct, frozen=True):
    """What the table reads of the status."""

    phase: str = ""


class NamespaceRow(msgspec.Struct, frozen=True):
    """What the table cells read."""

    metadata: Metadata
    status: NamespaceStatus = NamespaceStatus()


def _phase(view: NamespaceRow) -> str:
    return view.status.phase


def _field_labels(view: NamespaceRow) -> dict[str, str]:
    return {"status.phase": view.status.phase}


def _set_defaults(obj: Json) -> None:
    meta: Json = obj["metadata"]
    if meta.get("name"):
        meta.setdefault("labels", {})["kubernetes.io/metadata.name"] = meta["name"]


def _prepare_create(obj: Json, _context: Context) -> None:
    obj["status"] = {"phase": "Active"}
    _set_defaults(obj)  # a generated name is only known now
    spec = obj.setdefault("spec", {})
    finalizers = spec.setdefault("finalizers", [])
    if "kubernetes" not in finalizers:
        finalizers.append("kubernetes")


def _prepare_update(new: Json, old: Json, _context: Context) -> None:
    metadata.put_back_part(new, old, "spec")
    metadata.put_back_part(new, old, "status")


def _begin_delete(obj: Json, _context: Context) -> None:
    obj.setdefault("status", {})["phase"] = "Terminating"


def _held(obj: Json) -> bool:
    return bool(obj.get("spec", {}).get("finalizers"))


NAMESPACE = Kind(
    group="",
    version="v1",
    kind="Namespace",
    plural="namespaces",
    singular="namespace",
    namespaced=False,
    short_names=("ns",),
    verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
    subresources={
        "status": STATUS,
        "finalize": Subresource(name="finalize", verbs=("update",), prepare=metadata.keep("status")),
    },
    name_errors=names.dns_label,
    set_defaults=_set_defaults,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    begin_delete=_begin_delete,
    held=_held,
    table_view=NamespaceRow,
    columns=(
        NAME,
        Column(name="Status", cell=_phase, description="The status of the namespace"),
        AGE,
    ),
    field_view=NamespaceRow,
    field_labels=_field_labels,
)
