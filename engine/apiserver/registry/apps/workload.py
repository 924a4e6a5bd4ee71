"""What Deployments, ReplicaSets and their like share: pod templates, selectors, the scale subresource."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from apimachinery.objects.errors import Invalid
from apimachinery.objects.field import FieldError, forbidden, immutable, invalid, not_supported, required
from engine.apiserver.registry import metadata
from engine.apiserver.registry.kind import Context, Json, Subresource
from engine.apiserver.registry.labelselector import append_selector_errors, matches
from engine.apiserver.registry.podspec.defaults import set_spec_defaults
from engine.apiserver.registry.podspec.validation import NO_VOLUMES, append_spec_errors
from engine.apiserver.registry.views import Requirement, Selector, selector_text

NOT_NEGATIVE = "must be greater than or equal to 0"
_PERCENT = re.compile("[0-9]+%").fullmatch
_PERCENT_MESSAGE = (
    "a valid percent string must be a numeric string followed by an ending '%'"
    " (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"
)


def set_template_defaults(spec: Json) -> None:
    """Fill in a workload's pod template."""
    set_spec_defaults(spec.setdefault("template", {}).setdefault("spec", {}))


def append_template_errors(
    errors: list[FieldError],
    spec: Json,
    *,
    noun: str = "deployment",
    deadline: str = "ReplicaSet",
    claimed: Mapping[str, Json] = NO_VOLUMES,
) -> None:
    """Judge selector and template of a workload whose pods run for ever; the words are what messages call it.

    `claimed`: volumes that its pods get besides those of the template, by name.
    """
    selector: Json | None = spec.get("selector")
    template: Json = spec.get("template", {})
    labels: dict[str, str] = template.get("metadata", {}).get("labels", {})
    if selector is None:
        errors.append(required("spec.selector"))
    else:
        append_selector_errors(errors, selector, "spec.selector")
        if not selector.get("matchLabels") and not selector.get("matchExpressions"):
            errors.append(invalid("spec.selector", selector, f"empty selector is invalid for {noun}"))
        elif not matches(selector, labels):
            detail = "`selector` does not match template `labels`"
            errors.append(invalid("spec.template.metadata.labels", labels, detail))
    metadata.append_label_errors(errors, labels, "spec.template.metadata.labels")
    pod_spec: Json = template.get("spec", {})
    append_spec_errors(errors, pod_spec, "spec.template.spec", claimed)
    policy = pod_spec.get("restartPolicy")
    if policy != "Always":
        errors.append(not_supported("spec.template.spec.restartPolicy", policy, ["Always"]))
    if "activeDeadlineSeconds" in pod_spec:
        detail = f"activeDeadlineSeconds in {deadline} is not Supported"
        errors.append(forbidden("spec.template.spec.activeDeadlineSeconds", detail))


def append_count_errors(errors: list[FieldError], spec: Json, *fields: str) -> None:
    """Judge fields that must not be negative."""
    errors += (invalid(f"spec.{field}", spec[field], NOT_NEGATIVE) for field in fields if spec.get(field, 0) < 0)


def append_share_errors(errors: list[FieldError], value: Any, path: str, *, up_to_all: bool) -> None:
    """Judge a number or percentage of pods; `up_to_all` forbids more than 100%."""
    if isinstance(value, str):
        if not _PERCENT(value):
            errors.append(invalid(path, value, _PERCENT_MESSAGE))
        elif up_to_all and int(value[:-1]) > 100:
            errors.append(invalid(path, value, "must not be greater than 100%"))
    elif value < 0:
        errors.append(invalid(path, value, NOT_NEGATIVE))


def share_is_zero(value: Any) -> bool:
    """Whether a number or percentage is nothing."""
    return value == 0 or (isinstance(value, str) and value.strip("0") == "%")


def selector_update_errors(new: Json, old: Json) -> list[FieldError]:
    """Judge a change of the selector: there is none."""
    selector = new["spec"].get("selector")
    return [] if selector == old["spec"].get("selector") else [immutable("spec.selector", selector)]


def status_update(new: Json, old: Json, _context: Context) -> None:
    """Keep all that a controller's status write may not change."""
    metadata.put_back_part(new, old, "spec")
    metadata.put_back_in_metadata(new, old, "labels")


def _project_scale(obj: Json) -> Json:
    meta: Json = obj["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    replicas = obj["spec"].get("replicas", 0)
    status: Json = {"replicas": obj.get("status", {}).get("replicas", 0)}
    text = _selector_text(obj["spec"].get("selector"))
    if text:
        status["selector"] = text
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {field: meta[field] for field in kept if field in meta},
        "spec": {"replicas": replicas} if replicas else {},
        "status": status,
    }


def _selector_text(selector: Json | None) -> str:
    if not selector:
        return ""
    if all(isinstance(value, str) for value in selector.values()):
        # A ReplicationController's selector: labels and nothing else.
        return selector_text(Selector(selector))
    requirements = [
        Requirement(item.get("key", ""), item.get("operator", ""), item.get("values", []))
        for item in selector.get("matchExpressions", ())
    ]
    return selector_text(Selector(selector.get("matchLabels", {}), requirements))


def _absorb_scale(obj: Json, scale: Json) -> None:
    replicas = scale.get("spec", {}).get("replicas", 0)
    if replicas < 0:
        error = invalid("spec.replicas", replicas, NOT_NEGATIVE)
        raise Invalid.of("Scale", "autoscaling", obj["metadata"]["name"], [error])
    obj["spec"]["replicas"] = replicas


SCALE = Subresource(
    name="scale",
    verbs=("get", "patch", "update"),
    kind="Scale",
    group="autoscaling",
    version="v1",
    project=_project_scale,
    absorb=_absorb_scale,
)
STATUS = Subresource(name="status", verbs=("get", "patch", "update"), prepare=status_update)
