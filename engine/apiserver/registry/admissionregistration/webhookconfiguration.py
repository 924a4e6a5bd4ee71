"""ValidatingWebhookConfiguration and MutatingWebhookConfiguration: programs to be asked about requests.

One file for both: they differ in one field.
"""

from __future__ import annotations

from typing import Any

import msgspec

from apimachinery.objects.field import FieldError, duplicate, invalid, not_supported, required
from engine.apiserver.registry import columns, metadata, names
from engine.apiserver.registry.admissionregistration import matching
from engine.apiserver.registry.kind import Context, Json, Kind
from engine.apiserver.registry.views import AGE, NAME, Metadata

_SIDE_EFFECTS = ("None", "NoneOnDryRun")
_REINVOCATIONS = ("IfNeeded", "Never")
_REVIEWS = {"v1", "v1beta1"}
_TIMEOUT = 10
_LONGEST_TIMEOUT = 30


class WebhookConfigurationRow(msgspec.Struct, frozen=True):
    """What the table cells read."""

    metadata: Metadata
    webhooks: list[msgspec.Raw] = []


def _set_defaults(obj: Json) -> None:
    for webhook in obj.get("webhooks", ()):
        webhook.setdefault("failurePolicy", "Fail")
        webhook.setdefault("matchPolicy", "Equivalent")
        webhook.setdefault("namespaceSelector", {})
        webhook.setdefault("objectSelector", {})
        webhook.setdefault("timeoutSeconds", _TIMEOUT)
        matching.set_rule_defaults(webhook.get("rules", []))
        service: Json | None = webhook.get("clientConfig", {}).get("service")
        if service is not None:
            service.setdefault("port", 443)


def _set_mutating_defaults(obj: Json) -> None:
    _set_defaults(obj)
    for webhook in obj.get("webhooks", ()):
        webhook.setdefault("reinvocationPolicy", "Never")


def _validate(obj: Json) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, webhook in enumerate(obj.get("webhooks", ())):
        path = f"webhooks[{index}]"
        name: str = webhook.get("name", "")
        _append_webhook_errors(errors, webhook, path)
        if name in seen:
            errors.append(duplicate(f"{path}.name", name))
        seen.add(name)
    return errors


def _append_webhook_errors(errors: list[FieldError], webhook: Json, path: str) -> None:
    name: str = webhook.get("name", "")
    if not name:
        errors.append(required(f"{path}.name"))
    else:
        errors += (invalid(f"{path}.name", name, message) for message in names.dns_subdomain(name))
        if name.count(".") < 2:
            detail = "should be a domain with at least three segments separated by dots"
            errors.append(invalid(f"{path}.name", name, detail))
    _append_review_errors(errors, webhook.get("admissionReviewVersions", []), f"{path}.admissionReviewVersions")
    for index, rule in enumerate(webhook.get("rules", ())):
        matching.append_rule_errors(errors, rule, f"{path}.rules[{index}]")
    for field, supported in (
        ("failurePolicy", matching.FAILURE_POLICIES),
        ("matchPolicy", matching.MATCH_POLICIES),
        ("reinvocationPolicy", _REINVOCATIONS),
    ):
        value: Any = webhook.get(field)
        if value is not None and value not in supported:
            errors.append(not_supported(f"{path}.{field}", value, supported))
    effects = webhook.get("sideEffects")
    if effects is None:
        errors.append(required(f"{path}.sideEffects", "must specify one of None, NoneOnDryRun"))
    elif effects not in _SIDE_EFFECTS:
        errors.append(not_supported(f"{path}.sideEffects", effects, _SIDE_EFFECTS))
    timeout = webhook["timeoutSeconds"]
    if not 1 <= timeout <= _LONGEST_TIMEOUT:
        detail = "the timeout value must be between 1 and 30 seconds"
        errors.append(invalid(f"{path}.timeoutSeconds", timeout, detail))
    matching.append_selectors_errors(errors, webhook, path)
    matching.append_client_errors(errors, webhook.get("clientConfig", {}), f"{path}.clientConfig")
    matching.append_condition_errors(errors, webhook.get("matchConditions", []), f"{path}.matchConditions")


def _append_review_errors(errors: list[FieldError], versions: list[str], path: str) -> None:
    if not versions:
        errors.append(required(path, "must specify one of v1, v1beta1"))
        return
    for index, version in enumerate(versions):
        if version in versions[:index]:
            errors.append(invalid(f"{path}[{index}]", version, "duplicate version"))
        errors += (invalid(f"{path}[{index}]", version, message) for message in names.dns_1035_label(version))
    if not _REVIEWS & set(versions):
        errors.append(invalid(path, versions, "must include at least one of v1, v1beta1"))


def _prepare_update(new: Json, old: Json, _context: Context) -> None:
    metadata.bump_generation_if_changed(new, old, "webhooks")


def _kind(kind: str, defaults: Any) -> Kind:
    singular = kind.lower()
    return Kind(
        group="admissionregistration.k8s.io",
        version="v1",
        kind=kind,
        plural=f"{singular}s",
        singular=singular,
        namespaced=False,
        categories=("api-extensions",),
        name_errors=names.dns_subdomain,
        set_defaults=defaults,
        validate=_validate,
        prepare_create=matching.prepare_create,
        prepare_update=_prepare_update,
        table_view=WebhookConfigurationRow,
        columns=(
            NAME,
            columns.number(
                "Webhooks",
                lambda view: len(view.webhooks),
                "Webhooks indicates the number of webhooks registered in this configuration",
            ),
            AGE,
        ),
    )


VALIDATING_WEBHOOK_CONFIGURATION = _kind("ValidatingWebhookConfiguration", _set_defaults)
MUTATING_WEBHOOK_CONFIGURATION = _kind("MutatingWebhookConfiguration", _set_mutating_defaults)
