"""What is said of volumes, who holds what, and folders of machines from their making to their end."""

from decimal import Decimal
from typing import Any

import pytest

from apimachinery.objects import localpath
from apimachinery.objects.meta import ObjectMeta
from engine.controllers.actions import Action, Create, Delete, Emit, Patch, SetStatus
from engine.controllers.storage import ephemeral, expansion, localresizing, protection
from engine.controllers.storage import localpath as folders
from engine.controllers.storage import volumebinding as binding
from engine.controllers.storage.views import BOUND_BY_CONTROLLER, PROVISIONER, SELECTED_NODE
from engine.controllers.views import ClaimVolume, EphemeralVolume, Node, NodeCondition, NodeStatus, PodVolume
from tests.engine.controllers.objects import owned_by, pod, raw
from tests.engine.controllers.storage.objects import claim, storage_class, volume

OURS = {localpath.PROVISIONED_BY: localpath.PROVISIONER}


def told(actions: list[Action]) -> list[tuple[str, str]]:
    return [(action.note.reason, action.note.message) for action in actions if isinstance(action, Emit)]


@pytest.mark.parametrize(
    ("observed", "phase"),
    [
        pytest.param(binding.Observed(volume=volume(phase="Pending")), "Available", id="free"),
        pytest.param(
            binding.Observed(volume=volume(phase="Pending", held_by="data", uid="")), "Available", id="kept for a name"
        ),
        pytest.param(
            binding.Observed(volume=volume(held_by="data"), claim=claim(volume_name="disk")), "Bound", id="bound"
        ),
        pytest.param(binding.Observed(volume=volume(phase="Bound", held_by="data")), "Released", id="claim is gone"),
        pytest.param(
            binding.Observed(volume=volume(phase="Bound", held_by="data", uid="old"), claim=claim()),
            "Released",
            id="claim was replaced",
        ),
    ],
)
def test_volume_is_in_phase(observed: binding.Observed, phase: str) -> None:
    (action,) = binding.plan(observed)
    assert isinstance(action, SetStatus)
    assert action.status["phase"] == phase


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        pytest.param(volume(phase="Released", held_by="x"), "", id="retained"),
        pytest.param(
            volume(
                phase="Released", held_by="x", reclaim_policy="Delete", annotations={localpath.PROVISIONED_BY: "a/b"}
            ),
            "",
            id="its provisioner's to delete",
        ),
        pytest.param(
            volume(phase="Released", held_by="x", reclaim_policy="Delete"), "VolumeFailedDelete", id="nobody can"
        ),
        pytest.param(
            volume(phase="Released", held_by="x", reclaim_policy="Recycle"), "VolumeFailedRecycle", id="recycle"
        ),
        pytest.param(volume(phase="Failed", held_by="x", reclaim_policy="Delete"), "", id="said before"),
    ],
)
def test_released_volume_is_given_back_by_its_policy(one: Any, reason: str) -> None:
    actions = binding.plan(binding.Observed(volume=one))
    assert [a.succeeded.reason for a in actions if isinstance(a, SetStatus) and a.succeeded] == (
        [reason] if reason else []
    )


def test_volume_whose_claim_went_elsewhere_is_free_again() -> None:
    elsewhere = claim(volume_name="other")
    (freed,) = binding.plan(
        binding.Observed(volume=volume(held_by="data", annotations={BOUND_BY_CONTROLLER: "yes"}), claim=elsewhere)
    )
    assert isinstance(freed, Patch)
    assert freed.body == {"metadata": {"annotations": {BOUND_BY_CONTROLLER: None}}, "spec": {"claimRef": None}}
    (kept,) = binding.plan(binding.Observed(volume=volume(held_by="data"), claim=elsewhere))
    assert isinstance(kept, Patch)
    assert kept.body == {"spec": {"claimRef": {"uid": None, "resourceVersion": None}}}
    made_for_it = volume(held_by="data", phase="Bound", annotations=OURS, reclaim_policy="Delete")
    (released,) = binding.plan(binding.Observed(volume=made_for_it, claim=elsewhere))
    assert isinstance(released, SetStatus)
    assert released.status["phase"] == "Released"


def with_claim(name: str = "data", **fields: Any) -> Any:
    return pod(volumes=(PodVolume(name="v", persistent_volume_claim=ClaimVolume(name)),), **fields)


HELD = {"finalizers": (protection.CLAIM_FINALIZER, "other")}


@pytest.mark.parametrize(
    ("observed", "finalizers"),
    [
        pytest.param(protection.Observed(claim=claim()), [protection.CLAIM_FINALIZER], id="new"),
        pytest.param(protection.Observed(claim=claim(**HELD)), None, id="held"),
        pytest.param(protection.Observed(claim=claim(going=True)), None, id="going unheld"),
        pytest.param(protection.Observed(claim=claim(going=True, **HELD)), ["other"], id="going unused"),
        pytest.param(protection.Observed(claim=claim(going=True, **HELD), pods=(with_claim(),)), None, id="used"),
        pytest.param(
            protection.Observed(claim=claim(going=True, **HELD), pods=(with_claim(phase="Succeeded"),)),
            None,
            id="used by a pod that ended",
        ),
        pytest.param(
            protection.Observed(claim=claim(going=True, **HELD), pods=(with_claim(node=""),)),
            ["other"],
            id="wanted by a pod that runs nowhere",
        ),
        pytest.param(
            protection.Observed(claim=claim(going=True, **HELD), pods=(with_claim("other"),)),
            ["other"],
            id="another's pod",
        ),
    ],
)
def test_claim_is_held_while_used(observed: protection.Observed, finalizers: list[str] | None) -> None:
    actions = protection.plan(observed)
    bodies = [action.body for action in actions if isinstance(action, Patch)]
    assert bodies == ([] if finalizers is None else [{"metadata": {"finalizers": finalizers}}])


def test_volume_is_held_while_bound() -> None:
    held = (protection.VOLUME_FINALIZER,)
    assert protection.plan_volume(volume(going=True, phase="Bound", finalizers=held)) == []
    (freed,) = protection.plan_volume(volume(going=True, phase="Released", finalizers=held))
    assert isinstance(freed, Patch)
    assert freed.body == {"metadata": {"finalizers": []}}
    (taken,) = protection.plan_volume(volume())
    assert isinstance(taken, Patch)
    assert taken.body == {"metadata": {"finalizers": [protection.VOLUME_FINALIZER]}}


SCRATCH = PodVolume(
    name="scratch",
    ephemeral=EphemeralVolume(raw({"metadata": {"labels": {"a": "b"}}, "spec": {"accessModes": ["ReadWriteOnce"]}})),
)


def test_ephemeral_volume_becomes_a_claim_of_its_pod() -> None:
    (made,) = ephemeral.plan(ephemeral.Observed(pod=pod("web", volumes=(SCRATCH,))))
    assert isinstance(made, Create)
    meta = made.body["metadata"]
    assert (meta["name"], meta["labels"]) == ("web-scratch", {"a": "b"})
    assert meta["ownerReferences"] == [
        {
            "apiVersion": "v1", "kind": "Pod", "name": "web", "uid": "uid-web", "controller": True,
            "blockOwnerDeletion": True,
        }
    ]  # fmt: skip
    assert made.body["spec"] == {"accessModes": ["ReadWriteOnce"]}


def test_ephemeral_volume_does_not_take_a_claim_of_somebody_else() -> None:
    web = pod("web", volumes=(SCRATCH,))
    foreign = claim("web-scratch")
    actions = ephemeral.plan(ephemeral.Observed(pod=web, claims={"web-scratch": foreign}))
    assert told(actions) == [
        (
            "FailedBinding",
            "ephemeral volume scratch: PVC default/web-scratch was not created for pod default/web (pod is not owner)",
        )
    ]
    own = claim("web-scratch", owners=(owned_by("Pod", "uid-web", "web"),))
    assert ephemeral.plan(ephemeral.Observed(pod=web, claims={"web-scratch": own})) == []
    assert ephemeral.plan(ephemeral.Observed(pod=pod("web", volumes=(SCRATCH,), deleting=True))) == []


def node(name: str = "m1", *, size: str | None = None, ready: str = "True") -> Node:
    annotations = {localpath.CAPACITY: size} if size else {}
    labels = {"kubernetes.io/hostname": name}
    return Node(
        metadata=ObjectMeta(name=name, annotations=annotations, labels=labels),
        status=NodeStatus(conditions=(NodeCondition(type="Ready", status=ready),)),
    )


ASKED = {PROVISIONER: localpath.PROVISIONER, SELECTED_NODE: "m1"}


def wants_folder(
    wanting: Any, *nodes: Node, used_on: str = "", immediate: bool = False, given: Any = None, **parameters: str
) -> list[Action]:
    mode = "Immediate" if immediate else "WaitForFirstConsumer"
    return folders.plan(
        folders.Observed(
            claim=wanting,
            storage_class=storage_class(volume_binding_mode=mode, parameters=parameters),
            nodes={one.metadata.name: one for one in nodes},
            used_on=used_on,
            given=given or {},
        )
    )


@pytest.mark.parametrize(
    ("wanting", "problem"),
    [
        pytest.param({"selector": {}}, "claim.Spec.Selector is not supported", id="selector"),
        pytest.param({"data_source": {"kind": "VolumeSnapshot"}}, "a data source is not supported", id="source"),
        pytest.param(
            {"volume_mode": "Block"}, "pilothouse.dev/local-path does not support block volume provisioning", id="block"
        ),
        pytest.param(
            {"access_modes": ("ReadWriteMany",)},
            "only access modes ReadWriteOnce and ReadWriteOncePod are supported: the volume is a folder of one machine",
            id="shared",
        ),
    ],
)
def test_what_a_folder_cannot_be_is_refused_in_words(wanting: dict[str, Any], problem: str) -> None:
    actions = wants_folder(claim(annotations=ASKED, storage_class_name="local-path", **wanting), node())
    text = f'failed to provision volume with StorageClass "local-path": {problem}'
    assert told(actions) == [("ProvisioningFailed", text)]
    assert not [action for action in actions if isinstance(action, Create)]


def test_unknown_parameter_of_the_class_is_refused() -> None:
    actions = wants_folder(claim(annotations=ASKED), node(), path="/etc")
    assert 'unknown parameter "path"' in told(actions)[0][1]


def test_volume_larger_than_the_machine_sends_the_claim_back_to_the_scheduler() -> None:
    actions = wants_folder(claim(size="1Ti", annotations=ASKED), node(size="20Gi"))
    assert 'node "m1" has 20Gi for volumes, 1Ti requested' in told(actions)[0][1]
    assert [action.body for action in actions if isinstance(action, Patch)] == [
        {"metadata": {"annotations": {SELECTED_NODE: None}}}
    ]
    stuck = wants_folder(claim(size="1Ti", annotations=ASKED), node(size="20Gi"), used_on="m1")
    assert not [action for action in stuck if isinstance(action, Patch)]


def test_immediate_claim_goes_to_the_ready_machine_that_gave_least() -> None:
    asked = {PROVISIONER: localpath.PROVISIONER}
    nodes = (node("m1"), node("m2"), node("m3", ready="False"))
    actions = wants_folder(
        claim(annotations=asked), *nodes, immediate=True, given={"m1": Decimal(10), "m2": Decimal(3)}
    )
    (made,) = [action for action in actions if isinstance(action, Create)]
    assert made.body["metadata"]["labels"] == {localpath.MACHINE: "m2"}


def test_claim_of_a_pod_placed_by_hand_follows_its_pod() -> None:
    (chosen,) = wants_folder(claim(), node(), used_on="m1")
    assert isinstance(chosen, Patch)
    assert chosen.body == {"metadata": {"annotations": {SELECTED_NODE: "m1"}}}
    assert wants_folder(claim(), node()) == []


def test_folders_name_is_never_longer_than_a_file_system_takes() -> None:
    actions = wants_folder(claim("x" * 253, annotations=ASKED), node())
    (made,) = [action for action in actions if isinstance(action, Create)]
    assert len(made.body["spec"]["local"]["path"].rpartition("/")[2]) == 255


@pytest.mark.parametrize(
    ("one", "gone", "expected"),
    [
        pytest.param(volume(phase="Released", annotations=OURS, reclaim_policy="Delete"), False, Delete, id="delete"),
        pytest.param(volume(phase="Released", annotations=OURS, reclaim_policy="Retain"), False, None, id="retain"),
        pytest.param(volume(phase="Bound", annotations=OURS, reclaim_policy="Delete"), False, None, id="in use"),
        pytest.param(volume(phase="Released", reclaim_policy="Delete"), False, None, id="not ours"),
        pytest.param(
            volume(going=True, annotations=OURS, finalizers=(localpath.FINALIZER,)), False, None, id="its agent's turn"
        ),
        pytest.param(
            volume(going=True, annotations=OURS, finalizers=(localpath.FINALIZER, "x")), True, Patch, id="machine left"
        ),
    ],
)
def test_folder_volume_is_given_back(one: Any, gone: bool, expected: type[Action] | None) -> None:
    actions = folders.plan_volume(folders.ObservedVolume(volume=one, machine_is_gone=gone))
    assert [type(action) for action in actions] == ([expected] if expected else [])
    assert [a.body for a in actions if isinstance(a, Patch)] in ([], [{"metadata": {"finalizers": ["x"]}}])


def growing(**fields: Any) -> Any:
    return claim(size="5Gi", has="3Gi", phase="Bound", volume_name="disk", **fields)


def resized(wanting: Any, one: Any, size: str | None = None) -> list[Action]:
    machine = node(size=size)
    return localresizing.plan(localresizing.Observed(claim=wanting, volume=one, node=machine, now="now"))


def test_folder_grows_by_saying_so() -> None:
    small, big = volume(size="3Gi", annotations=OURS), volume(size="5Gi", annotations=OURS)
    (begun,) = resized(growing(), small)
    assert isinstance(begun, SetStatus)
    assert begun.status["allocatedResourceStatuses"] == {"storage": "ControllerResizeInProgress"}
    marked = growing(
        status={
            "allocated_resources": {"storage": "5Gi"},
            "allocated_resource_statuses": {"storage": "ControllerResizeInProgress"},
        }
    )
    (grown,) = resized(marked, small)
    assert isinstance(grown, Patch)
    assert grown.body == {"spec": {"capacity": {"storage": "5Gi"}}}
    (done,) = resized(marked, big)
    assert isinstance(done, SetStatus)
    assert done.status["capacity"] == {"storage": "5Gi"}
    assert resized(claim(size="5Gi", has="5Gi", phase="Bound", volume_name="disk"), big) == []


def test_folder_does_not_outgrow_its_machine_and_says_so_once() -> None:
    small = volume(size="3Gi", annotations=OURS)
    (refused,) = resized(growing(), small, size="4Gi")
    assert isinstance(refused, SetStatus)
    assert refused.succeeded is not None
    assert refused.succeeded.reason == "VolumeResizeFailed"
    said = growing(
        status={
            "allocated_resources": {"storage": "5Gi"},
            "allocated_resource_statuses": {"storage": "ControllerResizeInfeasible"},
        }
    )
    assert resized(said, small, size="4Gi") == []


def test_growth_of_other_volumes_is_left_to_their_drivers() -> None:
    actions = expansion.plan(expansion.Observed(claim=growing(), volume=volume(size="3Gi")))
    assert told(actions) == [("ExternalExpanding", "waiting for an external controller to expand this PVC")]
    assert expansion.plan(expansion.Observed(claim=growing(), volume=volume(size="3Gi", annotations=OURS))) == []
