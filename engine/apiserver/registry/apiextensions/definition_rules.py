"""What a CustomResourceDefinition may say, its schemas aside.

Source: apiextensions-apiserver/pkg/apis/apiextensions/validation/validation.go.
"""

from __future__ import annotations

from collections import Counter
from typing import Any
from urllib.parse import urlsplit

from apimachinery.objects.field import (
    FieldError,
    duplicate,
    forbidden,
    immutable,
    invalid,
    not_supported,
    required,
    too_many,
)
from engine.apiserver.registry import names
from engine.apiserver.registry.admissionregistration.matching import append_client_errors
from engine.apiserver.registry.apiextensions.cel_rules import schema_at
from engine.apiserver.registry.apiextensions.schema_rules import schema_errors
from engine.apiserver.registry.kind import Json

_FIXED = ("group", "scope")
_MOST_SELECTABLE = 8
APPROVED = "api-approved.kubernetes.io"
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


def create_errors(obj: Json) -> list[FieldError]:
    """Judge a new definition: groups of Kubernetes' own are not for everybody."""
    return _approval_errors(obj, "")


def update_errors(new: Json, old: Json) -> list[FieldError]:
    """Judge a changed definition: what names an API stays, and so do versions that objects may be stored in."""
    spec, before = new.get("spec", {}), old.get("spec", {})
    errors = _approval_errors(new, approval(old)[0])
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


def protected(group: str) -> bool:
    """Whether a group is one of Kubernetes' own, whose definitions need the community's approval."""
    return group in ("k8s.io", "kubernetes.io") or group.endswith((".k8s.io", ".kubernetes.io"))


def approval(obj: Json) -> tuple[str, str]:
    """(Missing, Unapproved, Approved or Invalid; why) by the annotation for it."""
    given: str = (obj["metadata"].get("annotations") or {}).get(APPROVED, "")
    see = "see https://github.com/kubernetes/enhancements/pull/1111"
    if not given:
        return "Missing", f'protected groups must have approval annotation "{APPROVED}", {see}'
    if given.startswith("unapproved"):
        return "Unapproved", f'not approved: "{given}"'
    parts = urlsplit(given)
    if parts.scheme and parts.netloc:
        return "Approved", f"approved in {given}"
    with_what = 'with either a URL or a reason starting with "unapproved"'
    return "Invalid", f'protected groups must have approval annotation "{APPROVED}" {with_what}, {see}'


def _approval_errors(obj: Json, before: str) -> list[FieldError]:
    if not protected(obj.get("spec", {}).get("group", "")):
        return []
    state, why = approval(obj)
    where = f"metadata.annotations[{APPROVED}]"
    if state == before or state in ("Approved", "Unapproved"):
        return []
    if state == "Missing":
        return [required(where, why)]
    return [invalid(where, obj["metadata"]["annotations"][APPROVED], why)]


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
        _append_selectable_errors(
            errors, version.get("selectableFields") or [], schema or {}, f"{path}.selectableFields"
        )


def _append_selectable_errors(errors: list[FieldError], fields: list[Json], schema: Json, path: str) -> None:
    seen: set[str] = set()
    for number, field in enumerate(fields):
        where, given = f"{path}[{number}].jsonPath", field.get("jsonPath") or ""
        if not given:
            errors.append(required(where))
            continue
        found = schema_at(schema, given, lists=False)
        if given.startswith(".metadata"):
            errors.append(invalid(where, given, "must not point to fields in metadata"))
        elif found is None:
            errors.append(invalid(where, given, "is an invalid path: does not refer to a valid field"))
        elif found.get("type") not in ("string", "boolean", "integer"):
            text = (
                "must point to a field of type string, boolean or integer. Enum string fields and strings with formats"
                " are allowed."
            )
            errors.append(invalid(where, given, text))
        if given in seen:
            errors.append(duplicate(where, given))
        seen.add(given)
    if len(seen) > _MOST_SELECTABLE:
        errors.append(too_many(path, len(seen), _MOST_SELECTABLE))


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
        path = "spec.conversion.webhookClientConfig"
        if not config:
            errors.append(required(path, "required when strategy is set to Webhook"))
        else:
            append_client_errors(errors, config, path)
        _append_review_errors(errors, (webhook or {}).get("conversionReviewVersions") or [])


def _append_review_errors(errors: list[FieldError], versions: list[str]) -> None:
    path = "spec.conversion.conversionReviewVersions"
    if not versions:
        errors.append(required(path))
        return
    for number, version in enumerate(versions):
        if version in versions[:number]:
            errors.append(invalid(f"{path}[{number}]", version, "duplicate version"))
        else:
            errors += (invalid(f"{path}[{number}]", version, text) for text in names.dns_1035_label(version))
    if not {"v1", "v1beta1"} & set(versions):
        errors.append(invalid(path, versions, "must include at least one of v1, v1beta1"))
