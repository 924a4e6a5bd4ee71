"""What this package reads of NetworkPolicies, pods and namespaces. Lists that Go writes as null are None here."""

from typing import Any

import msgspec

from apimachinery.objects.meta import Object
from nodeagent.network.layout import is_ipv4

LabelSelector = dict[str, Any]
"""A metav1.LabelSelector as it stands in JSON."""


class PolicyPort(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """`port` is a number, a name that each pod resolves for itself, or None for all ports."""

    protocol: str = "TCP"
    port: int | str | None = None
    end_port: int | None = None


class IPBlock(msgspec.Struct, frozen=True, omit_defaults=True):
    cidr: str = ""
    except_: tuple[str, ...] | None = msgspec.field(default=None, name="except")


class Peer(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    pod_selector: LabelSelector | None = None
    namespace_selector: LabelSelector | None = None
    ip_block: IPBlock | None = None


class IngressRule(msgspec.Struct, frozen=True, omit_defaults=True):
    ports: tuple[PolicyPort, ...] | None = None
    from_: tuple[Peer, ...] | None = msgspec.field(default=None, name="from")


class EgressRule(msgspec.Struct, frozen=True, omit_defaults=True):
    ports: tuple[PolicyPort, ...] | None = None
    to: tuple[Peer, ...] | None = None


class PolicySpec(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    pod_selector: LabelSelector = {}
    policy_types: tuple[str, ...] | None = None
    ingress: tuple[IngressRule, ...] | None = None
    egress: tuple[EgressRule, ...] | None = None


class PolicyView(Object, frozen=True, omit_defaults=True):
    spec: PolicySpec = PolicySpec()


class ContainerPort(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    container_port: int = 0
    name: str = ""
    protocol: str = "TCP"


class Container(msgspec.Struct, frozen=True, omit_defaults=True):
    ports: tuple[ContainerPort, ...] | None = None


class PodSpec(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    host_network: bool = False
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] | None = None


class PodStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    phase: str = ""
    pod_ip: str = msgspec.field(default="", name="podIP")


class PodView(Object, frozen=True, omit_defaults=True):
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def address(self) -> str:
        """Its own IPv4 address in the pod network; empty while it has none, when it ended, or uses its machine's."""
        ended = self.status.phase in {"Succeeded", "Failed"}
        usable = not ended and not self.spec.host_network and is_ipv4(self.status.pod_ip)
        return self.status.pod_ip if usable else ""

    def ports_named(self, name: str, protocol: str) -> list[int]:
        containers = (*self.spec.containers, *(self.spec.init_containers or ()))
        return [
            port.container_port
            for container in containers
            for port in container.ports or ()
            if (port.name, port.protocol) == (name, protocol)
        ]


class NamespaceView(Object, frozen=True, omit_defaults=True):
    pass
