"""Claims and volumes: which machines they allow, and what is to be bound or made."""

from typing import Any, TypeVar

import msgspec
import pytest

from engine.scheduler.placing import Placement, Placer
from engine.scheduler.storage import BIND_COMPLETED, SELECTED_NODE, VolumePlan
from engine.scheduler.views import Claim, CsiNode, PersistentVolume, Pod, StorageClass
from tests.engine.scheduler.objects import machines_of, message, node, placer, pod, settle, try_pods

Json = dict[str, Any]
T = TypeVar("T")
ZONE = "topology.kubernetes.io/zone"


def with_claims(*names: str, name: str = "p", **spec: Any) -> Pod:
    volumes = [{"name": f"v{n}", "persistentVolumeClaim": {"claimName": claim}} for n, claim in enumerate(names)]
    return pod(name, volumes=volumes, **spec)


def claim(to: Placer, name: str, storage_class: str = "late", size: str = "1Gi", **more: Any) -> None:
    meta: Json = {"name": name, "namespace": "default", "uid": f"uid-{name}"}
    annotations = more.pop("annotations", {})
    volume = more.pop("volume", "")
    if volume:
        annotations[BIND_COMPLETED] = "yes"
    spec: Json = {
        "storageClassName": storage_class,
        "accessModes": more.pop("modes", ["ReadWriteOnce"]),
        "resources": {"requests": {"storage": size}},
        "volumeName": volume,
    }
    raw = {"metadata": {**meta, "annotations": annotations, **more}, "spec": spec}
    to.storage.claims[f"default/{name}"] = msgspec.convert(raw, Claim)


def volume(to: Placer, name: str, storage_class: str = "late", size: str = "1Gi", on: str = "", **more: Any) -> None:
    spec: Json = {
        "storageClassName": storage_class,
        "capacity": {"storage": size},
        "accessModes": more.pop("modes", ["ReadWriteOnce"]),
    }
    if on:
        host = {"key": "kubernetes.io/hostname", "operator": "In", "values": [on]}
        spec["nodeAffinity"] = {"required": {"nodeSelectorTerms": [{"matchExpressions": [host]}]}}
    labels = more.pop("labels", {})
    raw = {"metadata": {"name": name, "labels": labels}, "spec": {**spec, **more}, "status": {"phase": "Available"}}
    to.storage.volumes[name] = msgspec.convert(raw, PersistentVolume)


def storage_class(to: Placer, name: str, mode: str, provisioner: str, *zones: str) -> None:
    topology = [{"matchLabelExpressions": [{"key": ZONE, "values": list(zones)}]}] if zones else []
    raw = {
        "metadata": {"name": name}, "provisioner": provisioner, "volumeBindingMode": mode, "allowedTopologies": topology,
    }  # fmt: skip
    to.storage.classes[name] = msgspec.convert(raw, StorageClass)


@pytest.fixture
def where() -> Placer:
    """m1 in zone a, m2 in zone b; classes `now`, `late` (which makes volumes) and `local` (which does not)."""
    made = placer(node("m1", labels={ZONE: "a"}), node("m2", labels={ZONE: "b"}))
    storage_class(made, "now", "Immediate", "example.com/disk")
    storage_class(made, "late", "WaitForFirstConsumer", "example.com/disk")
    storage_class(made, "local", "WaitForFirstConsumer", "kubernetes.io/no-provisioner")
    return made


def refused(where: Placer, one: Pod) -> str:
    (outcome,) = try_pods(where, one)
    return message(outcome)


def test_claim_that_is_not_there_keeps_the_pod_everywhere(where: Placer) -> None:
    assert refused(where, with_claims("data")) == ('0/2 nodes are available: persistentvolumeclaim "data" not found.')


def test_claim_on_its_way_out_keeps_the_pod(where: Placer) -> None:
    claim(where, "data", deletionTimestamp="2026-01-01T00:00:00Z")
    assert refused(where, with_claims("data")) == (
        '0/2 nodes are available: persistentvolumeclaim "data" is being deleted.'
    )


def test_claim_that_should_be_bound_already_keeps_the_pod(where: Placer) -> None:
    claim(where, "data", "now")
    assert refused(where, with_claims("data")) == (
        "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims."
    )


def test_ephemeral_volume_waits_for_its_claim_and_takes_no_other(where: Placer) -> None:
    one = pod("p", volumes=[{"name": "scratch", "ephemeral": {"volumeClaimTemplate": {}}}])
    assert refused(where, one) == (
        '0/2 nodes are available: waiting for ephemeral volume controller to create the persistentvolumeclaim "p-scratch".'
    )
    claim(where, "p-scratch")
    assert refused(where, one) == (
        "0/2 nodes are available: PVC default/p-scratch was not created for pod default/p (pod is not owner)."
    )
    claim(where, "p-scratch", ownerReferences=[{"kind": "Pod", "name": "p", "controller": True}])
    assert refused(where, one) == ""


def test_bound_volume_says_where_the_pod_goes(where: Placer) -> None:
    volume(where, "pv", on="m2")
    claim(where, "data", volume="pv")
    assert machines_of(try_pods(where, with_claims("data"))) == ["m2"]
    cordoned = node("m2", labels={ZONE: "b"}, spec={"unschedulable": True})
    where.snapshot.node_changed(cordoned)
    assert refused(where, with_claims("data", name="q")) == (
        "0/2 nodes are available: 1 node(s) didn't match PersistentVolume's node affinity, 1 node(s) were unschedulable."
    )


def test_volume_that_is_gone_is_named_as_such(where: Placer) -> None:
    claim(where, "data", volume="lost")
    assert refused(where, with_claims("data")) == (
        "0/2 nodes are available: 2 node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)."
    )


def test_late_claim_is_provided_for_on_the_machine_chosen(where: Placer) -> None:
    claim(where, "data")
    (outcome,) = try_pods(where, with_claims("data"))
    assert isinstance(outcome, Placement)
    assert outcome.volumes == VolumePlan(provisions=("default/data",), claims=("default/data",))
    # Another pod with the same claim has to go where its volume will be.
    assert machines_of(try_pods(where, with_claims("data", name="q"))) == [outcome.machine]
    other = "m2" if outcome.machine == "m1" else "m1"
    elsewhere = with_claims("data", name="r", nodeSelector={"kubernetes.io/hostname": other})
    assert "1 node(s) didn't find available persistent volumes to bind" in refused(where, elsewhere)


def test_machine_already_selected_holds(where: Placer) -> None:
    claim(where, "data", annotations={SELECTED_NODE: "m2"})
    assert machines_of(try_pods(where, with_claims("data"))) == ["m2"]


def test_late_claim_takes_the_smallest_volume_that_will_do(where: Placer) -> None:
    volume(where, "large", "local", "10Gi", on="m2")
    volume(where, "small", "local", "1Gi", on="m2")
    volume(where, "medium", "local", "5Gi", on="m2")
    claim(where, "data", "local", "2Gi")
    (outcome,) = try_pods(where, with_claims("data"))
    assert isinstance(outcome, Placement)
    assert outcome.machine == "m2"
    assert outcome.volumes.bindings == (("default/data", "medium"),)


def test_no_volume_is_promised_twice(where: Placer) -> None:
    volume(where, "only", "local", on="m1")
    for name in ("one", "two"):
        claim(where, name, "local")
    outcomes = try_pods(where, with_claims("one"), with_claims("two", name="q"))
    assert machines_of(outcomes) == ["m1", None]
    assert message(outcomes[1]) == (
        "0/2 nodes are available: 2 node(s) didn't find available persistent volumes to bind."
    )
    assert isinstance(outcomes[0], Placement)
    where.take_back(outcomes[0])
    assert machines_of(try_pods(where, with_claims("two", name="q"))) == ["m1"]


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"size": "500Mi"}, id="too small"),
        pytest.param({"modes": ["ReadOnlyMany"]}, id="other access"),
        pytest.param({"volumeMode": "Block"}, id="other mode"),
        pytest.param({"claimRef": {"namespace": "default", "name": "other"}}, id="set aside for another"),
        pytest.param({"storage_class": "else"}, id="other class"),
    ],
)
def test_volume_that_does_not_match_is_not_taken(where: Placer, wrong: Json) -> None:
    volume(where, "pv", **{"storage_class": "local", **wrong})
    claim(where, "data", "local")
    assert machines_of(try_pods(where, with_claims("data"))) == [None]


def test_volume_set_aside_for_the_claim_is_taken_before_smaller_ones(where: Placer) -> None:
    volume(where, "small", "local")
    volume(where, "mine", "local", "10Gi", claimRef={"namespace": "default", "name": "data"})
    claim(where, "data", "local")
    (outcome,) = try_pods(where, with_claims("data"))
    assert isinstance(outcome, Placement)
    assert outcome.volumes.bindings == (("default/data", "mine"),)


def test_class_makes_volumes_only_in_its_topology(where: Placer) -> None:
    storage_class(where, "zoned", "WaitForFirstConsumer", "example.com/disk", "b")
    claim(where, "data", "zoned")
    assert machines_of(try_pods(where, with_claims("data"))) == ["m2"]


def test_volume_of_a_zone_keeps_to_it(where: Placer) -> None:
    volume(where, "pv", labels={ZONE: "b__c"})
    claim(where, "data", volume="pv")
    where.snapshot.node_changed(node("m2", labels={ZONE: "x"}))
    assert refused(where, with_claims("data")) == "0/2 nodes are available: 2 node(s) had no available volume zone."
    where.snapshot.node_changed(node("m2", labels={ZONE: "c"}))
    assert machines_of(try_pods(where, with_claims("data"))) == ["m2"]


def test_claim_for_one_pod_alone_lets_no_second_in(where: Placer) -> None:
    volume(where, "pv")
    claim(where, "data", volume="pv", modes=["ReadWriteOncePod"])
    settle(where, with_claims("data", name="first"), "m1")
    assert refused(where, with_claims("data")) == (
        "0/2 nodes are available: 2 node has pod using PersistentVolumeClaim with the same name and "
        "ReadWriteOncePod access mode."
    )


def test_machine_takes_no_more_volumes_of_a_driver_than_it_can(where: Placer) -> None:
    drivers = [{"name": "example.com/disk", "nodeID": "m1", "allocatable": {"count": 1}}]
    for name in ("m1", "m2"):
        raw = {"metadata": {"name": name}, "spec": {"drivers": drivers}}
        where.storage.machines[name] = msgspec.convert(raw, CsiNode)
    for number in range(3):
        source = {"driver": "example.com/disk", "volumeHandle": f"disk-{number}"}
        volume(where, f"pv{number}", csi=source)
        claim(where, f"data{number}", volume=f"pv{number}")
    outcomes = try_pods(where, *(with_claims(f"data{n}", name=f"p{n}") for n in range(3)))
    assert sorted(map(str, machines_of(outcomes))) == ["None", "m1", "m2"]
    assert message(outcomes[2]) == "0/2 nodes are available: 2 node(s) exceed max volume count."
    # A volume that is there already counts once, however many pods share it.
    assert machines_of(try_pods(where, with_claims("data0", name="again"))) == [machines_of(outcomes)[0]]
