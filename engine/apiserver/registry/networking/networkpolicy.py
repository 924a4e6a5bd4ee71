"""NetworkPolicy: which traffic the pods that it selects may take part in."""

from __future__ import annotations

import ipaddress
from typing import Any

import msgspec

from apimachinery.objects.field import FieldError, forbidden, invalid, not_supported, required
from engine.apiserver.registry import columns, metadata, names
from engine.apiserver.registry.kind import Context, Json, Kind
from engine.apiserver.registry.labelselector import append_selector_errors
from engine.apiserver.registry.views import AGE, NAME, Metadata, Selector, selector_text

_PROTOCOLS = ("SCTP", "TCP", "UDP")
_TYPES = ("Egress", "Ingress")


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    pod_selector: Selector = Selector()


class NetworkPolicyRow(msgspec.Struct, frozen=True):
    """What the table cells read."""

    metadata: Metadata
    spec: _Spec = _Spec()


def _rules(spec: Json) -> list[tuple[str, str, Json]]:
    """(path, the field that names the other side, rule)."""
    return [
        (f"spec.{direction}[{index}]", side, rule)
        for direction, side in (("ingress", "from"), ("egress", "to"))
        for index, rule in enumerate(spec.get(direction, ()))
    ]


def _set_defaults(obj: Json) -> None:
    spec: Json = obj.setdefault("spec", {})
    spec.setdefault("podSelector", {})
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
    for _, _, rule in _rules(spec):
        for port in rule.get("ports", ()):
            port.setdefault("protocol", "TCP")


def _validate(obj: Json) -> list[FieldError]:
    spec: Json = obj["spec"]
    errors: list[FieldError] = []
    append_selector_errors(errors, spec.get("podSelector"), "spec.podSelector")
    for path, side, rule in _rules(spec):
        for index, port in enumerate(rule.get("ports", ())):
            _append_port_errors(errors, port, f"{path}.ports[{index}]")
        for index, peer in enumerate(rule.get(side, ())):
            _append_peer_errors(errors, peer, f"{path}.{side}[{index}]")
    kinds: list[str] = spec["policyTypes"]
    if len(kinds) > 2:
        errors.append(invalid("spec.policyTypes", kinds, "may not specify more than two policyTypes"))
        return errors
    errors += (
        not_supported(f"spec.policyTypes[{index}]", kind, _TYPES)
        for index, kind in enumerate(kinds)
        if kind not in _TYPES
    )
    return errors


def _append_port_errors(errors: list[FieldError], entry: Json, path: str) -> None:
    if entry["protocol"] not in _PROTOCOLS:
        errors.append(not_supported(f"{path}.protocol", entry["protocol"], _PROTOCOLS))
    port, last = entry.get("port"), entry.get("endPort")
    if isinstance(port, int):
        errors += (invalid(f"{path}.port", port, message) for message in names.port_number(port))
    elif port is not None:
        errors += (invalid(f"{path}.port", port, message) for message in names.port_name(port))
    if last is None:
        return
    if port is None:
        errors.append(required(f"{path}.port", "must be specified when `endPort` is specified"))
    elif isinstance(port, str):
        detail = "may not be specified when `port` is non-numeric"
        errors.append(invalid(f"{path}.endPort", last, detail))
    elif last < port:
        errors.append(invalid(f"{path}.endPort", last, "must be greater than or equal to `port`"))
    errors += (invalid(f"{path}.endPort", last, message) for message in names.port_number(last))


def _append_peer_errors(errors: list[FieldError], peer: Json, path: str) -> None:
    for field in ("podSelector", "namespaceSelector"):
        append_selector_errors(errors, peer.get(field), f"{path}.{field}")
    if not peer:
        errors.append(required(path, "must specify a peer"))
    elif "ipBlock" in peer:
        if len(peer) > 1:
            errors.append(forbidden(path, "may not specify both ipBlock and another peer"))
        _append_block_errors(errors, peer["ipBlock"], f"{path}.ipBlock")


def _append_block_errors(errors: list[FieldError], block: Json, path: str) -> None:
    cidr = block.get("cidr", "")
    if not cidr:
        errors.append(required(f"{path}.cidr"))
        return
    whole = _network(cidr)
    if whole is None:
        errors.append(invalid(f"{path}.cidr", cidr, _NO_CIDR))
        return
    for index, text in enumerate(block.get("except", ())):
        here = f"{path}.except[{index}]"
        part = _network(text)
        if part is None:
            errors.append(invalid(here, text, _NO_CIDR))
        elif part.version != whole.version or part == whole or not part.subnet_of(whole):
            errors.append(invalid(here, text, "must be a strict subset of `cidr`"))


_NO_CIDR = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"


def _network(text: str) -> Any:
    try:
        return ipaddress.ip_network(text, strict=False) if "/" in text else None
    except ValueError:
        return None


def _prepare_create(obj: Json, _context: Context) -> None:
    obj["metadata"]["generation"] = 1


def _prepare_update(new: Json, old: Json, _context: Context) -> None:
    metadata.bump_generation_if_changed(new, old)


NETWORK_POLICY = Kind(
    group="networking.k8s.io",
    version="v1",
    kind="NetworkPolicy",
    plural="networkpolicies",
    singular="networkpolicy",
    namespaced=True,
    short_names=("netpol",),
    name_errors=names.dns_subdomain,
    set_defaults=_set_defaults,
    validate=_validate,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    table_view=NetworkPolicyRow,
    columns=(
        NAME,
        columns.text(
            "Pod-Selector",
            lambda view: selector_text(view.spec.pod_selector),
            "podSelector selects the pods to which this NetworkPolicy object applies.",
        ),
        AGE,
    ),
)
