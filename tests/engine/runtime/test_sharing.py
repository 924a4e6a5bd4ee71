"""Cached objects share what they have in common and lose nothing by it."""

import msgspec

from engine.controllers.views import Pod, ReplicaSet
from engine.runtime import sharing
from engine.runtime.sharing import Pool


def decoded(name: str, **status: str) -> Pod:
    """As from the wire: nothing is shared."""
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "w", "controller": True}
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    whole = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": "web"}, "ownerReferences": [owner]},
        "spec": {"nodeName": "m1", "tolerations": [{"key": "k"}], "containers": [{"ports": [{"containerPort": 80}]}]},
        "status": {"phase": "Running", "conditions": [ready], **status},
    }
    return msgspec.json.decode(msgspec.json.encode(whole), type=Pod)


def test_shared_object_is_equal_to_the_one_it_stands_for() -> None:
    pod = decoded("a")
    assert Pool().shared(pod) == pod


def test_equal_parts_of_two_objects_are_one() -> None:
    pool = Pool()
    first, second = pool.shared(decoded("a")), pool.shared(decoded("b", podIP="10.42.0.2"))
    assert first.metadata.labels is second.metadata.labels
    assert first.metadata.owner_references is second.metadata.owner_references
    assert first.spec.containers is second.spec.containers
    assert first.status.conditions[0] is second.status.conditions[0]
    assert first.metadata.namespace is second.metadata.namespace
    assert (first.metadata.name, second.metadata.name) == ("a", "b")


def test_different_parts_stay_different() -> None:
    pool = Pool()
    first, second = pool.shared(decoded("a", phase="Running")), pool.shared(decoded("b", phase="Failed"))
    assert (first.status.phase, second.status.phase) == ("Running", "Failed")


def test_templates_are_left_as_they_are() -> None:
    body = b'{"metadata": {"name": "rs"}, "spec": {"template": {"spec": {"x": 1}}}}'
    shared = Pool().shared(msgspec.json.decode(body, type=ReplicaSet))
    assert bytes(shared.spec.template) == b'{"spec": {"x": 1}}'


def test_pool_forgets_when_it_is_full() -> None:
    pool = Pool()
    for number in range(sharing.KEPT + 10):
        labelled = msgspec.json.decode(b'{"metadata": {"labels": {"n": "%d"}}}' % number, type=Pod)
        assert pool.shared(labelled).metadata.labels == {"n": str(number)}
    assert pool.size <= sharing.KEPT
