"""Lease: a sign of life, or a claim to lead, for a time. Those of machines are kept in memory by the store."""

from __future__ import annotations

import msgspec

from apimachinery.objects.field import FieldError, invalid
from engine.apiserver.registry import names
from engine.apiserver.registry.kind import Column, Json, Kind
from engine.apiserver.registry.views import AGE, NAME, Metadata


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    holder_identity: str = ""


class LeaseRow(msgspec.Struct, frozen=True):
    """What the table cells read."""

    metadata: Metadata
    spec: _Spec = _Spec()


def _validate(obj: Json) -> list[FieldError]:
    spec: Json = obj.get("spec", {})
    errors: list[FieldError] = []
    duration, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if duration is not None and duration <= 0:
        errors.append(invalid("spec.leaseDurationSeconds", duration, "must be greater than 0"))
    if transitions is not None and transitions < 0:
        errors.append(invalid("spec.leaseTransitions", transitions, "must be greater than or equal to 0"))
    return errors


LEASE = Kind(
    group="coordination.k8s.io",
    version="v1",
    kind="Lease",
    plural="leases",
    singular="lease",
    namespaced=True,
    name_errors=names.dns_subdomain,
    validate=_validate,
    allow_create_on_update=True,
    allow_unconditional_update=False,
    table_view=LeaseRow,
    columns=(
        NAME,
        Column(
            name="Holder",
            cell=lambda view: view.spec.holder_identity,
            description="holderIdentity contains the identity of the holder of a current lease.",
        ),
        AGE,
    ),
)
