"""Services and their endpoints by the names and addresses that DNS asks for."""

import ipaddress
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from nodeagent.network.views import EndpointSliceView, ServiceView


class Source(Protocol):
    """What the directory reads; `state.ClusterState` is one."""

    @property
    def known(self) -> bool: ...
    @property
    def services(self) -> Mapping[str, ServiceView]: ...
    def slices_of(self, service_key: str) -> Iterable[EndpointSliceView]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedPort:
    name: str
    protocol: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One Service as DNS sees it. `hosts` are its ready endpoints by host name, in a settled order."""

    namespace: str
    name: str
    external_name: str = ""
    headless: bool = False
    addresses: tuple[str, ...] = ()
    ports: tuple[NamedPort, ...] = ()
    hosts: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])


def entry(service: ServiceView, slices: Iterable[EndpointSliceView]) -> Entry:
    """Compile one Service. A headless one has the addresses of its ready endpoints and the ports they listen on."""
    spec, meta = service.spec, service.metadata
    if spec.type == "ExternalName":
        target = spec.external_name.rstrip(".")
        return Entry(namespace=meta.namespace, name=meta.name, external_name=target if _is_name(target) else "")
    hosts: dict[str, dict[str, None]] = {}
    endpoint_ports: dict[NamedPort, None] = {}
    for piece in slices:
        if piece.address_type not in {"IPv4", "IPv6"}:
            continue
        for port in piece.ports or ():
            if port.port:
                protocol = (port.protocol or "TCP").lower()
                endpoint_ports[NamedPort(name=port.name or "", protocol=protocol, port=port.port)] = None
        for endpoint in piece.endpoints or ():
            if endpoint.ready:
                for address in endpoint.addresses[:1]:
                    hosts.setdefault((endpoint.hostname or host_of(address)).lower(), {})[address] = None
    by_host = {host: tuple(sorted(found)) for host, found in sorted(hosts.items())}
    headless = spec.cluster_ip in {"", "None"}
    if headless:
        addresses = tuple(sorted({address for found in by_host.values() for address in found}))
        ports = tuple(endpoint_ports)
    else:
        addresses = spec.cluster_ips or (spec.cluster_ip,)
        ports = tuple(NamedPort(name=p.name, protocol=p.protocol.lower(), port=p.port) for p in spec.ports or ())
    return Entry(
        namespace=meta.namespace,
        name=meta.name,
        headless=headless,
        addresses=addresses,
        ports=ports,
        hosts=by_host,
    )


def _is_name(text: str) -> bool:
    return len(text) < 254 and text.isascii() and all(0 < len(label) < 64 for label in text.split("."))


def host_of(address: str) -> str:
    """The host name of an endpoint that has none: its address with dashes."""
    return address.replace(".", "-").replace(":", "-")


class Directory:
    """Entries by key, by namespace and by address. `changed` is cheap; the work is done at the next question."""

    def __init__(self, source: Source) -> None:
        self.generation = 0
        self._source = source
        self._entries: dict[str, Entry] = {}
        self._namespaces: Counter[str] = Counter()
        self._by_address: dict[str, set[str]] = {}
        self._stale: set[str] = set(source.services)

    @property
    def known(self) -> bool:
        """Whether there is anything to answer from."""
        return self._source.known

    def changed(self, service_key: str) -> None:
        self.generation += 1
        self._stale.add(service_key)

    def service(self, namespace: str, name: str) -> Entry | None:
        self._refresh()
        return self._entries.get(f"{namespace}/{name}")

    def has_namespace(self, namespace: str) -> bool:
        self._refresh()
        return self._namespaces[namespace] > 0

    def by_address(self, address: str) -> list[Entry]:
        """The Services that have this address, or an endpoint with it."""
        self._refresh()
        return [self._entries[name] for name in sorted(self._by_address.get(address, ()))]

    def _refresh(self) -> None:
        while self._stale:
            name = self._stale.pop()
            old = self._entries.pop(name, None)
            if old is not None:
                self._namespaces[old.namespace] -= 1
                for address in _addresses(old):
                    owners = self._by_address.get(address, set())
                    owners.discard(name)
                    if not owners:
                        self._by_address.pop(address, None)
            service = self._source.services.get(name)
            if service is None:
                continue
            new = self._entries[name] = entry(service, self._source.slices_of(name))
            self._namespaces[new.namespace] += 1
            for address in _addresses(new):
                self._by_address.setdefault(address, set()).add(name)


def _addresses(found: Entry) -> set[str]:
    every = [*found.addresses, *(address for addresses in found.hosts.values() for address in addresses)]
    return {_canonical(address) for address in every}


def _canonical(address: str) -> str:
    return str(ipaddress.ip_address(address)) if ":" in address else address
