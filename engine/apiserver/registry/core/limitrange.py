"""LimitRange: the least and the most that one container, pod or claim of a namespace may ask for."""

from __future__ import annotations

import msgspec

from apimachinery.objects import quantity
from apimachinery.objects.field import FieldError, duplicate, forbidden, invalid, not_supported, required
from engine.apiserver.registry import columns, names
from engine.apiserver.registry.kind import Json, Kind
from engine.apiserver.registry.views import NAME, Metadata

_TYPES = ("Container", "PersistentVolumeClaim", "Pod")


class LimitRangeRow(msgspec.Struct, frozen=True):
    """What the table cells read."""

    metadata: Metadata


def _set_defaults(obj: Json) -> None:
    for item in obj.get("spec", {}).get("limits", ()):
        if item.get("type") != "Container":
            continue
        limits = {**item.get("max", {}), **item.get("default", {})}
        requests = {**item.get("min", {}), **limits, **item.get("defaultRequest", {})}
        if limits:
            item["default"] = limits
        if requests:
            item["defaultRequest"] = requests


def _validate(obj: Json) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, item in enumerate(obj.get("spec", {}).get("limits", ())):
        path = f"spec.limits[{index}]"
        kind: str = item.get("type", "")
        if kind not in _TYPES and "/" not in kind:
            errors.append(not_supported(f"{path}.type", kind, _TYPES))
        if kind in seen:
            errors.append(duplicate(f"{path}.type", kind))
        seen.add(kind)
        if kind == "Pod":
            errors += (
                forbidden(f"{path}.{field}", "may not be specified when `type` is 'Pod'")
                for field in ("default", "defaultRequest")
                if item.get(field)
            )
        if kind == "PersistentVolumeClaim" and "storage" not in {**item.get("min", {}), **item.get("max", {})}:
            detail = "either minimum or maximum storage value is required, but neither was provided"
            errors.append(required(f"{path}.limits", detail))
        fields = ("min", "max", "default", "defaultRequest", "maxLimitRequestRatio")
        for name in dict.fromkeys(name for field in fields for name in item.get(field, {})):
            _append_amount_errors(errors, item, name, path)
    return errors


def _append_amount_errors(errors: list[FieldError], item: Json, name: str, path: str) -> None:
    least, most = item.get("min", {}).get(name), item.get("max", {}).get(name)
    default, request = item.get("default", {}).get(name), item.get("defaultRequest", {}).get(name)
    ratio = item.get("maxLimitRequestRatio", {}).get(name)

    def compare(small: str | None, large: str | None, field: str, value: str | None, words: tuple[str, str]) -> None:
        if small is not None and large is not None and quantity.parse(small) > quantity.parse(large):
            detail = f"{words[0]} value {small} is greater than {words[1]} value {large}"
            errors.append(invalid(f"{path}.{field}[{name}]", value, detail))

    compare(least, most, "min", least, ("min", "max"))
    compare(least, request, "defaultRequest", request, ("min", "default request"))
    compare(request, most, "defaultRequest", request, ("default request", "max"))
    compare(request, default, "defaultRequest", request, ("default request", "default limit"))
    compare(least, default, "default", least, ("min", "default"))
    compare(default, most, "default", most, ("default", "max"))
    if ratio is not None and quantity.parse(ratio) < 1:
        detail = f"ratio {ratio} is less than 1"
        errors.append(invalid(f"{path}.maxLimitRequestRatio[{name}]", ratio, detail))


LIMIT_RANGE = Kind(
    group="",
    version="v1",
    kind="LimitRange",
    plural="limitranges",
    singular="limitrange",
    namespaced=True,
    short_names=("limits",),
    name_errors=names.dns_subdomain,
    set_defaults=_set_defaults,
    validate=_validate,
    table_view=LimitRangeRow,
    columns=(NAME, columns.CREATED_AT),
)
