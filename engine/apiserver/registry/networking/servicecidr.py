"""ServiceCIDR: a range that Services take their addresses from.

Source: pkg/apis/networking/validation/validation.go and pkg/registry/networking/servicecidr.
"""

from __future__ import annotations

import ipaddress

import msgspec

from apimachinery.objects.field import FieldError, immutable, invalid, required
from engine.apiserver.registry import columns, metadata, names, status
from engine.apiserver.registry.kind import Json, Kind
from engine.apiserver.registry.views import AGE, NAME, Metadata

_CIDRS = "spec.cidrs"
_MOST = 2


class _Spec(msgspec.Struct, frozen=True):
    cidrs: list[str] = []


class ServiceCIDRRow(msgspec.Struct, frozen=True):
    """What the table cells read."""

    metadata: Metadata
    spec: _Spec = _Spec()


def _validate(obj: Json) -> list[FieldError]:
    spec: Json = obj.get("spec", {})
    cidrs: list[str] = spec.get("cidrs") or []
    if not cidrs:
        return [required(_CIDRS, "at least one CIDR required")]
    if len(cidrs) > _MOST:
        return [invalid(_CIDRS, spec, "may only hold up to 2 values")]
    networks = [_network(cidr) for cidr in cidrs]
    versions = {network.version for network in networks if network is not None}
    if len(cidrs) == _MOST and len(versions) < _MOST:
        detail = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
        return [invalid(_CIDRS, spec, detail)]
    return [
        invalid(f"{_CIDRS}[{index}]", cidr, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")
        for index, cidr in enumerate(cidrs)
        if networks[index] is None
    ]


def _validate_update(new: Json, old: Json) -> list[FieldError]:
    """A second family may be added, behind the first; what is there stays."""
    after: list[str] = new.get("spec", {}).get("cidrs") or []
    before: list[str] = old.get("spec", {}).get("cidrs") or []
    if len(after) < len(before):
        return [immutable(_CIDRS, after)]
    return [immutable(f"{_CIDRS}[{at}]", after[at]) for at, cidr in enumerate(before) if after[at] != cidr]


def _network(cidr: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(cidr, strict=False) if "/" in cidr else None
    except ValueError:
        return None


SERVICE_CIDR = Kind(
    group="networking.k8s.io",
    version="v1",
    kind="ServiceCIDR",
    plural="servicecidrs",
    singular="servicecidr",
    namespaced=False,
    subresources={"status": status.STATUS},
    name_errors=names.dns_subdomain,
    validate=_validate,
    validate_update=_validate_update,
    prepare_create=status.begin_without,
    prepare_update=metadata.keep("status"),
    table_view=ServiceCIDRRow,
    columns=(
        NAME,
        columns.text(
            "CIDRs",
            lambda view: ",".join(view.spec.cidrs),
            'CIDRs defines the IP blocks in CIDR notation (e.g. "192.168.0.0/24" or "2001:db8::/64") from which to'
            " assign service cluster IPs. Max of two CIDRs is allowed, one of each IP family. This field is immutable.",
        ),
        AGE,
    ),
)
