"""Short ways to write the objects that these tests are about."""

from collections.abc import Sequence
from dataclasses import dataclass

from apimachinery.objects.meta import ObjectMeta
from nodeagent.network.layout import Layout
from nodeagent.network.views import (
    SERVICE_NAME_LABEL,
    ClientIPConfig,
    Conditions,
    Endpoint,
    EndpointPort,
    EndpointSliceView,
    Ingress,
    LoadBalancerStatus,
    NodeAddress,
    NodeSpec,
    NodeStatus,
    NodeView,
    ServicePort,
    ServiceSpec,
    ServiceStatus,
    ServiceView,
    SessionAffinityConfig,
)


@dataclass(frozen=True)
class Config:
    """The part of agent.json that the network reads."""

    api_server: str = "https://127.0.0.1:6443"
    cluster_domain: str = "cluster.local"
    cluster_dns: str = "10.43.0.10"
    cluster_cidr: str = "10.42.0.0/16"
    service_cidr: str = "10.43.0.0/16"
    node_ip: str = ""
    state_dir: str = "/nonexistent"
    cni_conf_dir: str = "/nonexistent"


LAYOUT = Layout.of(Config(), "m1", "10.42.1.0/24")


def http(port: int = 80, **more: object) -> ServicePort:
    return ServicePort(port=port, **({"name": "http"} | more))  # type: ignore[arg-type]


def service(
    name: str = "web",
    namespace: str = "default",
    *,
    ip: str = "10.43.0.50",
    ports: Sequence[ServicePort] = (http(),),
    ingress: Sequence[Ingress] = (),
    affinity_seconds: int = 0,
    labels: dict[str, str] | None = None,
    **spec: object,
) -> ServiceView:
    if affinity_seconds:
        config = SessionAffinityConfig(client_ip=ClientIPConfig(timeout_seconds=affinity_seconds))
        spec |= {"session_affinity": "ClientIP", "session_affinity_config": config}
    return ServiceView(
        metadata=ObjectMeta(name=name, namespace=namespace, labels=labels or {}),
        spec=ServiceSpec(cluster_ip=ip, ports=tuple(ports), **spec),  # type: ignore[arg-type]
        status=ServiceStatus(load_balancer=LoadBalancerStatus(ingress=tuple(ingress))),
    )


def endpoint(
    address: str,
    node: str = "m1",
    *,
    ready: bool | None = True,
    serving: bool | None = None,
    terminating: bool | None = None,
    hostname: str | None = None,
) -> Endpoint:
    conditions = Conditions(ready=ready, serving=serving, terminating=terminating)
    return Endpoint(addresses=(address,), conditions=conditions, hostname=hostname, node_name=node)


def endpoints(
    *found: Endpoint,
    of: str = "web",
    namespace: str = "default",
    suffix: str = "abc",
    ports: Sequence[EndpointPort] = (EndpointPort(name="http", port=8080, protocol="TCP"),),
    address_type: str = "IPv4",
) -> EndpointSliceView:
    return EndpointSliceView(
        metadata=ObjectMeta(name=f"{of}-{suffix}", namespace=namespace, labels={SERVICE_NAME_LABEL: of}),
        address_type=address_type,
        endpoints=found,
        ports=tuple(ports),
    )


def node(name: str, pod_cidr: str, address: str) -> NodeView:
    return NodeView(
        metadata=ObjectMeta(name=name),
        spec=NodeSpec(pod_cidr=pod_cidr),
        status=NodeStatus(addresses=(NodeAddress(type="InternalIP", address=address),)),
    )
