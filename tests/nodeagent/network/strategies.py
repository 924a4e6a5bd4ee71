"""Random clusters, small enough that names and addresses collide."""

from hypothesis import strategies as st

from nodeagent.network.views import Endpoint, EndpointPort, EndpointSliceView, Ingress, ServicePort, ServiceView
from tests.nodeagent.network.objects import endpoint, endpoints, http, service

PORTS = (
    http(node_port=30080),
    ServicePort(port=53, name="dns", protocol="UDP", node_port=30053),
    ServicePort(port=443, name="https"),
)
NAMES = ("web", "api", "db.1")
LISTENING = (
    EndpointPort(name="http", port=8080, protocol="TCP"),
    EndpointPort(name="dns", port=53, protocol="UDP"),
    EndpointPort(name="https", port=None, protocol="TCP"),
)
POLICIES = st.sampled_from(["Cluster", "Local"])


@st.composite
def some_endpoint(draw: st.DrawFn) -> Endpoint:
    flag = st.sampled_from([True, False, None])
    return endpoint(
        draw(st.sampled_from(["10.42.1.2", "10.42.1.3", "10.42.2.2", "192.168.1.9"])),
        draw(st.sampled_from(["m1", "m2"])),
        ready=draw(flag),
        serving=draw(flag),
        terminating=draw(flag),
        hostname=draw(st.sampled_from([None, "db-0"])),
    )


@st.composite
def some_service(draw: st.DrawFn, name: str) -> ServiceView:
    kind = draw(st.sampled_from(["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]))
    return service(
        name,
        ip=draw(st.sampled_from([f"10.43.0.{50 + NAMES.index(name)}", "None", ""])),
        ports=draw(st.lists(st.sampled_from(PORTS), unique=True, max_size=3)),
        ingress=draw(st.lists(st.just(Ingress(ip="198.51.100.7")), max_size=1)),
        affinity_seconds=draw(st.sampled_from([0, 0, 60])),
        type=kind,
        external_ips=draw(st.sampled_from([None, (), ("203.0.113.5",)])),
        external_traffic_policy=draw(POLICIES),
        internal_traffic_policy=draw(POLICIES),
        load_balancer_source_ranges=draw(st.sampled_from([None, ("192.0.2.0/24", "192.0.2.128/25")])),
        external_name="example.com" if kind == "ExternalName" else "",
    )


@st.composite
def some_slices(draw: st.DrawFn, name: str) -> list[EndpointSliceView]:
    suffixes = draw(st.lists(st.sampled_from(["a", "b"]), unique=True, max_size=2))
    return [
        endpoints(*draw(st.lists(some_endpoint(), max_size=3)), of=name, suffix=suffix, ports=LISTENING)
        for suffix in suffixes
    ]


@st.composite
def clusters(draw: st.DrawFn) -> tuple[list[ServiceView], list[EndpointSliceView]]:
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=3))
    services = [draw(some_service(name)) for name in names]
    slices = [piece for name in names for piece in draw(some_slices(name))]
    return services, slices
