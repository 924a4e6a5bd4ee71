"""EndpointSlices of hand-made Endpoints: what people write for a Service without a selector, where everybody looks."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address

import msgspec

from apimachinery.objects.meta import key
from apimachinery.objects.resources import ENDPOINTS, ENDPOINTSLICES
from engine.controllers.actions import About, Action, Create, Delete, Emit, Json, Note, Patch
from engine.controllers.controller import Moment, Reader, Watch
from engine.controllers.endpoints import ENDPOINTS_SOURCE, Endpoints
from engine.controllers.endpointslice import (
    MANAGED_BY,
    SERVICE_NAME,
    SERVICE_SOURCE,
    SLICE_SOURCE,
    TRIGGER_TIME,
    EndpointSlice,
    Service,
)
from engine.controllers.ownership import owner_reference

MANAGER = "endpointslicemirroring-controller.k8s.io"
SKIP = "endpointslice.kubernetes.io/skip-mirror"
LEADER = "control-plane.alpha.kubernetes.io/leader"
MOST_ADDRESSES = 1000
"""Of each subset, and in each slice."""
_NOT_COPIED = frozenset([TRIGGER_TIME, "kubectl.kubernetes.io/last-applied-configuration"])

Group = tuple[str, str]
"""Address type, and the ports as JSON: endpoints that agree in both share slices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    endpoints: Endpoints | None
    service: Service | None
    slices: tuple[EndpointSlice, ...]
    """Those that mirror the Endpoints of this name."""


def plan(observed: Observed) -> list[Action]:
    endpoints, service = observed.endpoints, observed.service
    if endpoints is None or service is None or service.spec.selector or not _is_to_be_mirrored(endpoints):
        return [_delete(piece) for piece in observed.slices]
    wanted, told = _wanted(endpoints)
    actions: list[Action] = []
    present: dict[Group, list[EndpointSlice]] = {}
    for piece in sorted(observed.slices, key=lambda s: (s.metadata.creation_timestamp or "", s.metadata.name)):
        present.setdefault((piece.address_type, _text(piece.ports or [])), []).append(piece)
    for group, found in wanted.items():
        pieces = present.pop(group, [])
        batches = [found[i : i + MOST_ADDRESSES] for i in range(0, len(found), MOST_ADDRESSES)]
        for piece, batch in zip(pieces, batches, strict=False):
            actions += _update(endpoints, piece, batch)
        actions += [_create(endpoints, group, batch) for batch in batches[len(pieces) :]]
        actions += [_delete(piece) for piece in pieces[len(batches) :]]
    actions += [_delete(piece) for pieces in present.values() for piece in pieces]
    return actions + told if actions else []


def _is_to_be_mirrored(endpoints: Endpoints) -> bool:
    meta = endpoints.metadata
    return meta.deletion_timestamp is None and meta.labels.get(SKIP) != "true" and LEADER not in meta.annotations


def _wanted(endpoints: Endpoints) -> tuple[dict[Group, list[Json]], list[Action]]:
    """The endpoints of each group of slices, and what has to be said about those that are left out."""
    wanted: dict[Group, dict[str, Json]] = {}
    invalid = skipped = 0
    for subset in endpoints.subsets or ():
        ports = _text(_ports(subset.get("ports") or []))
        taken = 0
        for field, ready in (("addresses", True), ("notReadyAddresses", False)):
            for address in subset.get(field) or ():
                family = _family(address.get("ip", ""))
                if family is None:
                    invalid += 1
                elif taken >= MOST_ADDRESSES:
                    skipped += 1
                else:
                    taken += 1
                    # Of an address that is both ready and not, the better word counts.
                    wanted.setdefault((family, ports), {}).setdefault(address["ip"], _endpoint(address, ready=ready))
    told: list[Action] = []
    if invalid:
        text = f"Skipped {invalid} invalid IP addresses when mirroring to EndpointSlices"
        told.append(_warning(endpoints, "InvalidIPAddress", text))
    if skipped:
        text = (
            f"A max of {MOST_ADDRESSES} addresses can be mirrored to EndpointSlices per Endpoints subset. "
            f"{skipped} addresses were skipped"
        )
        told.append(_warning(endpoints, "TooManyAddressesToMirror", text))
    return {group: list(found.values()) for group, found in wanted.items()}, told


def _family(ip: str) -> str | None:
    try:
        return f"IPv{ip_address(ip).version}"
    except ValueError:
        return None


def _endpoint(address: Json, *, ready: bool) -> Json:
    kept = {field: address[field] for field in ("hostname", "nodeName", "targetRef") if address.get(field)}
    return {"addresses": [address["ip"]], "conditions": {"ready": ready}, **kept}


def _ports(ports: Iterable[Json]) -> list[Json]:
    """As the API shows the ports of a slice, so that what was written is found again."""
    return [
        {
            "name": port.get("name") or "",
            "protocol": port.get("protocol") or "TCP",
            "port": port["port"],
            **({"appProtocol": port["appProtocol"]} if port.get("appProtocol") else {}),
        }
        for port in ports
    ]


def _text(ports: list[Json]) -> str:
    return msgspec.json.encode(_ports(ports)).decode()


def _update(endpoints: Endpoints, piece: EndpointSlice, content: list[Json]) -> list[Action]:
    meta = piece.metadata
    labels, annotations = _labels(endpoints), _annotations(endpoints)
    if meta.labels == labels and meta.annotations == annotations and (piece.endpoints or []) == content:
        return []
    changed: Json = {
        "labels": {**dict.fromkeys(meta.labels.keys() - labels.keys()), **labels},
        "annotations": {**dict.fromkeys(meta.annotations.keys() - annotations.keys()), **annotations},
    }
    return [
        Patch(
            resource=ENDPOINTSLICES,
            namespace=meta.namespace,
            name=meta.name,
            uid=meta.uid,
            resource_version=meta.resource_version,
            body={"metadata": changed, "endpoints": content},
        )
    ]


def _create(endpoints: Endpoints, group: Group, content: list[Json]) -> Create:
    family, ports = group
    meta = endpoints.metadata
    body: Json = {
        "apiVersion": ENDPOINTSLICES.api_version,
        "kind": ENDPOINTSLICES.kind,
        "metadata": {
            "generateName": f"{meta.name}-",
            "namespace": meta.namespace,
            "labels": _labels(endpoints),
            "annotations": _annotations(endpoints),
            "ownerReferences": [owner_reference(ENDPOINTS, endpoints)],
        },
        "addressType": family,
        "endpoints": content,
        "ports": msgspec.json.decode(ports),
    }
    return Create(resource=ENDPOINTSLICES, namespace=meta.namespace, body=body)


def _labels(endpoints: Endpoints) -> dict[str, str]:
    meta = endpoints.metadata
    return {**meta.labels, SERVICE_NAME: meta.name, MANAGED_BY: MANAGER}


def _annotations(endpoints: Endpoints) -> dict[str, str]:
    return {name: value for name, value in endpoints.metadata.annotations.items() if name not in _NOT_COPIED}


def _delete(piece: EndpointSlice) -> Delete:
    meta = piece.metadata
    return Delete(resource=ENDPOINTSLICES, namespace=meta.namespace, name=meta.name, uid=meta.uid)


def _warning(endpoints: Endpoints, reason: str, message: str) -> Emit:
    return Emit(note=Note(about=About.of(ENDPOINTS, endpoints), reason=reason, message=message, type="Warning"))


class EndpointSliceMirroringController:
    name = "endpointslicemirroring"
    component = "endpoint-slice-mirroring-controller"

    def __init__(self) -> None:
        self.watches = (
            Watch(ENDPOINTS_SOURCE, lambda endpoints, _: [key(endpoints)]),
            Watch(SERVICE_SOURCE, lambda service, _: [key(service)]),
            Watch(SLICE_SOURCE, _endpoints_of_slice),
        )

    async def observe(self, key: str, reader: Reader, moment: Moment) -> Observed | None:  # noqa: ARG002
        slices = tuple(piece for piece in reader.by_index(SLICE_SOURCE, "service", key) if _is_ours(piece))
        endpoints, service = reader.get(ENDPOINTS_SOURCE, key), reader.get(SERVICE_SOURCE, key)
        if not slices and (endpoints is None or service is None or service.spec.selector):
            return None
        return Observed(endpoints=endpoints, service=service, slices=slices)

    def plan(self, observed: Observed) -> list[Action]:
        return plan(observed)


def _is_ours(piece: EndpointSlice) -> bool:
    return piece.metadata.labels.get(MANAGED_BY) == MANAGER


def _endpoints_of_slice(piece: EndpointSlice, _reader: Reader) -> Iterable[str]:
    return [f"{piece.metadata.namespace}/{piece.metadata.labels.get(SERVICE_NAME, '')}"] if _is_ours(piece) else []
