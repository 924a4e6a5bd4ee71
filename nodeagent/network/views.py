"""What this package reads of Services, EndpointSlices and Nodes. Lists that Go writes as null are None here."""

import msgspec

from apimachinery.objects.meta import Object, object_key

SERVICE_NAME_LABEL = "kubernetes.io/service-name"


class ServicePort(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    port: int
    name: str = ""
    protocol: str = "TCP"
    node_port: int = 0


class ClientIPConfig(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    timeout_seconds: int | None = None


class SessionAffinityConfig(msgspec.Struct, frozen=True, omit_defaults=True):
    client_ip: ClientIPConfig | None = msgspec.field(default=None, name="clientIP")


class ServiceSpec(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    type: str = "ClusterIP"
    cluster_ip: str = msgspec.field(default="", name="clusterIP")
    cluster_ips: tuple[str, ...] | None = msgspec.field(default=None, name="clusterIPs")
    ports: tuple[ServicePort, ...] | None = None
    external_ips: tuple[str, ...] | None = msgspec.field(default=None, name="externalIPs")
    external_name: str = ""
    session_affinity: str = "None"
    session_affinity_config: SessionAffinityConfig | None = None
    external_traffic_policy: str = "Cluster"
    internal_traffic_policy: str = "Cluster"
    load_balancer_source_ranges: tuple[str, ...] | None = None


class Ingress(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    ip: str = ""
    ip_mode: str | None = None


class LoadBalancerStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    ingress: tuple[Ingress, ...] | None = None


class ServiceStatus(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    load_balancer: LoadBalancerStatus = LoadBalancerStatus()


class ServiceView(Object, frozen=True, rename="camel", omit_defaults=True):
    spec: ServiceSpec = ServiceSpec()
    status: ServiceStatus = ServiceStatus()


class Conditions(msgspec.Struct, frozen=True, omit_defaults=True):
    """Unknown readiness counts as ready, as the API says for consumers."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class Endpoint(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    addresses: tuple[str, ...] = ()
    conditions: Conditions = Conditions()
    hostname: str | None = None
    node_name: str | None = None

    @property
    def ready(self) -> bool:
        return self.conditions.ready is not False

    @property
    def serving_while_terminating(self) -> bool:
        return self.conditions.serving is not False and self.conditions.terminating is True


class EndpointPort(msgspec.Struct, frozen=True, omit_defaults=True):
    name: str | None = None
    port: int | None = None
    protocol: str | None = None


class EndpointSliceView(Object, frozen=True, rename="camel", omit_defaults=True):
    address_type: str = "IPv4"
    endpoints: tuple[Endpoint, ...] | None = None
    ports: tuple[EndpointPort, ...] | None = None

    @property
    def service_key(self) -> str:
        """The key of the Service that these endpoints belong to; empty when the label is missing."""
        name = self.metadata.labels.get(SERVICE_NAME_LABEL, "")
        return object_key(self.metadata.namespace, name) if name else ""


class NodeAddress(msgspec.Struct, frozen=True, omit_defaults=True):
    type: str = ""
    address: str = ""


class NodeSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    pod_cidr: str = msgspec.field(default="", name="podCIDR")


class NodeStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    addresses: tuple[NodeAddress, ...] | None = None


class NodeView(Object, frozen=True, omit_defaults=True):
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()

    @property
    def internal_ip(self) -> str:
        """The machine's first IPv4 InternalIP, or empty."""
        found = (a.address for a in self.status.addresses or () if a.type == "InternalIP" and ":" not in a.address)
        return next(found, "")
