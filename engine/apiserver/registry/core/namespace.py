"""Namespace: a scope for names; deleted by its controller once it is empty (`spec.finalizers`)."""

from __future__ import annotations

import msgspec

from engine.apiserver.registry.kind import Column, Context, Json, Kind, Subresource
from engine.apiserver.registry.views import Metadata, age, name


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


def _prepare_create(obj: Json, _context: Context) -> None:
    obj["status"] = {"phase": "Active"}
    spec = obj.setdefault("spec", {})
    finalizers = spec.setdefault("finalizers", [])
    if "kubernetes" not in finalizers:
        finalizers.append("kubernetes")


def _prepare_update(new: Json, old: Json, _context: Context) -> None:
    for part in ("spec", "status"):
        if part in old:
            new[part] = old[part]
        else:
            new.pop(part, None)


def _status_update(new: Json, old: Json, _context: Context) -> None:
    if "spec" in old:
        new["spec"] = old["spec"]


def _finalize(new: Json, old: Json, _context: Context) -> None:
    if "status" in old:
        new["status"] = old["status"]


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
        "status": Subresource(name="status", verbs=("get", "patch", "update"), prepare=_status_update),
        "finalize": Subresource(name="finalize", verbs=("update",), prepare=_finalize),
    },
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    status_update=_status_update,
    begin_delete=_begin_delete,
    held=_held,
    table_view=NamespaceRow,
    columns=(
        Column(name="Name", format="name", cell=name),
        Column(name="Status", cell=_phase),
        Column(name="Age", cell=age),
    ),
    field_view=NamespaceRow,
    field_labels=_field_labels,
)
