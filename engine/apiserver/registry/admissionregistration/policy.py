"""ValidatingAdmissionPolicy and MutatingAdmissionPolicy: rules in CEL about requests. What they share is here too."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from apimachinery.objects.field import FieldError, invalid, not_supported, required
from engine.apiserver.registry import columns, names, status
from engine.apiserver.registry.admissionregistration import matching
from engine.apiserver.registry.kind import Cell, Column, Json, Kind
from engine.apiserver.registry.views import AGE, NAME, UNSET, Metadata

_REINVOCATIONS = ("IfNeeded", "Never")
_PATCH_TYPES = ("ApplyConfiguration", "JSONPatch")
_PATCH_FIELDS = {"ApplyConfiguration": "applyConfiguration", "JSONPatch": "jsonPatch"}
_REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized")


class _ParamKind(msgspec.Struct, frozen=True, rename="camel"):
    api_version: str = ""
    kind: str = ""


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    param_kind: _ParamKind | None = None
    validations: list[msgspec.Raw] = []
    mutations: list[msgspec.Raw] = []


class AdmissionPolicyRow(msgspec.Struct, frozen=True):
    """What the table cells read."""

    metadata: Metadata
    spec: _Spec = _Spec()


def _param_kind(view: AdmissionPolicyRow) -> Cell:
    kind = view.spec.param_kind
    return UNSET if kind is None else f"{kind.api_version}/{kind.kind}"


def _set_defaults(obj: Json) -> None:
    spec: Json = obj.setdefault("spec", {})
    spec.setdefault("failurePolicy", "Fail")
    set_match_defaults(spec.get("matchConstraints"))


def set_match_defaults(match: Json | None) -> None:
    """Fill in matchConstraints and matchResources."""
    if match is None:
        return
    match.setdefault("matchPolicy", "Equivalent")
    match.setdefault("namespaceSelector", {})
    match.setdefault("objectSelector", {})
    for field in ("resourceRules", "excludeResourceRules"):
        matching.set_rule_defaults(match.get(field, []))


def append_match_errors(errors: list[FieldError], match: Json, path: str) -> None:
    """Judge matchConstraints and matchResources."""
    policy = match["matchPolicy"]
    if policy not in matching.MATCH_POLICIES:
        errors.append(not_supported(f"{path}.matchPolicy", policy, matching.MATCH_POLICIES))
    matching.append_selectors_errors(errors, match, path)
    for field in ("resourceRules", "excludeResourceRules"):
        for index, rule in enumerate(match.get(field, ())):
            matching.append_rule_errors(errors, rule, f"{path}.{field}[{index}]")


def _append_shared_errors(errors: list[FieldError], spec: Json) -> None:
    if spec["failurePolicy"] not in matching.FAILURE_POLICIES:
        errors.append(not_supported("spec.failurePolicy", spec["failurePolicy"], matching.FAILURE_POLICIES))
    param: Json | None = spec.get("paramKind")
    if param is not None:
        errors += (required(f"spec.paramKind.{field}") for field in ("apiVersion", "kind") if not param.get(field))
    match: Json | None = spec.get("matchConstraints")
    if match is None:
        errors.append(required("spec.matchConstraints"))
    else:
        append_match_errors(errors, match, "spec.matchConstraints")
        if not match.get("resourceRules"):
            errors.append(required("spec.matchConstraints.resourceRules"))
    matching.append_condition_errors(errors, spec.get("matchConditions", []), "spec.matchConditions")
    for index, variable in enumerate(spec.get("variables", ())):
        path = f"spec.variables[{index}]"
        name: str = variable.get("name", "")
        if not name.strip():
            errors.append(required(f"{path}.name", "name is not specified"))
        elif not name.isascii() or not name.isidentifier():
            errors.append(invalid(f"{path}.name", name, "name is not a valid CEL identifier"))
        source: str = variable.get("expression", "")
        matching.append_expression_errors(errors, source, f"{path}.expression", "expression is not specified")


def _validate_validating(obj: Json) -> list[FieldError]:
    spec: Json = obj["spec"]
    errors: list[FieldError] = []
    _append_shared_errors(errors, spec)
    validations: list[Json] = spec.get("validations", [])
    if not validations and not spec.get("auditAnnotations"):
        detail = "validations or auditAnnotations must be specified"
        errors.append(required("spec.validations", f"{detail}"))
    for index, validation in enumerate(validations):
        path, source = f"spec.validations[{index}]", validation.get("expression", "")
        matching.append_expression_errors(errors, source, f"{path}.expression", "expression is not specified")
        if validation.get("messageExpression"):
            matching.append_expression_errors(errors, validation["messageExpression"], f"{path}.messageExpression")
        message: str = validation.get("message", "")
        if "\n" in message.strip():
            errors.append(invalid(f"{path}.message", message, "message must not contain line breaks"))
        reason = validation.get("reason")
        if reason is not None and reason not in _REASONS:
            errors.append(not_supported(f"{path}.reason", reason, _REASONS))
    for index, annotation in enumerate(spec.get("auditAnnotations", ())):
        path, source = f"spec.auditAnnotations[{index}]", annotation.get("valueExpression", "")
        errors += (invalid(f"{path}.key", annotation["key"], text) for text in names.qualified_name(annotation["key"]))
        absent = "valueExpression is not specified"
        matching.append_expression_errors(errors, source, f"{path}.valueExpression", absent)
    return errors


def _validate_mutating(obj: Json) -> list[FieldError]:
    spec: Json = obj["spec"]
    errors: list[FieldError] = []
    _append_shared_errors(errors, spec)
    mutations: list[Json] = spec.get("mutations", [])
    if not mutations:
        errors.append(required("spec.mutations", "mutations must contain at least one item"))
    for index, mutation in enumerate(mutations):
        kind = mutation.get("patchType", "")
        if kind not in _PATCH_TYPES:
            errors.append(not_supported(f"spec.mutations[{index}].patchType", kind, _PATCH_TYPES))
            continue
        field = _PATCH_FIELDS[kind]
        given: Json | None = mutation.get(field)
        path = f"spec.mutations[{index}].{field}"
        if given is None:
            errors.append(required(path, f"{field} is required when patchType is {kind}"))
        else:
            source = given.get("expression", "")
            matching.append_expression_errors(errors, source, f"{path}.expression", "expression is not specified")
    again = spec.get("reinvocationPolicy", "")
    if not again:
        errors.append(required("spec.reinvocationPolicy"))
    elif again not in _REINVOCATIONS:
        errors.append(not_supported("spec.reinvocationPolicy", again, _REINVOCATIONS))
    return errors


def _kind(
    kind: str, plural: str, count: Column, validate: Callable[[Json], list[FieldError]], *, with_status: bool
) -> Kind:
    return Kind(
        group="admissionregistration.k8s.io",
        version="v1",
        kind=kind,
        plural=plural,
        singular=kind.lower(),
        namespaced=False,
        categories=("api-extensions",),
        subresources={"status": status.STATUS} if with_status else {},
        name_errors=names.dns_subdomain,
        set_defaults=_set_defaults,
        validate=validate,
        prepare_create=matching.prepare_create,
        prepare_update=status.change_without,
        table_view=AdmissionPolicyRow,
        columns=(
            NAME,
            count,
            columns.text(
                "ParamKind", _param_kind, "ParamKind specifies the kind of resources used to parameterize this policy"
            ),
            AGE,
        ),
    )


VALIDATING_ADMISSION_POLICY = _kind(
    "ValidatingAdmissionPolicy",
    "validatingadmissionpolicies",
    columns.number(
        "Validations",
        lambda view: len(view.spec.validations),
        "Validations indicates the number of validation rules defined in this configuration",
    ),
    _validate_validating,
    with_status=True,
)
MUTATING_ADMISSION_POLICY = _kind(
    "MutatingAdmissionPolicy",
    "mutatingadmissionpolicies",
    columns.number(
        "Mutations",
        lambda view: len(view.spec.mutations),
        "Mutation indicates the number of mutations rules defined in this configuration",
    ),
    _validate_mutating,
    with_status=False,
)
