"""ResourceQuota: how much of everything a namespace may hold."""

from __future__ import annotations

import msgspec

from apimachinery.objects import quantity
from apimachinery.objects.field import FieldError, immutable, invalid, not_supported, required
from engine.apiserver.registry import columns, metadata, names
from engine.apiserver.registry.kind import Cell, Context, Json, Kind
from engine.apiserver.registry.status import STATUS
from engine.apiserver.registry.views import AGE, NAME, Metadata

_COUNTED = frozenset({
    "pods", "services", "replicationcontrollers", "resourcequotas", "secrets", "configmaps", "persistentvolumeclaims",
    "services.nodeports", "services.loadbalancers",
})  # fmt: skip
_COMPUTE = frozenset({"cpu", "memory", "ephemeral-storage"})
_STANDARD = (
    _COUNTED
    | _COMPUTE
    | {f"{side}.{name}" for side in ("requests", "limits") for name in _COMPUTE}
    | {"requests.storage"}
)
_SCOPES = frozenset({
    "Terminating", "NotTerminating", "BestEffort", "NotBestEffort", "PriorityClass", "CrossNamespacePodAffinity",
    "VolumeAttributesClass",
})  # fmt: skip
_CONFLICTS = ({"BestEffort", "NotBestEffort"}, {"Terminating", "NotTerminating"})
_OPERATORS = ("DoesNotExist", "Exists", "In", "NotIn")


class _Status(msgspec.Struct, frozen=True):
    hard: dict[str, str] = {}
    used: dict[str, str] = {}


class ResourceQuotaRow(msgspec.Struct, frozen=True):
    """What the table cells read."""

    metadata: Metadata
    status: _Status = _Status()


def _amounts(view: ResourceQuotaRow, *, limits: bool) -> Cell:
    used, hard = view.status.used, view.status.hard
    return ", ".join(
        f"{name}: {used.get(name, '0')}/{hard[name]}" for name in sorted(hard) if name.startswith("limits") == limits
    )


def _validate(obj: Json) -> list[FieldError]:
    spec: Json = obj.get("spec", {})
    errors: list[FieldError] = []
    hard: dict[str, str] = spec.get("hard", {})
    for name, amount in hard.items():
        path = f"spec.hard[{name}]"
        errors += (invalid(path, name, message) for message in names.qualified_name(name))
        if "/" not in name and name not in _STANDARD and not name.startswith(("hugepages-", "requests.hugepages-")):
            errors.append(invalid(path, name, "must be a standard resource type or fully qualified"))
            errors.append(invalid(path, name, "must be a standard resource for quota"))
        if quantity.parse(amount) < 0:
            errors.append(invalid(path, amount, "must be greater than or equal to 0"))
        if name in _COUNTED and quantity.milli(amount) % 1000:
            errors.append(invalid(path, amount, "must be an integer"))
    _append_scope_errors(errors, spec, hard)
    return errors


def _append_scope_errors(errors: list[FieldError], spec: Json, hard: dict[str, str]) -> None:
    scopes: list[str] = spec.get("scopes", [])
    for scope in scopes:
        if scope not in _SCOPES:
            errors.append(invalid("spec.scopes", scopes, "unsupported scope"))
        elif any(not _fits(scope, name) for name in hard):
            errors.append(invalid("spec.scopes", scopes, "unsupported scope applied to resource"))
    if any(pair <= set(scopes) for pair in _CONFLICTS):
        errors.append(invalid("spec.scopes", scopes, "conflicting scopes"))
    for requirement in spec.get("scopeSelector", {}).get("matchExpressions", ()):
        _append_requirement_errors(errors, requirement, "spec.scopeSelector.matchExpressions")


def _append_requirement_errors(errors: list[FieldError], requirement: Json, path: str) -> None:
    scope, operator = requirement.get("scopeName", ""), requirement.get("operator", "")
    values: list[str] = requirement.get("values", [])
    if scope not in _SCOPES:
        errors.append(invalid(f"{path}.scopeName", scope, "unsupported scope"))
    if operator not in _OPERATORS:
        errors.append(not_supported(f"{path}.operator", operator, _OPERATORS))
    elif operator in {"In", "NotIn"} and not values:
        detail = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
        errors.append(required(f"{path}.values", detail))
    elif operator in {"Exists", "DoesNotExist"} and values:
        detail = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
        errors.append(invalid(f"{path}.values", values, detail))


def _fits(scope: str, name: str) -> bool:
    """Whether a scope can narrow a count of this resource down."""
    if scope == "VolumeAttributesClass":
        return name in {"persistentvolumeclaims", "requests.storage"}
    if scope == "BestEffort":
        return name == "pods"
    return name == "pods" or name.rpartition(".")[2] in _COMPUTE


def _validate_update(new: Json, old: Json) -> list[FieldError]:
    scopes = new.get("spec", {}).get("scopes", [])
    same = set(scopes) == set(old.get("spec", {}).get("scopes", []))
    return [] if same else [immutable("spec.scopes", scopes)]


def _prepare_create(obj: Json, _context: Context) -> None:
    obj["status"] = {}


RESOURCE_QUOTA = Kind(
    group="",
    version="v1",
    kind="ResourceQuota",
    plural="resourcequotas",
    singular="resourcequota",
    namespaced=True,
    short_names=("quota",),
    subresources={"status": STATUS},
    name_errors=names.dns_subdomain,
    validate=_validate,
    validate_update=_validate_update,
    prepare_create=_prepare_create,
    prepare_update=metadata.keep("status"),
    returns_deleted=True,
    table_view=ResourceQuotaRow,
    columns=(
        NAME,
        columns.text(
            "Request",
            lambda view: _amounts(view, limits=False),
            "Request represents a minimum amount of cpu/memory that a container may consume.",
        ),
        columns.text(
            "Limit",
            lambda view: _amounts(view, limits=True),
            "Limits control the maximum amount of cpu/memory that a container may use independent of contention on the"
            " node.",
        ),
        AGE,
    ),
)
