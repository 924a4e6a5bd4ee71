"""The other kinds, and what holds for all of them."""

import base64
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from apimachinery.objects.errors import BadRequest, Invalid
from engine.apiserver.registry import catalog, strategy
from engine.apiserver.registry.catalog import KINDS
from engine.apiserver.registry.kind import Context, Kind, Since
from engine.apiserver.registry.metadata import generate_name
from engine.apiserver.schema.definitions import definition, name_of

CONTEXT = Context(now=datetime(2026, 1, 1, tzinfo=UTC))
EMPTY = b'{"metadata":{"name":"","namespace":""}}'
CONFIG_MAP = catalog.by_kind("", "v1", "ConfigMap") or KINDS[0]


def kind_of(name: str, group: str = "") -> Kind:
    found = catalog.by_kind(group, "v1", name)
    assert found is not None
    return found


def created(kind: Kind, obj: dict[str, Any]) -> dict[str, Any]:
    obj.setdefault("metadata", {"name": "x"})
    strategy.admit_create(kind, obj, "default" if kind.namespaced else None, CONTEXT)
    strategy.prepare_create(kind, obj, CONTEXT)
    return obj


def updated(kind: Kind, old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    strategy.admit_update(kind, new, old, "default" if kind.namespaced else None, CONTEXT)
    strategy.prepare_update(kind, new, old, CONTEXT)
    return new


def refusal(kind: Kind, obj: dict[str, Any]) -> str:
    with pytest.raises(Invalid) as raised:
        created(kind, obj)
    return raised.value.message


def printed(kind: Kind, obj: dict[str, Any]) -> dict[str, Any]:
    assert kind.table_view is not None
    view = msgspec.json.decode(msgspec.json.encode(obj), type=kind.table_view)
    return {column.name: column.cell(view) for column in kind.columns}


STORED = [kind for kind in KINDS if "get" in kind.verbs and not kind.measured]
every_kind = pytest.mark.parametrize("kind", STORED, ids=lambda kind: f"{kind.plural}.{kind.group}")


@every_kind
def test_every_kind_is_found_by_its_names_and_described_by_the_published_definitions(kind: Kind) -> None:
    assert catalog.by_resource(kind.group, kind.version, kind.plural) is kind
    assert catalog.by_kind(kind.group, kind.version, kind.kind) is kind
    preferred = catalog.by_group_resource(kind.group, kind.plural)
    assert preferred is not None
    assert preferred.storage_prefix == kind.storage_prefix
    assert definition(name_of(kind.group, kind.version, kind.kind)).properties


@every_kind
def test_every_kinds_cells_and_fields_can_be_read_from_an_object_that_says_nothing(kind: Kind) -> None:
    assert kind.table_view is not None
    view = msgspec.json.decode(EMPTY, type=kind.table_view)
    assert all(isinstance(column.cell(view), str | int | Since) for column in kind.columns)
    if kind.field_view is not None:
        labels = kind.field_labels(msgspec.json.decode(EMPTY, type=kind.field_view))
        assert all(isinstance(value, str) for value in labels.values())


@every_kind
def test_every_kind_refuses_a_name_that_is_none(kind: Kind) -> None:
    assert 'metadata.name: Invalid value: "Not A/Name"' in refusal(kind, {"metadata": {"name": "Not A/Name"}})


def test_no_two_kinds_share_a_storage_prefix_but_by_intent() -> None:
    prefixes = [kind.storage_prefix for kind in KINDS if kind.stored_as is None and not kind.measured]
    assert len(set(prefixes)) == len(prefixes)


def test_the_server_alone_decides_identity_and_age() -> None:
    claimed = {
        "name": "x",
        "uid": "mine",
        "creationTimestamp": "1999-01-01T00:00:00Z",
        "generation": 9,
    }
    metadata = created(CONFIG_MAP, {"metadata": {**claimed, "selfLink": "/x"}})["metadata"]
    assert metadata.pop("uid") != "mine"
    assert metadata == {"name": "x", "namespace": "default", "creationTimestamp": "2026-01-01T00:00:00Z"}


def test_generated_names_are_the_base_and_five_characters() -> None:
    obj = created(CONFIG_MAP, {"metadata": {"generateName": "web-"}})
    assert obj["metadata"]["name"].startswith("web-")
    assert len(obj["metadata"]["name"]) == 9
    assert len(generate_name("a" * 80)) == 63


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        pytest.param({}, "metadata.name: Required value: name or generateName is required", id="no-name"),
        pytest.param({"name": "x", "labels": {"a/b/c": "d"}}, 'metadata.labels: Invalid value: "a/b/c": a qualified name must consist of', id="label-key"),
        pytest.param({"name": "x", "labels": {"a": "b c"}}, 'metadata.labels: Invalid value: "b c": a valid label must be an empty string or consist of', id="label-value"),
        pytest.param({"name": "x", "annotations": {"a": "b" * 300_000}}, "metadata.annotations: Too long: may not be more than 262144 bytes", id="annotations"),
        pytest.param({"name": "x", "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p"}]}, 'metadata.ownerReferences.uid: Invalid value: "": must not be empty', id="owner"),
        pytest.param({"name": "x", "finalizers": ["a b"]}, 'metadata.finalizers: Invalid value: "a b"', id="finalizer"),
    ],
)  # fmt: skip
def test_metadata_has_its_rules(metadata: dict[str, Any], message: str) -> None:
    assert message in refusal(CONFIG_MAP, {"metadata": metadata})


def test_an_object_of_another_namespace_is_refused() -> None:
    with pytest.raises(BadRequest, match="the namespace of the provided object does not match the namespace sent on"):
        created(CONFIG_MAP, {"metadata": {"name": "x", "namespace": "elsewhere"}})


def test_an_update_changes_neither_identity_nor_age() -> None:
    old = created(CONFIG_MAP, {"metadata": {"name": "x"}})
    new = updated(
        CONFIG_MAP, old, {"metadata": {"name": "x", "deletionTimestamp": "2026-01-01T00:00:00Z"}, "data": {"a": "b"}}
    )
    assert new["metadata"] == old["metadata"]
    with pytest.raises(Invalid, match='metadata.uid: Invalid value: "other": field is immutable'):
        updated(CONFIG_MAP, old, {"metadata": {"name": "x", "uid": "other"}})


def test_nothing_new_holds_an_object_that_is_being_deleted() -> None:
    old = created(CONFIG_MAP, {"metadata": {"name": "x", "finalizers": ["a.b/c"]}})
    old["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    with pytest.raises(Invalid, match=r'found new finalizers \[\]string\{"d.e/f"\}'):
        updated(CONFIG_MAP, old, {"metadata": {"name": "x", "finalizers": ["a.b/c", "d.e/f"]}})


def test_a_namespace_is_labelled_with_its_name_and_held_by_its_finalizer() -> None:
    namespace = kind_of("Namespace")
    obj = created(namespace, {"metadata": {"name": "team"}})
    assert obj["metadata"]["labels"] == {"kubernetes.io/metadata.name": "team"}
    assert obj["spec"] == {"finalizers": ["kubernetes"]}
    assert obj["status"] == {"phase": "Active"}
    assert namespace.held(obj)
    namespace.begin_delete(obj, CONTEXT)
    assert printed(namespace, obj)["Status"] == "Terminating"
    freed = {"metadata": dict(obj["metadata"]), "spec": {"finalizers": []}}
    strategy.prepare_subresource(namespace, namespace.subresources["finalize"], freed, obj, CONTEXT)
    assert not namespace.held(freed)
    assert freed["status"] == {"phase": "Terminating"}


def test_config_maps_keep_to_their_keys_and_stay_frozen() -> None:
    assert 'data[a b]: Invalid value: "a b": a valid config key must consist of' in refusal(
        CONFIG_MAP, {"data": {"a b": "c"}}
    )
    assert "duplicate of key present in binaryData" in refusal(
        CONFIG_MAP, {"data": {"a": "c"}, "binaryData": {"a": "YQ=="}}
    )
    assert "Too long: may not be more than 1048576 bytes" in refusal(CONFIG_MAP, {"data": {"a": "x" * 1_048_577}})
    old = created(CONFIG_MAP, {"data": {"a": "b"}, "immutable": True})
    with pytest.raises(Invalid, match="data: Forbidden: field is immutable when `immutable` is set"):
        updated(CONFIG_MAP, old, {"metadata": {"name": "x"}, "data": {"a": "c"}, "immutable": True})


def test_secrets_take_plain_text_and_demand_what_their_type_needs() -> None:
    secret = kind_of("Secret")
    obj = created(secret, {"data": {"a": "YQ=="}, "stringData": {"b": "hello"}})
    assert obj["type"] == "Opaque"
    assert obj["data"] == {"a": "YQ==", "b": base64.b64encode(b"hello").decode()}
    assert "stringData" not in obj
    assert "data[tls.key]: Required value" in refusal(secret, {"type": "kubernetes.io/tls", "data": {"tls.crt": ""}})
    broken = {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": base64.b64encode(b"{").decode()}}
    assert "<secret contents redacted>" in refusal(secret, broken)
    with pytest.raises(Invalid, match='type: Invalid value: "other": field is immutable'):
        updated(secret, obj, {"metadata": {"name": "x"}, "type": "other"})


@pytest.mark.parametrize(
    ("spec", "conditions", "labels", "expected"),
    [
        pytest.param({}, [{"type": "Ready", "status": "True"}], {}, ("Ready", "<none>"), id="ready"),
        pytest.param({}, [{"type": "Ready", "status": "Unknown"}], {}, ("NotReady", "<none>"), id="silent"),
        pytest.param({}, [], {}, ("Unknown", "<none>"), id="new"),
        pytest.param({"unschedulable": True}, [{"type": "Ready", "status": "True"}], {}, ("Ready,SchedulingDisabled", "<none>"), id="cordoned"),
        pytest.param({}, [], {"node-role.kubernetes.io/worker": "", "node-role.kubernetes.io/control-plane": ""}, ("Unknown", "control-plane,worker"), id="roles"),
    ],
)  # fmt: skip
def test_nodes_show_their_state_and_roles(spec: Any, conditions: Any, labels: Any, expected: tuple[str, str]) -> None:
    cells = printed(
        kind_of("Node"),
        {"metadata": {"name": "m", "labels": labels}, "spec": spec, "status": {"conditions": conditions}},
    )
    assert (cells["Status"], cells["Roles"]) == expected


def test_a_nodes_network_is_given_once() -> None:
    node = kind_of("Node")
    old = created(node, {"spec": {"podCIDR": "10.42.0.0/24"}})
    assert old["spec"]["podCIDRs"] == ["10.42.0.0/24"]
    network = {"podCIDR": "10.42.0.0/24", "podCIDRs": ["10.42.0.0/24"]}
    assert updated(node, old, {"metadata": {"name": "x"}, "spec": {}})["spec"] == network
    with pytest.raises(Invalid, match='node updates may not change podCIDR except from "" to valid'):
        updated(
            node, old, {"metadata": {"name": "x"}, "spec": {"podCIDR": "10.42.9.0/24", "podCIDRs": ["10.42.9.0/24"]}}
        )


def test_events_read_the_same_under_both_groups() -> None:
    core, newer = kind_of("Event"), kind_of("Event", "events.k8s.io")
    stored = {
        "metadata": {"name": "e", "namespace": "default"},
        "involvedObject": {"kind": "Pod", "name": "web", "namespace": "default"},
        "reason": "Started",
        "message": "Started container\n",
        "type": "Normal",
        "source": {"component": "kubelet", "host": "m1"},
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:01:00Z",
        "count": 3,
    }
    cells = printed(core, stored)
    assert (cells["Object"], cells["Message"], cells["Count"]) == ("pod/web", "Started container", 3)
    assert cells["Source"] == "kubelet, m1"
    assert cells["Last Seen"] == Since(CONTEXT.now.timestamp() + 60)
    shown = dict(stored)
    newer.from_storage(shown)
    assert shown["regarding"] == stored["involvedObject"]
    assert printed(newer, shown) == cells
    newer.to_storage(shown)
    assert shown == stored


def test_an_event_belongs_to_the_namespace_of_its_object() -> None:
    message = refusal(kind_of("Event"), {"involvedObject": {"kind": "Pod", "namespace": "other"}})
    assert 'involvedObject.namespace: Invalid value: "other": does not match event.namespace' in message


def test_leases_and_endpoint_slices_have_their_rules() -> None:
    lease = kind_of("Lease", "coordination.k8s.io")
    assert "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0" in refusal(
        lease, {"spec": {"leaseDurationSeconds": 0}}
    )
    endpoint_slice = kind_of("EndpointSlice", "discovery.k8s.io")
    assert "addressType: Required value" in refusal(endpoint_slice, {})
    assert "endpoints[0].addresses[0]: Invalid value" in refusal(
        endpoint_slice, {"addressType": "IPv4", "endpoints": [{"addresses": ["::1"]}]}
    )


def test_endpoint_slices_show_the_first_three_and_count_the_rest() -> None:
    obj = {
        "metadata": {"name": "e"},
        "ports": [{"port": 80}, {"port": 443}],
        "endpoints": [{"addresses": [f"10.42.0.{last}"]} for last in range(1, 6)],
    }
    cells = printed(kind_of("EndpointSlice", "discovery.k8s.io"), obj)
    assert cells["Ports"] == "80,443"
    assert cells["Endpoints"] == "10.42.0.1,10.42.0.2,10.42.0.3 + 2 more..."
