"""APIService: who serves a group and version of the API, we ourselves or a Service in the cluster.

Source: kube-aggregator/pkg/{apis/apiregistration,registry/apiservice}.
"""

from __future__ import annotations

from typing import Any

import msgspec

from apimachinery.objects.field import FieldError, invalid, not_supported, required
from apimachinery.objects.meta import format_time
from engine.apiserver.registry import columns, metadata, names
from engine.apiserver.registry.kind import Cell, Context, Json, Kind, Subresource
from engine.apiserver.registry.views import AGE, NAME, Metadata

AVAILABLE = "Available"
_STATUSES = ("True", "False", "Unknown")


class _Service(msgspec.Struct, frozen=True):
    namespace: str = ""
    name: str = ""


class _Spec(msgspec.Struct, frozen=True):
    service: _Service | None = None


class _Condition(msgspec.Struct, frozen=True):
    type: str = ""
    status: str = ""
    reason: str = ""


class _Status(msgspec.Struct, frozen=True):
    conditions: tuple[_Condition, ...] = ()


class APIServiceRow(msgspec.Struct, frozen=True):
    """What the table cells read."""

    metadata: Metadata
    spec: _Spec = _Spec()
    status: _Status = _Status()


def _service(view: APIServiceRow) -> Cell:
    service = view.spec.service
    return f"{service.namespace}/{service.name}" if service is not None else "Local"


def _available(view: APIServiceRow) -> Cell:
    condition = next((one for one in view.status.conditions if one.type == AVAILABLE), None)
    if condition is None:
        return "Unknown"
    if condition.status != "True" and condition.reason:
        return f"{condition.status} ({condition.reason})"
    return condition.status


def with_condition(conditions: list[Json], status: str, reason: str, message: str, now: str) -> list[Json]:
    """These conditions with what is found about availability; its time changes with its status only."""
    before: Json = next((one for one in conditions if one.get("type") == AVAILABLE), {})
    since = before.get("lastTransitionTime", now) if before.get("status") == status else now
    found = {"type": AVAILABLE, "status": status, "lastTransitionTime": since, "reason": reason, "message": message}
    return [*(one for one in conditions if one.get("type") != AVAILABLE), found]


def _set_defaults(obj: Json) -> None:
    spec: Any = obj.setdefault("spec", {})
    if spec.get("service") is not None:
        spec["service"].setdefault("port", 443)


def _validate(obj: Json) -> list[FieldError]:
    spec: Json = obj["spec"]
    group, version, name = spec.get("group", ""), spec.get("version", ""), obj["metadata"].get("name", "")
    errors: list[FieldError] = []
    wanted = f"{version}.{group}"
    if name and name != wanted:
        errors.append(invalid("metadata.name", name, f'must be `spec.version+"."+spec.group`: "{wanted}"'))
    if not group and version != "v1":
        errors.append(required("spec.group", "only v1 may have an empty group and it better be legacy kube"))
    if group:
        errors += (invalid("spec.group", group, text) for text in names.dns_subdomain(group))
    errors += (invalid("spec.version", version, text) for text in names.dns_1035_label(version))
    for field, most in (("groupPriorityMinimum", 20000), ("versionPriority", 1000)):
        value = spec.get(field) or 0
        if not 0 < value <= most:
            errors.append(invalid(f"spec.{field}", value, f"must be positive and less than {most}"))
    return errors + _validate_service(spec)


def _validate_service(spec: Json) -> list[FieldError]:
    bundle, insecure = spec.get("caBundle") or "", spec.get("insecureSkipTLSVerify") or False
    errors: list[FieldError] = []
    if spec.get("service") is None:
        if bundle:
            errors.append(invalid("spec.caBundle", f"{len(bundle)} bytes", "local APIServices may not have a caBundle"))
        if insecure:
            text = "local APIServices may not have insecureSkipTLSVerify"
            errors.append(invalid("spec.insecureSkipTLSVerify", insecure, text))
        return errors
    errors += (
        required(f"spec.service.{field}", "") for field in ("namespace", "name") if not spec["service"].get(field)
    )
    if insecure and bundle:
        errors.append(invalid("spec.insecureSkipTLSVerify", insecure, "may not be true if caBundle is present"))
    return errors


def _validate_status(new: Json, _old: Json) -> list[FieldError]:
    return [
        not_supported(f"status.conditions[{index}].status", one.get("status", ""), _STATUSES)
        for index, one in enumerate(new.get("status", {}).get("conditions") or ())
        if one.get("status") not in _STATUSES
    ]


def _local(obj: Json, context: Context) -> None:
    """Available at once: nobody has to find out whether we serve."""
    status: Json = obj.setdefault("status", {})
    text = "Local APIServices are always available"
    status["conditions"] = with_condition(
        status.get("conditions") or [], "True", "Local", text, format_time(context.now)
    )


def _prepare_create(obj: Json, context: Context) -> None:
    obj["status"] = {}
    if obj["spec"].get("service") is None:
        _local(obj, context)


def _prepare_update(new: Json, old: Json, context: Context) -> None:
    metadata.keep("status")(new, old, context)
    if new["spec"].get("service") is None and old["spec"].get("service") is not None:
        new["status"] = {**new.get("status", {})}
        _local(new, context)


API_SERVICE = Kind(
    group="apiregistration.k8s.io",
    version="v1",
    kind="APIService",
    plural="apiservices",
    singular="apiservice",
    namespaced=False,
    categories=("api-extensions",),
    storage="apiregistration.k8s.io/apiservices",
    subresources={
        "status": Subresource(
            name="status",
            verbs=("get", "patch", "update"),
            prepare=metadata.keep("spec"),
            validate=_validate_status,
        ),
    },
    name_errors=names.path_segment,
    set_defaults=_set_defaults,
    validate=_validate,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    table_view=APIServiceRow,
    columns=(
        NAME,
        columns.text("Service", _service, "The reference to the service that hosts this API endpoint."),
        columns.text("Available", _available, "Whether this service is available."),
        AGE,
    ),
)
