"""What the nft table holds for NetworkPolicies.

    forward ── isolate-egress    pod-egress    address : goto eg/NS/POD     (what a pod of this machine sends)
            └─ isolate-ingress   pod-ingress   address : goto in/NS/POD     (what one is sent)

    in/NS/POD                itself; one jump for each policy that selects it; drop
    np-in/NS/POLICY          accept what the policy allows, else return
    np-in/NS/POLICY/0        the addresses of the pods that its first rule means     …/0/http  address . protocol . port

Only forwarded packets pass here: a pod and its own machine always reach each other, as upstream has it, and with the
machine the cluster's DNS and the way to the API server. Answers to what was allowed are allowed. Service addresses
were translated before, so peers are pods and ports are theirs. A changed pod is a handful of elements.
"""

import hashlib
import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from apimachinery.objects.meta import key
from apimachinery.objects.selectors import Selector, from_label_selector
from nodeagent.network.layout import networks
from nodeagent.network.nft.table import Chain, Container, Table
from nodeagent.network.policies.views import IPBlock, NamespaceView, Peer, PodView, PolicyPort, PolicyView

PROTOCOLS = frozenset({"TCP", "UDP", "SCTP"})
_SAFE = re.compile(r"[a-z0-9./-]+", re.ASCII)
_LONGEST_NAME = 150
"""Characters of an object's key that fit into the names of chains and sets, which nft ends at 255 in all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Direction:
    """Ingress or egress: whose address is looked at, and what things are called."""

    type: str
    chain: str
    policy_chain: str
    pods: str
    peer: str
    """The peer's address in the packet; the other one is that of the pod which the policy is about."""


INGRESS = Direction(type="Ingress", chain="in", policy_chain="np-in", pods="pod-ingress", peer="ip saddr")
EGRESS = Direction(type="Egress", chain="eg", policy_chain="np-eg", pods="pod-egress", peer="ip daddr")
DIRECTIONS = (INGRESS, EGRESS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The cluster as policies see it: pods by key, namespaces' labels by name."""

    pods: Mapping[str, PodView]
    namespaces: Mapping[str, NamespaceView]


def base() -> Table:
    """What the table holds when there is no policy at all."""
    established = "ct state established,related accept"
    return Table(
        containers={direction.pods: Container("ipv4_addr : verdict") for direction in DIRECTIONS},
        chains={
            # Two hooks: to be let out of one pod says nothing about being let into the other.
            "isolate-egress": Chain.of(established, "ip saddr vmap @pod-egress", hook=_hook(0)),
            "isolate-ingress": Chain.of(established, "ip daddr vmap @pod-ingress", hook=_hook(1)),
        },
    )


def directions(policy: PolicyView) -> list[Direction]:
    """What a policy is about; where it does not say so, ingress, and egress when it has rules for it."""
    types = policy.spec.policy_types or (("Ingress", "Egress") if policy.spec.egress else ("Ingress",))
    return [direction for direction in DIRECTIONS if direction.type in types]


def selects(policy: PolicyView, pod: PodView) -> bool:
    same = policy.metadata.namespace == pod.metadata.namespace
    return same and from_label_selector(policy.spec.pod_selector).matches(pod.metadata.labels)


def policy_rules(policy: PolicyView, known: Known) -> Table:
    """One policy's part: for each direction a chain that accepts what it allows."""
    table = Table()
    for direction in directions(policy):
        chain = f"{direction.policy_chain}/{_short(key(policy))}"
        rules: list[str] = []
        for number, (peers, ports) in enumerate(_rules_of(policy, direction)):
            rules += _Rule(policy, direction, f"{chain}/{number}", known).write(table, peers, ports)
        table.chains[chain] = Chain.of(*rules)
    return table


def pod_rules(pod: PodView, policies: Iterable[PolicyView]) -> Table:
    """One pod's part: shut, but for itself and for what the policies that select it allow. Empty without any."""
    table = Table()
    selecting = sorted((p for p in policies if selects(p, pod)), key=key)
    for direction in DIRECTIONS:
        jumps = [
            f"jump {direction.policy_chain}/{_short(key(policy))}"
            for policy in selecting
            if direction in directions(policy)
        ]
        if not jumps or not pod.address:
            continue
        chain = f"{direction.chain}/{_short(key(pod))}"
        # A pod behind a Service may be its own client.
        table.chains[chain] = Chain.of(f"{direction.peer} {pod.address} accept", *jumps, "drop")
        table.elements[direction.pods, pod.address] = f"goto {chain}"
    return table


def _hook(offset: int) -> str:
    return f"type filter hook forward priority {offset}; policy accept"


def _rules_of(
    policy: PolicyView, direction: Direction
) -> list[tuple[Sequence[Peer] | None, Sequence[PolicyPort] | None]]:
    if direction is INGRESS:
        return [(rule.from_, rule.ports) for rule in policy.spec.ingress or ()]
    return [(rule.to, rule.ports) for rule in policy.spec.egress or ()]


class _Rule:
    """Writes one rule of a policy: each peer with each port."""

    def __init__(self, policy: PolicyView, direction: Direction, name: str, known: Known) -> None:
        self._policy = policy
        self._direction = direction
        self._name = name
        self._known = known

    def write(self, table: Table, peers: Sequence[Peer] | None, ports: Sequence[PolicyPort] | None) -> list[str]:
        """The nft rules; sets and their elements go into the table."""
        pods = self._peer_pods(peers or ())
        sources = self._sources(table, peers or (), pods)
        wanted = [self._port(table, port, pods if peers else None) for port in ports or ()] or [""]
        return [_joined(source, port, "accept") for source in sources for port in wanted if port is not None]

    def _sources(self, table: Table, peers: Sequence[Peer], pods: list[PodView]) -> list[str]:
        if not peers:
            return [""]
        found: list[str] = []
        if any(peer.ip_block is None for peer in peers):
            table.containers[self._name] = Container("ipv4_addr")
            table.elements |= {(self._name, pod.address): "" for pod in pods}
            found.append(f"{self._direction.peer} @{self._name}")
        blocks = [peer.ip_block for peer in peers if peer.ip_block is not None]
        return found + [text for text in map(self._block, blocks) if text is not None]

    def _block(self, block: IPBlock) -> str | None:
        """None for a block of IPv6, which this network does not carry."""
        try:
            network = ipaddress.IPv4Network(block.cidr, strict=False)
        except ValueError:
            return None
        parts = [f"{self._direction.peer} {network}"] if network.prefixlen else []
        without = networks(block.except_ or ())
        if without:
            parts.append(f"{self._direction.peer} != {{ {', '.join(without)} }}")
        return " ".join(parts)

    def _port(self, table: Table, port: PolicyPort, peers: list[PodView] | None) -> str | None:
        """None for what can match nothing."""
        if port.protocol not in PROTOCOLS:
            return None
        protocol = port.protocol.lower()
        if port.port is None:
            return f"meta l4proto {protocol}"
        if isinstance(port.port, int):
            numbers = f"{port.port}-{port.end_port}" if port.end_port and port.end_port > port.port else f"{port.port}"
            return f"meta l4proto {protocol} th dport {numbers}"
        if not _SAFE.fullmatch(port.port):
            return None
        name = f"{self._name}/{protocol}/{port.port}"
        table.containers[name] = Container("ipv4_addr . inet_proto . inet_service")
        for pod in self._named_by(peers):
            for number in pod.ports_named(port.port, port.protocol):
                table.elements[name, f"{pod.address} . {protocol} . {number}"] = ""
        return f"ip daddr . meta l4proto . th dport @{name}"

    def _named_by(self, peers: list[PodView] | None) -> Iterable[PodView]:
        """The pods whose names for ports count: those that are sent something."""
        everyone = (pod for pod in self._known.pods.values() if pod.address)
        if self._direction is INGRESS:
            return (pod for pod in everyone if selects(self._policy, pod))
        return everyone if peers is None else peers

    def _peer_pods(self, peers: Sequence[Peer]) -> list[PodView]:
        matchers = [
            (
                from_label_selector(peer.namespace_selector) if peer.namespace_selector is not None else None,
                from_label_selector({} if peer.pod_selector is None else peer.pod_selector),
            )
            for peer in peers
            if peer.ip_block is None
        ]
        if not matchers:
            return []
        return [
            pod
            for pod in self._known.pods.values()
            if pod.address
            and any(self._in(pod, spaces) and labels.matches(pod.metadata.labels) for spaces, labels in matchers)
        ]

    def _in(self, pod: PodView, spaces: Selector | None) -> bool:
        """Without a selector of namespaces a peer is of the policy's own."""
        if spaces is None:
            return pod.metadata.namespace == self._policy.metadata.namespace
        namespace = self._known.namespaces.get(pod.metadata.namespace)
        return namespace is not None and spaces.matches(namespace.metadata.labels)


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _short(name: str) -> str:
    """An object's key as part of a name in nft, where long ones do not fit."""
    if len(name) <= _LONGEST_NAME and _SAFE.fullmatch(name):
        return name
    return hashlib.sha256(name.encode()).hexdigest()[:40]
