"""What the nft table holds for Services: one rule for each port and policy, found through maps.

    prerouting, output ── dispatch ── services   address . protocol . port : goto svc/… | local/… | ext/…
                                   └─ nodeports  protocol . port           : goto ext/…
    prerouting, output ── refuse ─── refused, refused-nodeports : reject or drop what found no endpoint
    postrouting: masquerade what was marked for it, what came back to its sender, and pods' way out of the cluster

    svc/NS/NAME/PROTO/PORT    dnat to one of all endpoints        local/…  to one of this machine's
    ext/NS/NAME/PROTO/PORT    from outside: source or policy first, then one of the former
    ep/…/ADDRESS_PORT, aff/SECONDS/…  with session affinity: one endpoint, and the clients that belong to it

A changed endpoint replaces one rule; a changed address one element. Everything else stays untouched.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from apimachinery.objects.meta import ObjectMeta
from nodeagent.network.layout import BRIDGE, TABLE, TUNNEL, TUNNEL_MTU, BuiltIn, Layout, is_ipv4, networks
from nodeagent.network.nft.table import Chain, Container, Table
from nodeagent.network.services.endpoints import (
    Backend,
    Candidate,
    Choice,
    candidates,
    choose,
    externally_reachable,
)
from nodeagent.network.views import EndpointSliceView, ServicePort, ServiceSpec, ServiceView

FAMILY_TABLE = f"ip {TABLE}"
MASQUERADE = "0x00004000"
"""The packet mark that kube-proxy uses for the same purpose."""

DEFAULT_AFFINITY_SECONDS = 10800
PROXY_NAME_LABEL = "service.kubernetes.io/service-proxy-name"
PROTOCOLS = frozenset({"TCP", "UDP", "SCTP"})

_SAFE_NAME = re.compile(r"[a-z0-9.-]{1,253}", re.ASCII)
"""Whatever the API server lets through, nothing else becomes part of nft's text."""

_MASQUERADE_LATER = "jump masquerade-later"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontend:
    """Where clients send: an address, or any of the machine's own when `address` is empty."""

    address: str
    port: int


@dataclass(frozen=True, slots=True)
class ServiceRules:
    """A Service's part of the table, and where its UDP frontends may lead (flows to elsewhere are stale)."""

    table: Table
    udp: Mapping[Frontend, frozenset[Backend]]


def base(layout: Layout) -> Table:
    """What the table holds when there is no Service at all."""
    cluster, local = layout.cluster_cidr, "fib daddr type local ip daddr != 127.0.0.0/8"
    by_address, by_port = "ip daddr . meta l4proto . th dport", "meta l4proto . th dport"
    address_map, port_map = "ipv4_addr . inet_proto . inet_service : verdict", "inet_proto . inet_service : verdict"
    return Table(
        containers={
            "cluster-ips": Container("ipv4_addr"),
            "hairpin": Container("ipv4_addr . ipv4_addr"),
            "services": Container(address_map),
            "nodeports": Container(port_map),
            "refused": Container(address_map),
            "refused-nodeports": Container(port_map),
            "firewalls": Container(address_map),
        },
        chains={
            "masquerade-later": Chain.of(f"meta mark set meta mark | {MASQUERADE}"),
            "refuse-packet": Chain.of("reject"),
            "dispatch": Chain.of(
                f"ip daddr @cluster-ips ip saddr != {cluster} {_MASQUERADE_LATER}",
                f"{by_address} vmap @services",
                f"{local} {by_port} vmap @nodeports",
            ),
            "refuse": Chain.of(
                f"{by_address} vmap @refused",
                f"{local} {by_port} vmap @refused-nodeports",
                "ip daddr @cluster-ips reject",
                f"ip daddr {layout.service_cidr} drop",
            ),
            "prerouting": _hooked("nat", "prerouting", -100, "jump dispatch"),
            "output": _hooked("nat", "output", -100, "jump dispatch"),
            "postrouting": _hooked(
                "nat",
                "postrouting",
                100,
                f'meta mark & {MASQUERADE} != 0 oifname != "lo" meta mark set meta mark ^ {MASQUERADE}'
                " masquerade fully-random",
                f'oifname "{BRIDGE}" ip saddr . ip daddr @hairpin masquerade fully-random',
                f'ip saddr {layout.pod_cidr} ip daddr != {cluster} ip daddr != 224.0.0.0/4 oifname != "{BRIDGE}"'
                " masquerade fully-random",
            ),
            # The tunnel takes some bytes of each packet: both ends of a connection are told so when it begins.
            "clamp-forward": _hooked(
                "filter",
                "forward",
                -150,
                f'oifname "{TUNNEL}" tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu',
                f'iifname "{TUNNEL}" tcp flags & (syn | rst) == syn tcp option maxseg size set {TUNNEL_MTU - 40}',
            ),
            "firewall-prerouting": _hooked("filter", "prerouting", -110, f"ct state new {by_address} vmap @firewalls"),
            # After the nat chains of these hooks, or what they translate would be refused; before routing, which may
            # have no way to a service address.
            "refuse-prerouting": _hooked("filter", "prerouting", -90, "ct state new jump refuse"),
            "refuse-output": _hooked("filter", "output", -90, "ct state new jump refuse"),
        },
    )


def service_rules(service: ServiceView, slices: Iterable[EndpointSliceView], layout: Layout) -> ServiceRules:
    """One Service's part. Empty for headless and ExternalName ones, and for those another proxy serves."""
    table, udp = Table(), dict[Frontend, frozenset[Backend]]()
    spec = service.spec
    if spec.type == "ExternalName" or not is_ipv4(spec.cluster_ip):
        return ServiceRules(table, udp)
    if PROXY_NAME_LABEL in service.metadata.labels or not _SAFE_NAME.fullmatch(service.metadata.name):
        return ServiceRules(table, udp)
    pieces = list(slices)
    built_in = layout.built_in.get(f"{service.metadata.namespace}/{service.metadata.name}")
    table.elements["cluster-ips", spec.cluster_ip] = ""
    for port in spec.ports or ():
        if port.protocol not in PROTOCOLS:
            continue
        if built_in is None:
            found = candidates(port, pieces, layout.node_name)
        else:
            found = _answered_here(built_in, port, layout)
        _Port(service, port, choose(service, found), layout).write(table, udp)
        local_addresses = {c.backend[0] for c in found if c.local and built_in is None}
        table.elements |= {("hairpin", f"{address} . {address}"): "" for address in local_addresses}
    return ServiceRules(table, udp)


def ruleset(services: Iterable[ServiceView], slices: Iterable[EndpointSliceView], layout: Layout) -> Table:
    """The whole table for these objects; what the kernel should hold."""
    by_service: dict[str, list[EndpointSliceView]] = {}
    for piece in slices:
        by_service.setdefault(piece.service_key, []).append(piece)
    table = base(layout)
    for service in with_built_in(services, layout):
        own = by_service.get(f"{service.metadata.namespace}/{service.metadata.name}", [])
        table.merge(service_rules(service, own, layout).table)
    return table


def with_built_in(services: Iterable[ServiceView], layout: Layout) -> list[ServiceView]:
    """These Services, and those that every machine serves even before it has heard of them."""
    known = list(services)
    names = {f"{s.metadata.namespace}/{s.metadata.name}" for s in known}
    return known + [stand_in(built_in) for name, built_in in layout.built_in.items() if name not in names]


def stand_in(built_in: BuiltIn) -> ServiceView:
    """A built-in Service as it looks until the API server's own arrives."""
    ports = tuple(
        ServicePort(port=number, name=f"{protocol}-{number}", protocol=protocol.upper())
        for protocol, number in built_in.ports
    )
    return ServiceView(
        metadata=ObjectMeta(namespace=built_in.namespace, name=built_in.name),
        spec=ServiceSpec(cluster_ip=built_in.cluster_ip, ports=ports),
    )


def _answered_here(built_in: BuiltIn, port: ServicePort, layout: Layout) -> list[Candidate]:
    number = built_in.ports.get((port.protocol.lower(), port.port))
    return [Candidate(backend=(layout.gateway, number), local=True)] if number else []


def _hooked(kind: str, hook: str, priority: int, *rules: str) -> Chain:
    return Chain.of(*rules, hook=f"type {kind} hook {hook} priority {priority}; policy accept")


class _Port:
    """Writes one port of one Service into a table."""

    def __init__(self, service: ServiceView, port: ServicePort, choice: Choice, layout: Layout) -> None:
        self._spec = service.spec
        self._service = service
        self._port = port
        self._choice = choice
        self._layout = layout
        self._protocol = port.protocol.lower()
        meta = service.metadata
        self._name = f"{meta.namespace}/{meta.name}/{self._protocol}/{port.port}"

    def write(self, table: Table, udp: dict[Frontend, frozenset[Backend]]) -> None:
        choice = self._choice
        internal_local = self._spec.internal_traffic_policy == "Local"
        external_local = self._spec.external_traffic_policy == "Local"
        external = externally_reachable(self._service)
        cluster_used = bool(choice.cluster)
        if cluster_used:
            self._pool(table, f"svc/{self._name}", choice.cluster)
        if choice.local:
            self._pool(table, f"local/{self._name}", choice.local)

        inside = choice.local if internal_local else choice.cluster
        pool = "local" if internal_local else "svc"
        self._frontend(table, self._spec.cluster_ip, f"{pool}/{self._name}" if inside else "", bool(inside))
        self._remember(udp, self._spec.cluster_ip, inside)
        if not external:
            return
        served = bool(choice.local if external_local else choice.cluster)
        entry = f"ext/{self._name}" if choice.anywhere else ""
        if entry:
            table.chains[entry] = self._from_outside(external_local)
        reachable = choice.cluster + (choice.local if external_local else ())
        for address in self._addresses():
            self._frontend(table, address, entry, served)
            self._remember(udp, address, reachable)
        if self._port.node_port:
            self._node_port(table, entry, served)
            self._remember(udp, "", reachable, self._port.node_port)
        self._firewall(table)

    def _pool(self, table: Table, chain: str, backends: tuple[Backend, ...]) -> None:
        if self._spec.session_affinity == "ClientIP":
            table.chains[chain] = self._with_affinity(table, backends)
            return
        table.chains[chain] = Chain.of(f"meta l4proto {self._protocol} dnat to {_one_of(backends)}")

    def _with_affinity(self, table: Table, backends: tuple[Backend, ...]) -> Chain:
        config = self._spec.session_affinity_config
        seconds = (config and config.client_ip and config.client_ip.timeout_seconds) or DEFAULT_AFFINITY_SECONDS
        known: list[str] = []
        targets: list[str] = []
        for address, number in backends:
            endpoint = f"{self._name}/{address}_{number}"
            # The time stands in the name: a set's time cannot change, a rule's set can.
            clients = f"aff/{seconds}/{endpoint}"
            table.containers[clients] = Container("ipv4_addr", timeout=seconds)
            table.chains[f"ep/{endpoint}"] = Chain.of(
                f"update @{clients} {{ ip saddr }}",
                f"meta l4proto {self._protocol} dnat to {address}:{number}",
            )
            known.append(f"ip saddr @{clients} goto ep/{endpoint}")
            targets.append(f"goto ep/{endpoint}")
        verdicts = ", ".join(f"{i} : {target}" for i, target in enumerate(targets))
        fresh = f"numgen random mod {len(targets)} vmap {{ {verdicts} }}" if len(targets) > 1 else targets[0]
        return Chain.of(*known, fresh)

    def _from_outside(self, external_local: bool) -> Chain:
        everywhere, here = f"goto svc/{self._name}", f"goto local/{self._name}"
        if not external_local:
            # The endpoint may be on another machine: its answer has to come back through this one.
            return Chain.of(_MASQUERADE_LATER, everywhere)
        rules: list[str] = []
        if self._choice.cluster:
            # What pods and the machine itself send to an outside address is not outside traffic.
            rules += [f"ip saddr {self._layout.cluster_cidr} {everywhere}"]
            rules += [f"fib saddr type local {_MASQUERADE_LATER}", f"fib saddr type local {everywhere}"]
        if self._choice.local:
            rules += [here]
        return Chain.of(*rules)

    def _frontend(self, table: Table, address: str, chain: str, served: bool) -> None:
        key = f"{address} . {self._protocol} . {self._port.port}"
        if chain:
            table.elements["services", key] = f"goto {chain}"
        if not served:
            table.elements["refused", key] = self._refusal()

    def _node_port(self, table: Table, chain: str, served: bool) -> None:
        key = f"{self._protocol} . {self._port.node_port}"
        if chain:
            table.elements["nodeports", key] = f"goto {chain}"
        if not served:
            table.elements["refused-nodeports", key] = self._refusal()

    def _refusal(self) -> str:
        # Another machine can serve it: dropping lets a balancer that asks again succeed there.
        return "drop" if self._choice.anywhere else "goto refuse-packet"

    def _addresses(self) -> list[str]:
        addresses = [ip for ip in self._spec.external_ips or () if is_ipv4(ip)]
        if self._spec.type == "LoadBalancer":
            addresses += self._balanced()
        return list(dict.fromkeys(addresses))

    def _balanced(self) -> list[str]:
        ingress = self._service.status.load_balancer.ingress or ()
        return [i.ip for i in ingress if is_ipv4(i.ip) and i.ip_mode in {None, "VIP"}]

    def _firewall(self, table: Table) -> None:
        ranges = networks(self._spec.load_balancer_source_ranges or ())
        if self._spec.type != "LoadBalancer" or not ranges or ranges == ["0.0.0.0/0"]:
            return
        for address in self._balanced():
            chain = f"fw/{self._name}"
            table.chains[chain] = Chain.of(f"ip saddr != {{ {', '.join(ranges)} }} drop")
            table.elements["firewalls", f"{address} . {self._protocol} . {self._port.port}"] = f"goto {chain}"

    def _remember(
        self, udp: dict[Frontend, frozenset[Backend]], address: str, backends: tuple[Backend, ...], port: int = 0
    ) -> None:
        if self._protocol == "udp":
            udp[Frontend(address=address, port=port or self._port.port)] = frozenset(backends)


def _one_of(backends: tuple[Backend, ...]) -> str:
    if len(backends) == 1:
        return f"{backends[0][0]}:{backends[0][1]}"
    listed = ", ".join(f"{i} : {address} . {port}" for i, (address, port) in enumerate(backends))
    return f"numgen random mod {len(backends)} map {{ {listed} }}"
