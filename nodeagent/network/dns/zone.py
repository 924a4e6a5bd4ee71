"""What a name of the cluster means."""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from nodeagent.network.dns.directory import Directory, Entry, NamedPort
from nodeagent.network.layout import is_ipv4

RecordType = Literal["A", "AAAA", "CNAME", "NS", "PTR", "SOA", "SRV", "TXT"]
SCHEMA_VERSION = "1.1.0"
TTL = 5
"""Seconds, as CoreDNS has it: a question costs little here, a stale address may cost a failed request."""

Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """`data`: an address, a name without the last dot, a text, or for SRV `priority weight port target`."""

    name: str
    type: RecordType
    data: str
    ttl: int = TTL


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What to say. Without records and with `exists` it is NODATA, without `exists` NXDOMAIN.

    `zone` owns the SOA of a negative answer. `follow` is a name outside whose records belong to the answer as well.
    """

    zone: str
    exists: bool = True
    records: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()
    follow: str = ""


class Zone:
    """Authoritative for the cluster's domain and for the reverse names of its two networks.

    `built_in` are addresses by `namespace/name` of Services to speak for until they are known.
    """

    def __init__(
        self, directory: Directory, domain: str, dns_address: str, networks: Iterable[str], built_in: Mapping[str, str]
    ) -> None:
        self.domain = domain
        self._directory = directory
        self._suffix = tuple(domain.split("."))
        self._dns_address = dns_address
        self._networks = [ipaddress.IPv4Network(network) for network in networks]
        self._built_in = built_in

    @property
    def known(self) -> bool:
        return self._directory.known

    @property
    def generation(self) -> int:
        """Moves on whenever an answer may have changed."""
        return self._directory.generation

    def answer(self, labels: Labels, qtype: str) -> Answer | None:
        """The answer for a name in lower case, None when it is not ours to give. ANY is answered as A."""
        if labels[-len(self._suffix) :] == self._suffix:
            return self._inside(labels, labels[: -len(self._suffix)], "A" if qtype == "ANY" else qtype)
        if labels[-2:] == ("in-addr", "arpa"):
            return self._reverse(labels, qtype)
        return None

    def soa(self, owner: str) -> Record:
        data = f"ns.dns.{self.domain} hostmaster.{self.domain} {self.generation % 2**32} 7200 1800 86400 {TTL}"
        return Record(owner, "SOA", data)

    def _inside(self, labels: Labels, path: Labels, qtype: str) -> Answer:
        name = ".".join(labels)
        match path:
            case ():
                return self._apex(name, qtype)
            case ("dns-version",):
                return self._just(name, qtype, "TXT", (SCHEMA_VERSION,))
            case ("dns",):
                return Answer(zone=self.domain)
            case ("ns", "dns"):
                return self._just(name, qtype, "A", (self._dns_address,))
            case ("svc",) | ("pod",):
                return Answer(zone=self.domain)
            case (*rest, "svc"):
                return self._below_svc(name, tuple(rest), qtype)
            case (_, "pod"):
                return Answer(zone=self.domain)
            case (host, _, "pod"):
                return self._pod(name, host, qtype)
            case _:
                return self._unknown()

    def _apex(self, name: str, qtype: str) -> Answer:
        if qtype == "SOA":
            return Answer(zone=self.domain, records=(self.soa(name),))
        return self._just(name, qtype, "NS", (f"ns.dns.{self.domain}",))

    def _below_svc(self, name: str, path: Labels, qtype: str) -> Answer:
        namespace = path[-1]
        if len(path) == 1:
            spoken_for = any(key.startswith(f"{namespace}/") for key in self._built_in)
            known = spoken_for or self._directory.has_namespace(namespace)
            return Answer(zone=self.domain, exists=known)
        found = self._service(namespace, path[-2])
        if found is None:
            return self._unknown()
        match path[:-2]:
            case ():
                return self._of_service(name, found, qtype)
            case (port, protocol) if port.startswith("_") and protocol.startswith("_"):
                ports = [p for p in found.ports if p.name == port[1:] and p.protocol == protocol[1:]]
                return self._srv(name, found, ports, qtype) if ports else self._unknown()
            case (label,) if label.startswith("_"):
                return Answer(zone=self.domain, exists=any(p.protocol == label[1:] for p in found.ports))
            case (host,) if host in found.hosts:
                return self._addresses(name, found.hosts[host], qtype)
            case _:
                return self._unknown()

    def _service(self, namespace: str, name: str) -> Entry | None:
        found = self._directory.service(namespace, name)
        if found is None:
            address = self._built_in.get(f"{namespace}/{name}")
            return Entry(namespace=namespace, name=name, addresses=(address,)) if address else None
        return found

    def _of_service(self, name: str, found: Entry, qtype: str) -> Answer:
        if found.external_name:
            return self._alias(name, found.external_name, qtype)
        if qtype == "SRV":
            return self._srv(name, found, found.ports, qtype)
        return self._addresses(name, found.addresses, qtype)

    def _alias(self, name: str, target: str, qtype: str) -> Answer:
        records: list[Record] = []
        while not any(record.name == name for record in records):
            records.append(Record(name, "CNAME", target))
            if qtype == "CNAME":
                break
            labels = tuple(target.lower().split("."))
            if labels[-len(self._suffix) :] != self._suffix:
                return Answer(zone=self.domain, records=tuple(records), follow=target)
            further = self._external_name(labels)
            if not further:
                onward = self._inside(labels, labels[: -len(self._suffix)], qtype)
                records += onward.records
                break
            name, target = target.lower(), further
        return Answer(zone=self.domain, records=tuple(records))

    def _external_name(self, labels: Labels) -> str:
        match labels[: -len(self._suffix)]:
            case (name, namespace, "svc"):
                found = self._service(namespace, name)
                return found.external_name if found is not None else ""
            case _:
                return ""

    def _srv(self, name: str, found: Entry, ports: Iterable[NamedPort], qtype: str) -> Answer:
        if qtype != "SRV":
            return Answer(zone=self.domain)
        service_name = f"{found.name}.{found.namespace}.svc.{self.domain}"
        targets: dict[str, tuple[str, ...]] = {service_name: found.addresses}
        if found.headless:
            targets = {f"{host}.{service_name}": addresses for host, addresses in found.hosts.items()}
        wanted = [(port.port, target) for port in ports for target in targets]
        weight = max(1, 100 // len(wanted)) if wanted else 0
        records = tuple(Record(name, "SRV", f"0 {weight} {port} {target}") for port, target in wanted)
        additional = tuple(
            Record(target, "AAAA" if ":" in address else "A", address)
            for target in dict.fromkeys(target for _, target in wanted)
            for address in targets[target]
        )
        return Answer(zone=self.domain, records=records, additional=additional)

    def _pod(self, name: str, host: str, qtype: str) -> Answer:
        address = host.replace("-", ".")
        if is_ipv4(address):
            return self._addresses(name, (address,), qtype)
        try:
            parsed = ipaddress.IPv6Address(host.replace("-", ":"))
        except ValueError:
            return self._unknown()
        if parsed.scope_id is not None:
            return self._unknown()
        return self._addresses(name, (str(parsed),), qtype)

    def _reverse(self, labels: Labels, qtype: str) -> Answer | None:
        address = ".".join(reversed(labels[:-2]))
        if not is_ipv4(address):
            return None
        names = tuple(n for found in self._directory.by_address(address) for n in self._names(found, address))
        network = next((n for n in self._networks if ipaddress.IPv4Address(address) in n), None)
        if not names and network is None:
            return None
        zone = _reverse_zone(network) if network is not None else ".".join(labels)
        if not names:
            return Answer(zone=zone, exists=False)
        records = tuple(Record(".".join(labels), "PTR", n) for n in names) if qtype in {"PTR", "ANY"} else ()
        return Answer(zone=zone, records=records)

    def _names(self, found: Entry, address: str) -> list[str]:
        service_name = f"{found.name}.{found.namespace}.svc.{self.domain}"
        if not found.headless and address in found.addresses:
            return [service_name]
        hosts = [host for host, addresses in found.hosts.items() if address in addresses]
        return [f"{host}.{service_name}" for host in hosts]

    def _addresses(self, name: str, addresses: Iterable[str], qtype: str) -> Answer:
        wanted = [a for a in addresses if (qtype == "A" and ":" not in a) or (qtype == "AAAA" and ":" in a)]
        records = tuple(Record(name, "AAAA" if ":" in address else "A", address) for address in wanted)
        return Answer(zone=self.domain, records=records)

    def _just(self, name: str, qtype: str, kind: RecordType, values: Iterable[str]) -> Answer:
        records = tuple(Record(name, kind, value) for value in values) if qtype == kind else ()
        return Answer(zone=self.domain, records=records)

    def _unknown(self) -> Answer:
        return Answer(zone=self.domain, exists=False)


def _reverse_zone(network: ipaddress.IPv4Network) -> str:
    octets = str(network.network_address).split(".")[: network.prefixlen // 8]
    return ".".join([*reversed(octets), "in-addr", "arpa"])
