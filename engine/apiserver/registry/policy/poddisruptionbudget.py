"""PodDisruptionBudget: how many pods of an application may be taken away on purpose at once."""

from __future__ import annotations

import msgspec

from apimachinery.objects.field import FieldError, invalid, not_supported
from engine.apiserver.registry import columns, names, status
from engine.apiserver.registry.apps import workload
from engine.apiserver.registry.kind import Context, Json, Kind
from engine.apiserver.registry.labelselector import append_selector_errors
from engine.apiserver.registry.views import AGE, NAME, Metadata

_POLICIES = ("AlwaysAllow", "IfHealthyBudget")
_NOT_AVAILABLE = "N/A"


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    min_available: int | str | None = None
    max_unavailable: int | str | None = None


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    disruptions_allowed: int = 0


class PodDisruptionBudgetRow(msgspec.Struct, frozen=True):
    """What the table cells read."""

    metadata: Metadata
    spec: _Spec = _Spec()
    status: _Status = _Status()


def _share(value: int | str | None) -> str:
    return _NOT_AVAILABLE if value is None else str(value)


def _validate(obj: Json) -> list[FieldError]:
    spec: Json = obj.get("spec", {})
    errors: list[FieldError] = []
    if "minAvailable" in spec and "maxUnavailable" in spec:
        errors.append(invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set"))
    for field in ("minAvailable", "maxUnavailable"):
        if field in spec:
            workload.append_share_errors(errors, spec[field], f"spec.{field}", up_to_all=True)
    append_selector_errors(errors, spec.get("selector"), "spec.selector")
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy is not None and policy not in _POLICIES:
        errors.append(not_supported("spec.unhealthyPodEvictionPolicy", policy, _POLICIES))
    return errors


def _prepare_create(obj: Json, _context: Context) -> None:
    obj["metadata"]["generation"] = 1
    obj["status"] = {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0}


POD_DISRUPTION_BUDGET = Kind(
    group="policy",
    version="v1",
    kind="PodDisruptionBudget",
    plural="poddisruptionbudgets",
    singular="poddisruptionbudget",
    namespaced=True,
    short_names=("pdb",),
    subresources={"status": status.STATUS},
    name_errors=names.dns_subdomain,
    validate=_validate,
    prepare_create=_prepare_create,
    prepare_update=status.change_without,
    allow_unconditional_update=False,
    table_view=PodDisruptionBudgetRow,
    columns=(
        NAME,
        columns.text(
            "Min Available",
            lambda view: _share(view.spec.min_available),
            "The minimum number of pods that must be available.",
        ),
        columns.text(
            "Max Unavailable",
            lambda view: _share(view.spec.max_unavailable),
            "The maximum number of pods that may be unavailable.",
        ),
        columns.number(
            "Allowed Disruptions",
            lambda view: view.status.disruptions_allowed,
            "Calculated number of pods that may be disrupted at this time.",
        ),
        AGE,
    ),
)
