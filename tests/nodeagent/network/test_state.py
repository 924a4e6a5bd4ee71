import stat
from pathlib import Path

import msgspec

from apimachinery.objects.meta import ObjectMeta
from nodeagent.network import cache
from nodeagent.network.state import ClusterState, Snapshot
from nodeagent.network.views import EndpointSliceView, NodeView, ServiceView
from tests.nodeagent.network.objects import endpoint, endpoints, node, service

START = Snapshot(
    services=(service("web"), service("gone", ip="10.43.0.51")),
    slices=(endpoints(endpoint("10.42.1.2")), endpoints(endpoint("10.42.1.3"), of="gone")),
    nodes=(node("m1", "10.42.1.0/24", "192.168.1.1"),),
)


def test_what_came_from_disk_and_is_not_listed_any_more_goes() -> None:
    state = ClusterState(START)
    heard: list[str] = []
    state.on_service(heard.append)
    state.forget_all_but(services={"default/web"}, slices={"default/web-abc"}, nodes=set())
    assert state.services.keys() == {"default/web"}
    assert list(state.slices_of("default/gone")) == []
    assert list(state.slices_of("default/web")) == [START.slices[0]]
    assert state.nodes == {}
    assert set(heard) == {"default/gone"}


def test_a_slice_that_changes_its_service_is_heard_by_both() -> None:
    state = ClusterState(START)
    heard: list[str] = []
    state.on_service(heard.append)
    old = START.slices[0]
    moved = endpoints(endpoint("10.42.1.2"), of="web")
    labels = {"kubernetes.io/service-name": "other"}
    meta = ObjectMeta(name=old.metadata.name, namespace="default", labels=labels)
    moved = type(moved)(metadata=meta, endpoints=moved.endpoints, ports=moved.ports)
    state.slice_changed(old, moved)
    assert set(heard) == {"default/web", "default/other"}
    assert list(state.slices_of("default/web")) == []
    assert list(state.slices_of("default/other")) == [moved]


def test_a_heartbeat_of_a_node_is_no_change() -> None:
    state = ClusterState(START)
    heard: list[None] = []
    state.on_node(lambda: heard.append(None))
    beat = NodeView(
        metadata=ObjectMeta(name="m1", resource_version="9"), spec=START.nodes[0].spec, status=START.nodes[0].status
    )
    state.node_changed(START.nodes[0], beat)
    assert heard == []
    state.node_changed(beat, node("m1", "10.42.9.0/24", "192.168.1.1"))
    assert heard == [None]


def test_a_listener_can_stop() -> None:
    state = ClusterState()
    heard: list[str] = []
    stop = state.on_service(heard.append)
    stop()
    state.service_changed(None, service())
    assert heard == []


def test_what_is_saved_comes_back_and_only_the_owner_can_read_it(tmp_path: Path) -> None:
    path = cache.path_in(tmp_path / "agent")
    cache.save(path, ClusterState(START).snapshot())
    assert cache.load(path) == START
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["network.json"]


def test_the_same_again_costs_the_disk_nothing_and_what_nobody_reads_is_not_kept(tmp_path: Path) -> None:
    path = cache.path_in(tmp_path)
    state = ClusterState()
    for version in ("1", "2"):
        annotations = {"kubectl.kubernetes.io/last-applied-configuration": "x" * 5000}
        meta = ObjectMeta(name="web", namespace="default", resource_version=version, annotations=annotations)
        state.service_changed(None, ServiceView(metadata=meta))
        cache.save(path, state.snapshot())
        written = path.stat().st_ino
        if version == "1":
            first = written
    assert written == first
    assert path.stat().st_size < 1000


def test_a_file_that_cannot_be_read_is_no_snapshot(tmp_path: Path) -> None:
    path = cache.path_in(tmp_path)
    assert cache.load(path) is None
    for content in (b"", b'{"services": [', b'{"services": 3}'):
        path.write_bytes(content)
        assert cache.load(path) is None


def test_what_the_api_sends_is_read_with_its_nulls() -> None:
    piece = msgspec.json.decode(
        b'{"metadata":{"name":"x"},"addressType":"IPv4","endpoints":null,"ports":null}', type=EndpointSliceView
    )
    assert piece.endpoints is None
    wanted = msgspec.json.decode(
        b'{"spec":{"clusterIP":"10.43.0.9","clusterIPs":["10.43.0.9"],"ports":[{"port":80,"targetPort":"http"}],'
        b'"sessionAffinityConfig":{"clientIP":{"timeoutSeconds":5}},"externalIPs":null},"status":{"loadBalancer":{}}}',
        type=ServiceView,
    )
    assert (wanted.spec.cluster_ip, wanted.spec.cluster_ips) == ("10.43.0.9", ("10.43.0.9",))
