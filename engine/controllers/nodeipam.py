"""A range of pod addresses for each machine, out of the cluster's."""

from dataclasses import dataclass
from ipaddress import IPv4Network, ip_network

from apimachinery.objects.resources import NODES
from engine.controllers.actions import About, Action, Emit, Note, Patch
from engine.controllers.controller import Moment, Reader, Watch
from engine.controllers.views import NODE_SOURCE, Node

EVERYTHING = "nodes"
"""The one key: ranges are given out in one place, so that no two machines get the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    nodes: tuple[Node, ...]
    cluster: IPv4Network
    node_prefix: int = 24


def plan(observed: Observed) -> list[Action]:
    taken = {ip_network(cidr, strict=False) for node in observed.nodes for cidr in _ranges(node)}
    free = (subnet for subnet in observed.cluster.subnets(new_prefix=observed.node_prefix) if subnet not in taken)
    waiting = [node for node in observed.nodes if not _ranges(node) and node.metadata.deletion_timestamp is None]
    return [_assign(node, next(free, None)) for node in sorted(waiting, key=_age)]


def _assign(node: Node, subnet: IPv4Network | None) -> Action:
    if subnet is None:
        text = f"Node {node.metadata.name} status is now: CIDRNotAvailable"
        return Emit(note=Note(about=About.of(NODES, node), reason="CIDRNotAvailable", message=text))
    return Patch(
        resource=NODES,
        name=node.metadata.name,
        uid=node.metadata.uid,
        resource_version=node.metadata.resource_version,
        body={"spec": {"podCIDR": str(subnet), "podCIDRs": [str(subnet)]}},
    )


def _ranges(node: Node) -> tuple[str, ...]:
    return node.spec.pod_cidrs or ((node.spec.pod_cidr,) if node.spec.pod_cidr else ())


def _age(node: Node) -> tuple[str, str]:
    return node.metadata.creation_timestamp or "", node.metadata.name


class NodeIpamController:
    name = "node-ipam"
    component = "cidrAllocator"

    def __init__(self, cluster_cidr: str) -> None:
        self._cluster = IPv4Network(cluster_cidr)
        self.watches = (Watch(NODE_SOURCE, lambda _node, _reader: [EVERYTHING]),)

    async def observe(self, key: str, reader: Reader, moment: Moment) -> Observed | None:  # noqa: ARG002
        return Observed(nodes=tuple(reader.list(NODE_SOURCE)), cluster=self._cluster)

    def plan(self, observed: Observed) -> list[Action]:
        return plan(observed)
