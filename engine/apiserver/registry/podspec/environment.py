"""Validation of environment variables."""

from __future__ import annotations

from collections.abc import Callable

from apimachinery.objects.field import FieldError, invalid, not_supported, required
from engine.apiserver.registry import names
from engine.apiserver.registry.kind import Json

_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_FIELDS = (
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP",
    "status.hostIPs", "status.podIP", "status.podIPs",
)  # fmt: skip
_RESOURCES = (
    "limits.cpu", "limits.ephemeral-storage", "limits.memory",
    "requests.cpu", "requests.ephemeral-storage", "requests.memory",
)  # fmt: skip


def append_environment_errors(errors: list[FieldError], container: Json, path: str) -> None:
    """Judge `env` and `envFrom`."""
    for index, variable in enumerate(container.get("env", ())):
        here = f"{path}.env[{index}]"
        name = variable.get("name", "")
        if not name:
            errors.append(required(f"{here}.name"))
        else:
            errors += (invalid(f"{here}.name", name, message) for message in names.env_name(name))
        if "valueFrom" in variable:
            _append_source_errors(errors, variable, f"{here}.valueFrom")
    for index, source in enumerate(container.get("envFrom", ())):
        _append_from_errors(errors, source, f"{path}.envFrom[{index}]")


def _append_source_errors(errors: list[FieldError], variable: Json, path: str) -> None:
    source: Json = variable["valueFrom"]
    chosen = [name for name in _SOURCES if name in source]
    if not chosen:
        listed = "`fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        errors.append(invalid(path, "", f"must specify one of: {listed}"))
        return
    if variable.get("value"):
        errors.append(invalid(path, "", "may not be specified when `value` is not empty"))
    if len(chosen) > 1:
        errors.append(invalid(path, "", "may not have more than one field specified at a time"))
    if "fieldRef" in source:
        append_field_ref_errors(errors, source["fieldRef"], f"{path}.fieldRef", _FIELDS)
    if "resourceFieldRef" in source:
        append_resource_ref_errors(errors, source["resourceFieldRef"], f"{path}.resourceFieldRef")
    if "configMapKeyRef" in source:
        _append_key_errors(errors, source["configMapKeyRef"], f"{path}.configMapKeyRef", names.config_key)
    if "secretKeyRef" in source:
        _append_key_errors(errors, source["secretKeyRef"], f"{path}.secretKeyRef", names.config_key)


def _append_key_errors(
    errors: list[FieldError], reference: Json, path: str, key_messages: Callable[[str], list[str]]
) -> None:
    if not reference.get("name"):
        errors.append(required(f"{path}.name"))
    key = reference.get("key", "")
    if not key:
        errors.append(required(f"{path}.key"))
    else:
        errors += (invalid(f"{path}.key", key, message) for message in key_messages(key))


def append_field_ref_errors(errors: list[FieldError], reference: Json, path: str, fields: tuple[str, ...]) -> None:
    """Judge a reference to a field of the pod itself."""
    field_path: str = reference.get("fieldPath", "")
    if not field_path:
        errors.append(required(f"{path}.fieldPath"))
        return
    bare, bracket, key = field_path.partition("['")
    if bracket and key.endswith("']") and bare in {"metadata.annotations", "metadata.labels"}:
        key = key[:-2]
        checked = key.lower() if bare == "metadata.annotations" else key
        errors += (invalid(path, key, message) for message in names.qualified_name(checked))
    elif field_path not in fields:
        errors.append(not_supported(f"{path}.fieldPath", field_path, fields))


def append_resource_ref_errors(errors: list[FieldError], reference: Json, path: str) -> None:
    """Judge a reference to a container's requests or limits."""
    resource: str = reference.get("resource", "")
    if not resource:
        errors.append(required(f"{path}.resource"))
    elif resource not in _RESOURCES and "hugepages-" not in resource:
        errors.append(not_supported(f"{path}.resource", resource, _RESOURCES))


def _append_from_errors(errors: list[FieldError], source: Json, path: str) -> None:
    prefix = source.get("prefix", "")
    if prefix:
        errors += (invalid(f"{path}.prefix", prefix, message) for message in names.env_name(prefix))
    chosen = [name for name in ("configMapRef", "secretRef") if name in source]
    if not chosen:
        errors.append(invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"))
    elif len(chosen) > 1:
        errors.append(invalid(path, "", "may not have more than one field specified at a time"))
    errors += (required(f"{path}.{name}.name") for name in chosen if not source[name].get("name"))
