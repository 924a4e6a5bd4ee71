"""ValidatingAdmissionPolicyBinding and MutatingAdmissionPolicyBinding: where a policy holds, and with which values."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from apimachinery.objects.field import FieldError, forbidden, invalid, not_supported, required
from engine.apiserver.registry import columns, metadata, names
from engine.apiserver.registry.admissionregistration import matching
from engine.apiserver.registry.admissionregistration.policy import append_match_errors, set_match_defaults
from engine.apiserver.registry.kind import Cell, Context, Json, Kind
from engine.apiserver.registry.views import AGE, NAME, UNSET, Metadata, Selector, selector_text

_ACTIONS = ("Audit", "Deny", "Warn")


class _ParamRef(msgspec.Struct, frozen=True):
    name: str = ""
    namespace: str = ""
    selector: Selector | None = None


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    policy_name: str = ""
    param_ref: _ParamRef | None = None


class AdmissionPolicyBindingRow(msgspec.Struct, frozen=True):
    """What the table cells read."""

    metadata: Metadata
    spec: _Spec = _Spec()


def _param_ref(view: AdmissionPolicyBindingRow) -> Cell:
    ref = view.spec.param_ref
    if ref is None or (not ref.name and ref.selector is None):
        return UNSET
    if not ref.name:
        return selector_text(ref.selector)
    return f"{ref.namespace}/{ref.name}" if ref.namespace else ref.name


def _set_defaults(obj: Json) -> None:
    set_match_defaults(obj.get("spec", {}).get("matchResources"))


def _validate_shared(obj: Json) -> list[FieldError]:
    spec: Json = obj.get("spec", {})
    errors: list[FieldError] = []
    name = spec.get("policyName", "")
    if not name:
        errors.append(required("spec.policyName"))
    else:
        errors += (invalid("spec.policyName", name, message) for message in names.dns_subdomain(name))
    ref: Json | None = spec.get("paramRef")
    if ref is not None:
        if ref.get("name") and "selector" in ref:
            errors.append(forbidden("spec.paramRef.name", "name and selector are mutually exclusive"))
        elif not ref.get("name") and "selector" not in ref:
            errors.append(required("spec.paramRef", "one of name or selector must be specified"))
        if not ref.get("parameterNotFoundAction"):
            errors.append(required("spec.paramRef.parameterNotFoundAction"))
        elif ref["parameterNotFoundAction"] not in {"Allow", "Deny"}:
            found = ref["parameterNotFoundAction"]
            errors.append(not_supported("spec.paramRef.parameterNotFoundAction", found, ("Allow", "Deny")))
    if "matchResources" in spec:
        append_match_errors(errors, spec["matchResources"], "spec.matchResources")
    return errors


def _validate_validating(obj: Json) -> list[FieldError]:
    errors = _validate_shared(obj)
    actions: list[str] = obj.get("spec", {}).get("validationActions", [])
    if not actions:
        errors.append(required("spec.validationActions", "at least one validation action is required"))
    for index, action in enumerate(actions):
        if action not in _ACTIONS:
            errors.append(not_supported(f"spec.validationActions[{index}]", action, _ACTIONS))
        elif action in actions[:index]:
            errors.append(FieldError(kind="Duplicate", field=f"spec.validationActions[{index}]", value=action))
    if {"Deny", "Warn"} <= set(actions):
        detail = "must not contain both Deny and Warn (repeating the same validation failure information in the API"
        errors.append(invalid("spec.validationActions", actions, f"{detail} response and headers serves no purpose)"))
    return errors


def _prepare_update(new: Json, old: Json, _context: Context) -> None:
    metadata.bump_generation_if_changed(new, old)


def _kind(kind: str, validate: Callable[[Json], list[FieldError]]) -> Kind:
    return Kind(
        group="admissionregistration.k8s.io",
        version="v1",
        kind=kind,
        plural=f"{kind.lower()}s",
        singular=kind.lower(),
        namespaced=False,
        categories=("api-extensions",),
        name_errors=names.dns_subdomain,
        set_defaults=_set_defaults,
        validate=validate,
        prepare_create=matching.prepare_create,
        prepare_update=_prepare_update,
        table_view=AdmissionPolicyBindingRow,
        columns=(
            NAME,
            columns.text(
                "PolicyName",
                lambda view: view.spec.policy_name,
                "PolicyName indicates the policy definition which the policy binding binded to",
            ),
            columns.text(
                "ParamRef", _param_ref, "ParamRef indicates the param resource which sets the configration param"
            ),
            AGE,
        ),
    )


VALIDATING_ADMISSION_POLICY_BINDING = _kind("ValidatingAdmissionPolicyBinding", _validate_validating)
MUTATING_ADMISSION_POLICY_BINDING = _kind("MutatingAdmissionPolicyBinding", _validate_shared)
