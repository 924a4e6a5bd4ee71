"""StatefulSet: pods with names and claims that stay theirs."""

from __future__ import annotations

import msgspec

from apimachinery.objects.field import FieldError, forbidden, invalid, not_supported
from engine.apiserver.registry import columns, names, status
from engine.apiserver.registry.apps import workload
from engine.apiserver.registry.core.persistentvolumeclaim import set_claim_defaults
from engine.apiserver.registry.kind import Context, Json, Kind
from engine.apiserver.registry.views import AGE, NAME, Metadata, Template

_RETENTIONS = ("Delete", "Retain")
_HISTORY = 10
_CHANGEABLE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)


class _Spec(msgspec.Struct, frozen=True):
    replicas: int = 0
    template: Template = Template()


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    ready_replicas: int = 0


class StatefulSetRow(msgspec.Struct, frozen=True):
    """What the table cells read."""

    metadata: Metadata
    spec: _Spec = _Spec()
    status: _Status = _Status()


def _set_defaults(obj: Json) -> None:
    spec: Json = obj.setdefault("spec", {})
    spec["podManagementPolicy"] = spec.get("podManagementPolicy") or "OrderedReady"
    strategy: Json = spec.setdefault("updateStrategy", {})
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
        # Upstream fills in the partition only where the strategy itself was left out, or has a rollingUpdate.
        strategy.setdefault("rollingUpdate", {})
    rolling: Json | None = strategy.get("rollingUpdate")
    if strategy["type"] == "RollingUpdate" and rolling is not None:
        rolling.setdefault("partition", 0)
        rolling.setdefault("maxUnavailable", 1)
    retention: Json = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
    for when in ("whenDeleted", "whenScaled"):
        retention[when] = retention.get(when) or "Retain"
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", _HISTORY)
    workload.set_template_defaults(spec)
    for claim in spec.get("volumeClaimTemplates", ()):
        claim["apiVersion"], claim["kind"] = (
            claim.get("apiVersion") or "v1",
            claim.get("kind") or "PersistentVolumeClaim",
        )
        set_claim_defaults(claim)


def _validate(obj: Json) -> list[FieldError]:
    spec: Json = obj["spec"]
    errors: list[FieldError] = []
    if spec["podManagementPolicy"] not in {"OrderedReady", "Parallel"}:
        detail = "must be 'OrderedReady' or 'Parallel'"
        errors.append(invalid("spec.podManagementPolicy", spec["podManagementPolicy"], detail))
    _append_strategy_errors(errors, spec["updateStrategy"])
    for when, policy in spec["persistentVolumeClaimRetentionPolicy"].items():
        if policy not in _RETENTIONS:
            errors.append(not_supported(f"spec.persistentVolumeClaimRetentionPolicy.{when}", policy, _RETENTIONS))
    workload.append_count_errors(errors, spec, "replicas", "minReadySeconds", "revisionHistoryLimit")
    start = spec.get("ordinals", {}).get("start", 0)
    if start < 0:
        errors.append(invalid("spec.ordinals.start", start, workload.NOT_NEGATIVE))
    claimed: dict[str, Json] = {
        claim.get("metadata", {}).get("name", ""): {"persistentVolumeClaim": {}}
        for claim in spec.get("volumeClaimTemplates", ())
    }
    workload.append_template_errors(errors, spec, noun="statefulset", deadline="StatefulSet", claimed=claimed)
    return errors


def _append_strategy_errors(errors: list[FieldError], strategy: Json) -> None:
    path = "spec.updateStrategy"
    rolling: Json | None = strategy.get("rollingUpdate")
    match strategy["type"]:
        case "OnDelete":
            if rolling is not None:
                detail = "only allowed for updateStrategy 'RollingUpdate'"
                errors.append(invalid(f"{path}.rollingUpdate", rolling, detail))
        case "RollingUpdate":
            if rolling is None:
                return
            if rolling["partition"] < 0:
                errors.append(invalid(f"{path}.rollingUpdate.partition", rolling["partition"], workload.NOT_NEGATIVE))
            unavailable, here = rolling["maxUnavailable"], f"{path}.rollingUpdate.maxUnavailable"
            workload.append_share_errors(errors, unavailable, here, up_to_all=True)
            if workload.share_is_zero(unavailable):
                errors.append(invalid(here, unavailable, "cannot be 0"))
        case other:
            errors.append(invalid(path, other, "must be 'RollingUpdate' or 'OnDelete'"))


def _validate_update(new: Json, old: Json) -> list[FieldError]:
    if _fixed(new) == _fixed(old):
        return []
    *most, last = (f"'{field}'" for field in _CHANGEABLE)
    allowed = f"{', '.join(most)} and {last}"
    return [forbidden("spec", f"updates to statefulset spec for fields other than {allowed} are forbidden")]


def _fixed(obj: Json) -> Json:
    return {field: value for field, value in obj["spec"].items() if field not in _CHANGEABLE}


def _prepare_create(obj: Json, _context: Context) -> None:
    obj["metadata"]["generation"] = 1
    obj["status"] = {"replicas": 0, "availableReplicas": 0}


STATEFUL_SET = Kind(
    group="apps",
    version="v1",
    kind="StatefulSet",
    plural="statefulsets",
    singular="statefulset",
    namespaced=True,
    short_names=("sts",),
    categories=("all",),
    subresources={"scale": workload.SCALE, "status": workload.STATUS},
    name_errors=names.dns_subdomain,
    set_defaults=_set_defaults,
    validate=_validate,
    validate_update=_validate_update,
    prepare_create=_prepare_create,
    prepare_update=status.change_without,
    table_view=StatefulSetRow,
    columns=(
        NAME,
        columns.text(
            "Ready",
            lambda view: f"{view.status.ready_replicas}/{view.spec.replicas}",
            "Number of the pod with ready state",
        ),
        AGE,
        columns.containers(),
        columns.images(),
    ),
)
