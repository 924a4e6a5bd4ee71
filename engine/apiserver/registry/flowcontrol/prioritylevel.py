"""PriorityLevelConfiguration: how many requests of a kind may be worked on at once.

Source: pkg/apis/flowcontrol/validation/validation.go and pkg/apis/flowcontrol/v1/defaults.go.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from apimachinery.objects.field import FieldError, forbidden, invalid, not_supported, required
from engine.apiserver.registry import columns, names, status
from engine.apiserver.registry.flowcontrol.bootstrap import EXEMPT, PRIORITY_LEVELS
from engine.apiserver.registry.flowcontrol.flowschema import prepare_create
from engine.apiserver.registry.kind import Cell, Json, Kind
from engine.apiserver.registry.views import AGE, NAME, NONE, Metadata

_MOST_QUEUES = 10_000_000


class _Queuing(msgspec.Struct, frozen=True, rename="camel"):
    queues: int = 0
    hand_size: int = 0
    queue_length_limit: int = 0


class _Response(msgspec.Struct, frozen=True):
    queuing: _Queuing | None = None


class _Shares(msgspec.Struct, frozen=True, rename="camel"):
    nominal_concurrency_shares: int | None = None
    limit_response: _Response = _Response()


class _Spec(msgspec.Struct, frozen=True):
    type: str = ""
    limited: _Shares | None = None


class PriorityLevelRow(msgspec.Struct, frozen=True):
    """What the table cells read."""

    metadata: Metadata
    spec: _Spec = _Spec()


def _shares(view: PriorityLevelRow) -> Cell:
    limited = view.spec.limited
    return NONE if limited is None else str(limited.nominal_concurrency_shares or 0)


def _queuing(view: PriorityLevelRow, field: str) -> Cell:
    limited = view.spec.limited
    queuing = limited.limit_response.queuing if limited is not None else None
    return NONE if queuing is None else str(getattr(queuing, field))


def _set_defaults(obj: Json) -> None:
    spec: Json = obj.setdefault("spec", {})
    if spec.get("type") == "Exempt" and spec.get("exempt") is None and not spec.get("limited"):
        spec["exempt"] = {}
    for part, shares in (("exempt", 0), ("limited", 30)):
        settings: Json | None = spec.get(part)
        if settings is not None:
            settings.setdefault("nominalConcurrencyShares", shares)
            settings.setdefault("lendablePercent", 0)
    response: Json = (spec.get("limited") or {}).get("limitResponse") or {}
    queuing: Json | None = response.get("queuing")
    if queuing is not None:
        for field, value in (("queues", 64), ("handSize", 8), ("queueLengthLimit", 50)):
            if not queuing.get(field):
                queuing[field] = value


def _validate(obj: Json) -> list[FieldError]:
    spec: Json = obj.get("spec", {})
    name: str = obj.get("metadata", {}).get("name", "")
    kind: str = spec.get("type", "")
    errors: list[FieldError] = []
    fixed = PRIORITY_LEVELS.get(name)
    if fixed is not None and name != EXEMPT and spec != fixed:
        errors.append(invalid("spec", spec, f"spec of '{name}' must equal the fixed value"))
    if (name == EXEMPT) != (kind == "Exempt"):
        errors.append(invalid("spec.type", kind, "type must be 'Exempt' if and only if name is 'exempt'"))
    match kind:
        case "Exempt":
            if spec.get("limited") is not None:
                errors.append(forbidden("spec.limited", "must be nil if the type is not Limited"))
            errors += _lendable_errors(spec.get("exempt") or {}, "spec.exempt")
        case "Limited":
            if spec.get("exempt") is not None:
                errors.append(forbidden("spec.exempt", "must be nil if the type is Limited"))
            if spec.get("limited") is None:
                errors.append(required("spec.limited", "must not be empty when type is Limited"))
            else:
                errors += _limited_errors(spec["limited"])
        case _:
            errors.append(not_supported("spec.type", kind, ("Exempt", "Limited")))
    return errors


def _lendable_errors(settings: Json, path: str) -> Iterator[FieldError]:
    percent = settings.get("lendablePercent")
    if percent is not None and not 0 <= percent <= 100:
        yield invalid(f"{path}.lendablePercent", percent, "must be between 0 and 100, inclusive")
    shares = settings.get("nominalConcurrencyShares")
    if shares is not None and shares < 0:
        yield invalid(f"{path}.nominalConcurrencyShares", shares, "must be a non-negative integer")


def _limited_errors(limited: Json) -> Iterator[FieldError]:
    yield from _lendable_errors(limited, "spec.limited")
    percent = limited.get("borrowingLimitPercent")
    if percent is not None and percent < 0:
        yield invalid("spec.limited.borrowingLimitPercent", percent, "if specified, must be a non-negative integer")
    response: Json = limited.get("limitResponse") or {}
    path = "spec.limited.limitResponse"
    queuing: Json | None = response.get("queuing")
    match response.get("type", ""):
        case "Reject":
            if queuing is not None:
                yield forbidden(f"{path}.queuing", "must be nil if limited.limitResponse.type is not Limited")
        case "Queue":
            if queuing is None:
                yield required(f"{path}.queuing", "must not be empty if limited.limitResponse.type is Limited")
            else:
                yield from _queuing_errors(queuing, f"{path}.queuing")
        case other:
            yield not_supported(f"{path}.type", other, ("Queue", "Reject"))


def _queuing_errors(queuing: Json, path: str) -> Iterator[FieldError]:
    queues, hand = queuing.get("queues", 0), queuing.get("handSize", 0)
    for field in ("queueLengthLimit", "queues", "handSize"):
        if queuing.get(field, 0) <= 0:
            yield invalid(f"{path}.{field}", queuing.get(field, 0), "must be positive")
    if queues > _MOST_QUEUES:
        yield invalid(f"{path}.queues", queues, "must not be greater than 10000000")
    if hand > queues > 0:
        detail = f"should not be greater than queues ({queues})"
        yield invalid(f"{path}.handSize", hand, detail)


PRIORITY_LEVEL_CONFIGURATION = Kind(
    group="flowcontrol.apiserver.k8s.io",
    version="v1",
    kind="PriorityLevelConfiguration",
    plural="prioritylevelconfigurations",
    singular="prioritylevelconfiguration",
    namespaced=False,
    subresources={"status": status.STATUS},
    name_errors=names.dns_subdomain,
    set_defaults=_set_defaults,
    validate=_validate,
    prepare_create=prepare_create,
    prepare_update=status.change_without,
    table_view=PriorityLevelRow,
    columns=(
        NAME,
        columns.text(
            "Type",
            lambda view: view.spec.type,
            "`type` indicates whether this priority level is subject to limitation on request execution.",
        ),
        columns.text(
            "NominalConcurrencyShares",
            _shares,
            "`nominalConcurrencyShares` (NCS) contributes to the computation of the NominalConcurrencyLimit.",
        ),
        columns.text("Queues", lambda view: _queuing(view, "queues"), "`queues` is the number of queues."),
        columns.text("HandSize", lambda view: _queuing(view, "hand_size"), "`handSize` is a small positive number."),
        columns.text(
            "QueueLengthLimit",
            lambda view: _queuing(view, "queue_length_limit"),
            "`queueLengthLimit` is the maximum number of requests allowed to be waiting in a given queue.",
        ),
        AGE,
    ),
)
