"""ResourceClaim and its template: devices that pods ask for. Source: pkg/apis/resource/validation/validation.go."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from apimachinery.objects.field import FieldError, duplicate, invalid, required, too_many
from engine.apiserver.registry import columns, metadata, names, status
from engine.apiserver.registry.kind import Cell, Json, Kind
from engine.apiserver.registry.resource.deviceclass import selector_errors
from engine.apiserver.registry.views import AGE, NAME, Metadata

_MOST_REQUESTS = 32


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    allocation: msgspec.Raw | None = None
    reserved_for: list[msgspec.Raw] = []


class ClaimRow(msgspec.Struct, frozen=True):
    """What the table cells read."""

    metadata: Metadata
    status: _Status = _Status()


class TemplateRow(msgspec.Struct, frozen=True):
    """What the table cells read."""

    metadata: Metadata


def _state(view: ClaimRow) -> Cell:
    states = [
        state
        for state, holds in (
            ("deleted", view.metadata.deletion_timestamp is not None),
            ("allocated", view.status.allocation is not None),
            ("reserved", bool(view.status.reserved_for)),
        )
        if holds
    ]
    if view.status.allocation is None:
        states.append("pending")
    return ",".join(states)


def _set_defaults(spec: Json) -> None:
    for request in (spec.get("devices") or {}).get("requests") or ():
        asked: list[Json] = [request["exactly"]] if request.get("exactly") else []
        for each in [*asked, *(request.get("firstAvailable") or ())]:
            each.setdefault("allocationMode", "ExactCount")
            if each["allocationMode"] == "ExactCount":
                each.setdefault("count", 1)


def _spec_errors(spec: Json, path: str) -> Iterator[FieldError]:
    requests: list[Json] = (spec.get("devices") or {}).get("requests") or []
    below = f"{path}.devices.requests"
    if len(requests) > _MOST_REQUESTS:
        yield too_many(below, len(requests), _MOST_REQUESTS)
    seen: set[str] = set()
    for index, request in enumerate(requests):
        name: str = request.get("name", "")
        yield from _label_errors(name, f"{below}[{index}].name")
        if name in seen:
            yield duplicate(f"{below}[{index}].name", name)
        seen.add(name)
        exactly, first = request.get("exactly"), request.get("firstAvailable")
        if exactly is None and not first:
            yield required(f"{below}[{index}]", "exactly one of `exactly` or `firstAvailable` is required")
        elif exactly is not None and first:
            detail = "exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set"
            yield invalid(f"{below}[{index}]", None, detail)
        if exactly is not None:
            yield from _asked_errors(exactly, f"{below}[{index}].exactly")
        for position, each in enumerate(first or ()):
            where = f"{below}[{index}].firstAvailable[{position}]"
            yield from _label_errors(each.get("name", ""), f"{where}.name")
            yield from _asked_errors(each, where)


def _label_errors(name: str, path: str) -> Iterator[FieldError]:
    if not name:
        yield required(path)
        return
    for message in names.dns_label(name):
        yield invalid(path, name, message)


def _asked_errors(asked: Json, path: str) -> Iterator[FieldError]:
    wanted: str = asked.get("deviceClassName", "")
    if not wanted:
        yield required(f"{path}.deviceClassName")
    else:
        for message in names.dns_subdomain(wanted):
            yield invalid(f"{path}.deviceClassName", wanted, message)
    yield from selector_errors(asked.get("selectors") or [], f"{path}.selectors")
    if asked.get("allocationMode") == "ExactCount" and asked.get("count", 0) <= 0:
        yield invalid(f"{path}.count", asked.get("count", 0), "must be greater than zero")


def _set_claim_defaults(obj: Json) -> None:
    _set_defaults(obj.get("spec") or {})


def _validate_claim(obj: Json) -> list[FieldError]:
    return list(_spec_errors(obj.get("spec") or {}, "spec"))


def _set_template_defaults(obj: Json) -> None:
    _set_defaults((obj.get("spec") or {}).get("spec") or {})


def _validate_template(obj: Json) -> list[FieldError]:
    return list(_spec_errors((obj.get("spec") or {}).get("spec") or {}, "spec.spec"))


RESOURCE_CLAIM = Kind(
    group="resource.k8s.io",
    version="v1",
    kind="ResourceClaim",
    plural="resourceclaims",
    singular="resourceclaim",
    namespaced=True,
    subresources={"status": status.STATUS},
    name_errors=names.dns_subdomain,
    set_defaults=_set_claim_defaults,
    validate=_validate_claim,
    validate_update=status.fixed_spec,
    prepare_create=status.begin_without,
    prepare_update=metadata.keep("status"),
    table_view=ClaimRow,
    columns=(
        NAME,
        columns.text("State", _state, "A summary of the current state (allocated, pending, reserved, etc.)."),
        AGE,
    ),
)
RESOURCE_CLAIM_TEMPLATE = Kind(
    group="resource.k8s.io",
    version="v1",
    kind="ResourceClaimTemplate",
    plural="resourceclaimtemplates",
    singular="resourceclaimtemplate",
    namespaced=True,
    name_errors=names.dns_subdomain,
    set_defaults=_set_template_defaults,
    validate=_validate_template,
    validate_update=status.fixed_spec,
    table_view=TemplateRow,
    columns=(NAME, AGE),
)
