"""What may change of a pod once it is there. Source: ValidatePodUpdate and its siblings in core validation.go."""

from __future__ import annotations

from typing import Any

import msgspec

from apimachinery.objects.field import FieldError, forbidden, invalid
from engine.apiserver.registry.kind import Json
from engine.apiserver.registry.podspec.resources import qos_class
from engine.apiserver.registry.podspec.validation import append_spec_errors

_MUTABLE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_SHOWN_DIFFERENCES = 8


def update_errors(new: Json, old: Json) -> list[FieldError]:
    """Judge a changed pod."""
    spec, before = new["spec"], old["spec"]
    if spec == before:
        return []
    errors = [
        forbidden(f"spec.{name}", "pod updates may not add or remove containers")
        for name in ("containers", "initContainers")
        if len(spec.get(name, ())) != len(before.get(name, ()))
    ]
    if errors:
        return errors
    _append_deadline_errors(errors, spec, before)
    _append_toleration_errors(errors, spec, before)
    _append_gate_errors(errors, spec, before)
    allowed = _with_allowed_changes(spec, before)
    if allowed != before:
        differences = differing_fields(before, allowed, "spec")
        errors.append(forbidden("spec", f"{_MUTABLE}\n{differences}"))
    return errors


def _append_deadline_errors(errors: list[FieldError], spec: Json, before: Json) -> None:
    deadline, earlier = spec.get("activeDeadlineSeconds"), before.get("activeDeadlineSeconds")
    path = "spec.activeDeadlineSeconds"
    if deadline is None and earlier is not None:
        errors.append(invalid(path, None, "must not update from a positive integer to nil value"))
    elif deadline is not None and earlier is not None and deadline > earlier:
        errors.append(invalid(path, deadline, "must be less than or equal to previous value"))


def _append_toleration_errors(errors: list[FieldError], spec: Json, before: Json) -> None:
    kept = [_without(toleration, "tolerationSeconds") for toleration in spec.get("tolerations", ())]
    if any(_without(toleration, "tolerationSeconds") not in kept for toleration in before.get("tolerations", ())):
        errors.append(
            forbidden("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds")
        )


def _append_gate_errors(errors: list[FieldError], spec: Json, before: Json) -> None:
    earlier = [gate.get("name") for gate in before.get("schedulingGates", ())]
    for index, gate in enumerate(spec.get("schedulingGates", ())):
        if gate.get("name") not in earlier:
            detail = f"only deletion is allowed, but found new scheduling gate '{gate.get('name')}'"
            errors.append(forbidden(f"spec.schedulingGates[{index}]", detail))


def _without(values: Json, *names: str) -> Json:
    return {name: value for name, value in values.items() if name not in names}


def _with_allowed_changes(spec: Json, before: Json) -> Json:
    """The new spec with the fields that may change as they were: equal to the old one when nothing else changed."""
    mutable = ["activeDeadlineSeconds", "tolerations", "schedulingGates"]
    if before.get("terminationGracePeriodSeconds", 0) < 0 and spec.get("terminationGracePeriodSeconds") == 1:
        mutable.append("terminationGracePeriodSeconds")
    munged = _without(spec, *mutable)
    munged.update({name: before[name] for name in mutable if name in before})
    for name in ("containers", "initContainers"):
        if name in munged:
            munged[name] = [
                {**container, "image": earlier.get("image")}
                for container, earlier in zip(munged[name], before[name], strict=True)
            ]
    return munged


def differing_fields(before: Any, after: Any, path: str) -> str:
    """The fields in which two values differ, one `- old` and `+ new` line each."""
    lines: list[str] = []
    _collect_differences(before, after, path, lines)
    shown = lines[: 2 * _SHOWN_DIFFERENCES]
    return "\n".join(shown if len(shown) == len(lines) else [*shown, "  ..."])


def _collect_differences(before: Any, after: Any, path: str, lines: list[str]) -> None:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted(before.keys() | after.keys()):
            if before.get(name) != after.get(name):
                _collect_differences(before.get(name), after.get(name), f"{path}.{name}", lines)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            if one != other:
                _collect_differences(one, other, f"{path}[{index}]", lines)
    else:
        lines += (f"- \t{path}: {_shown(before)}", f"+ \t{path}: {_shown(after)}")


def _shown(value: Any) -> str:
    return "nil" if value is None else msgspec.json.encode(value).decode()


def ephemeral_containers_errors(new: Json, old: Json) -> list[FieldError]:
    """Judge the ephemeralcontainers subresource: containers may be added, never changed or removed."""
    errors: list[FieldError] = []
    append_spec_errors(errors, new["spec"], "spec")
    listed = {container.get("name"): container for container in new["spec"].get("ephemeralContainers", ())}
    for container in old["spec"].get("ephemeralContainers", ()):
        name = container.get("name")
        if name not in listed:
            detail = f'existing ephemeral containers "{name}" may not be removed\n'
            errors.append(forbidden("spec.ephemeralContainers", detail))
        elif listed[name] != container:
            differences = differing_fields(container, listed[name], "spec.ephemeralContainers")
            detail = f'existing ephemeral containers "{name}" may not be changed\n{differences}'
            errors.append(forbidden("spec.ephemeralContainers", detail))
    return errors


def resize_errors(new: Json, old: Json) -> list[FieldError]:
    """Judge the resize subresource: cpu and memory of containers may change, within the same quality of service."""
    errors: list[FieldError] = []
    append_spec_errors(errors, new["spec"], "spec")
    if qos_class(new["spec"]) != qos_class(old["spec"]):
        errors.append(invalid("spec", qos_class(new["spec"]), "Pod QOS Class may not change as a result of resizing"))
    if _without_resources(new["spec"]) != _without_resources(old["spec"]):
        differences = differing_fields(_without_resources(old["spec"]), _without_resources(new["spec"]), "spec")
        errors.append(forbidden("spec", f"only cpu and memory resources are mutable\n{differences}"))
    return errors


def _without_resources(spec: Json) -> Json:
    bare = dict(spec)
    for name in ("containers", "initContainers"):
        if name in spec:
            bare[name] = [_without(container, "resources") for container in spec[name]]
    return bare
