"""What a CustomResourceDefinition may say, its schemas aside.

Source: apiextensions-apiserver/pkg/apis/apiextensions/validation/validation.go.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from apimachinery.objects.field import FieldError, forbidden, immutable, invalid, not_supported, required
from engine.apiserver.registry import names
from engine.apiserver.registry.apiextensions.schema_rules import schema_errors
from engine.apiserver.registry.kind import Json

_FIXED = ("group", "scope")
_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")


def errors_of(obj: Json) -> list[FieldError]:
    """Judge a definition."""
    spec: Json = obj.get("spec", {})
    errors: list[FieldError] = []
    name = f"{spec.get('names', {}).get('plural', '')}.{spec.get('group', '')}"
    if obj["metadata"].get("name") != name:
        shown = obj["metadata"].get("name", "")
        errors.append(invalid("metadata.name", shown, 'must be spec.names.plural+"."+spec.group'))
    _append_group_errors(errors, spec.get("group", ""))
    scope = spec.get("scope", "")
    if not scope:
        errors.append(required("spec.scope"))
    elif scope not in ("Cluster", "Namespaced"):
        errors.append(not_supported("spec.scope", scope, ("Cluster", "Namespaced")))
    if spec.get("preserveUnknownFields"):
        detail = (
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        )
        errors.append(invalid("spec.preserveUnknownFields", True, detail))
    _append_version_errors(errors, spec)
    _append_name_errors(errors, spec.get("names", {}))
    _append_conversion_errors(errors, spec.get("conversion") or {})
    return errors


def update_errors(new: Json, old: Json) -> list[FieldError]:
    """Judge a changed definition: what names an API stays, and so do versions that objects may be stored in."""
    spec, before = new.get("spec", {}), old.get("spec", {})
    errors: list[FieldError] = []
    if _established(old):
        errors += (immutable(f"spec.{part}", spec.get(part)) for part in _FIXED if spec.get(part) != before.get(part))
        wanted, granted = spec.get("names", {}), before.get("names", {})
        errors += (
            immutable(f"spec.names.{part}", wanted.get(part))
            for part in ("kind", "plural")
            if wanted.get(part) != granted.get(part)
        )
    present = {version.get("name") for version in spec.get("versions", ())}
    for position, version in enumerate(new.get("status", {}).get("storedVersions", ())):
        if version not in present:
            detail = (
                f"missing from spec.versions; {version} was previously a storage version, and must remain in"
                " spec.versions until a storage migration ensures no data remains persisted in"
                f" {version} and removes {version} from status.storedVersions"
            )
            errors.append(invalid(f"status.storedVersions[{position}]", version, detail))
    return errors


def _established(obj: Json) -> bool:
    conditions = obj.get("status", {}).get("conditions") or ()
    return any(c.get("type") == "Established" and c.get("status") == "True" for c in conditions)


def _append_group_errors(errors: list[FieldError], group: str) -> None:
    if not group:
        errors.append(required("spec.group"))
    elif messages := names.dns_subdomain(group):
        errors.append(invalid("spec.group", group, ",".join(messages)))
    elif "." not in group:
        errors.append(invalid("spec.group", group, "should be a domain with at least one dot"))


def _append_version_errors(errors: list[FieldError], spec: Json) -> None:
    versions: list[Json] = spec.get("versions") or []
    names_ = Counter(version.get("name", "") for version in versions)
    shown = [version.get("name", "") for version in versions]
    if any(count > 1 for count in names_.values()):
        errors.append(invalid("spec.versions", shown, "must contain unique version names"))
    if sum(bool(version.get("storage")) for version in versions) != 1:
        errors.append(invalid("spec.versions", shown, "must have exactly one version marked as storage version"))
    if versions and not any(version.get("served") for version in versions):
        errors.append(invalid("spec.versions", shown, "must have at least one version marked as served version"))
    for position, version in enumerate(versions):
        path = f"spec.versions[{position}]"
        name = version.get("name", "")
        if messages := names.dns_1035_label(name):
            errors.append(invalid(f"{path}.name", name, ",".join(messages)))
        if version.get("deprecationWarning") and not version.get("deprecated"):
            text = "can only be set for deprecated versions"
            errors.append(invalid(f"{path}.deprecationWarning", version["deprecationWarning"], text))
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        if schema is None:
            errors.append(required(f"{path}.schema.openAPIV3Schema", "schemas are required"))
        else:
            errors += schema_errors(schema, f"{path}.schema.openAPIV3Schema")
        _append_subresource_errors(errors, version.get("subresources") or {}, f"{path}.subresources")
        for number, column in enumerate(version.get("additionalPrinterColumns") or ()):
            _append_column_errors(errors, column, f"{path}.additionalPrinterColumns[{number}]")
        for number, field in enumerate(version.get("selectableFields") or ()):
            if not field.get("jsonPath"):
                errors.append(required(f"{path}.selectableFields[{number}].jsonPath"))


def _append_subresource_errors(errors: list[FieldError], subresources: Json, path: str) -> None:
    scale: Json | None = subresources.get("scale")
    if scale is None:
        return
    rules: tuple[tuple[str, str, bool], ...] = (
        ("specReplicasPath", ".spec.", True),
        ("statusReplicasPath", ".status.", True),
        ("labelSelectorPath", ".status.", False),
    )
    for field, prefix, needed in rules:
        value = scale.get(field) or ""
        if not value:
            if needed:
                errors.append(required(f"{path}.scale.{field}"))
        elif not value.startswith(prefix) and not (field == "labelSelectorPath" and value.startswith(".spec.")):
            where = prefix.rstrip(".") if needed else ".spec or .status"
            errors.append(invalid(f"{path}.scale.{field}", value, f"should be a json path under {where}"))


def _append_column_errors(errors: list[FieldError], column: Json, path: str) -> None:
    if not column.get("name"):
        errors.append(required(f"{path}.name"))
    kind = column.get("type", "")
    if not kind:
        errors.append(required(f"{path}.type", f"must be one of {','.join(_COLUMN_TYPES)}"))
    elif kind not in _COLUMN_TYPES:
        errors.append(invalid(f"{path}.type", kind, f"must be one of {','.join(_COLUMN_TYPES)}"))
    if column.get("format") and column["format"] not in _COLUMN_FORMATS:
        errors.append(invalid(f"{path}.format", column["format"], f"must be one of {','.join(_COLUMN_FORMATS)}"))
    where: str = column.get("jsonPath") or ""
    if not where:
        errors.append(required(f"{path}.jsonPath"))
    elif not where.startswith((".", "[")):
        errors.append(invalid(f"{path}.jsonPath", where, "must be a simple json path starting with ."))


def _append_name_errors(errors: list[FieldError], given: Json) -> None:
    for field in ("plural", "singular"):
        value = given.get(field) or ""
        if messages := names.dns_1035_label(value):
            errors.append(invalid(f"spec.names.{field}", value, ",".join(messages)))
    for field in ("kind", "listKind"):
        value = given.get(field) or ""
        if not value and field == "kind":
            errors.append(required("spec.names.kind"))
        elif messages := names.dns_1035_label(value.lower()):
            text = f"may have mixed case, but should otherwise match: {','.join(messages)}"
            errors.append(invalid(f"spec.names.{field}", value, text))
    for field in ("shortNames", "categories"):
        for position, value in enumerate(given.get(field) or ()):
            if messages := names.dns_1035_label(value):
                errors.append(invalid(f"spec.names.{field}[{position}]", value, ",".join(messages)))
    if given.get("kind") and given.get("kind") == given.get("listKind"):
        errors.append(invalid("spec.names.listKind", given["listKind"], "kind and listKind may not be the same"))


def _append_conversion_errors(errors: list[FieldError], conversion: Json) -> None:
    strategy = conversion.get("strategy", "None")
    webhook: Any = conversion.get("webhook")
    if strategy not in ("None", "Webhook"):
        errors.append(not_supported("spec.conversion.strategy", strategy, ("None", "Webhook")))
    elif strategy == "None" and webhook is not None:
        text = "should not be set when strategy is not set to Webhook"
        errors.append(forbidden("spec.conversion.webhookClientConfig", text))
    elif strategy == "Webhook":
        config: Json = (webhook or {}).get("clientConfig") or {}
        if not config:
            errors.append(required("spec.conversion.webhookClientConfig", "required when strategy is set to Webhook"))
        elif ("url" in config) is ("service" in config):
            errors.append(required("spec.conversion.webhookClientConfig", "exactly one of url or service is required"))
        if not (webhook or {}).get("conversionReviewVersions"):
            errors.append(required("spec.conversion.conversionReviewVersions"))
