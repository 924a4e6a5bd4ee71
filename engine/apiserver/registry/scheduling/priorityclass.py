"""PriorityClass: how important pods are, by name."""

from __future__ import annotations

import msgspec

from apimachinery.objects.errors import Forbidden
from apimachinery.objects.field import FieldError, forbidden, immutable, not_supported
from engine.apiserver.registry import columns, metadata, names
from engine.apiserver.registry.kind import Context, Json, Kind
from engine.apiserver.registry.views import AGE, NAME, Metadata

SYSTEM_CLASSES = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
"""The classes that every cluster has."""
_HIGHEST = 1_000_000_000
_POLICIES = ("Never", "PreemptLowerPriority")


class PriorityClassRow(msgspec.Struct, frozen=True, rename="camel"):
    """What the table cells read."""

    metadata: Metadata
    value: int = 0
    global_default: bool = False
    preemption_policy: str = ""


def _set_defaults(obj: Json) -> None:
    obj.setdefault("preemptionPolicy", "PreemptLowerPriority")
    # Not omitted by upstream when it is zero.
    obj.setdefault("value", 0)


def _admit(obj: Json, context: Context) -> None:
    """Let only one class be the default of all pods."""
    name = obj["metadata"].get("name", "")
    if not obj.get("globalDefault"):
        return
    for other in context.find("scheduling.k8s.io", "priorityclasses", ""):
        taken = other["metadata"]["name"]
        if other.get("globalDefault") and taken != name:
            detail = f"PriorityClass {taken} is already marked as default. Only one default can exist"
            details = {"name": name, "group": "scheduling.k8s.io", "kind": "priorityclasses"}
            raise Forbidden(f'priorityclasses.scheduling.k8s.io "{name}" is forbidden: {detail}', details=details)


def _validate(obj: Json) -> list[FieldError]:
    name, value = obj["metadata"].get("name", ""), obj.get("value", 0)
    errors: list[FieldError] = []
    if name.startswith("system-"):
        if SYSTEM_CLASSES.get(name) != value:
            detail = "priority class names with 'system-' prefix are reserved for system use only. error: "
            known = name in SYSTEM_CLASSES
            reason = (
                f"value of {name} PriorityClass must be {SYSTEM_CLASSES[name]}"
                if known
                else f"{name} is not a known system priority class"
            )
            errors.append(forbidden("metadata.name", detail + reason))
    elif value > _HIGHEST:
        errors.append(forbidden("value", f"maximum allowed value of a user defined priority is {_HIGHEST}"))
    if obj["preemptionPolicy"] not in _POLICIES:
        errors.append(not_supported("preemptionPolicy", obj["preemptionPolicy"], _POLICIES))
    return errors


def _validate_update(new: Json, old: Json) -> list[FieldError]:
    errors: list[FieldError] = []
    if new.get("value") != old.get("value"):
        errors.append(forbidden("value", "may not be changed in an update."))
    policy = new.get("preemptionPolicy")
    if policy != old.get("preemptionPolicy"):
        errors.append(immutable("preemptionPolicy", policy))
    return errors


def _prepare_create(obj: Json, _context: Context) -> None:
    obj["metadata"]["generation"] = 1


def _prepare_update(new: Json, old: Json, _context: Context) -> None:
    metadata.bump_generation_if_changed(new, old, "value", "globalDefault", "description", "preemptionPolicy")


PRIORITY_CLASS = Kind(
    group="scheduling.k8s.io",
    version="v1",
    kind="PriorityClass",
    plural="priorityclasses",
    singular="priorityclass",
    namespaced=False,
    short_names=("pc",),
    name_errors=names.dns_subdomain,
    set_defaults=_set_defaults,
    admit=_admit,
    validate=_validate,
    validate_update=_validate_update,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    table_view=PriorityClassRow,
    columns=(
        NAME,
        columns.number(
            "Value",
            lambda view: view.value,
            "value represents the integer value of this priority class.",
        ),
        columns.boolean(
            "Global-Default",
            lambda view: view.global_default,
            "globalDefault specifies whether this PriorityClass should be considered as the default priority.",
        ),
        AGE,
        columns.text(
            "PreemptionPolicy",
            lambda view: view.preemption_policy,
            "preemptionPolicy is the Policy for preempting pods with lower priority.",
        ),
    ),
)
