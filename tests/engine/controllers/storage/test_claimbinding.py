"""Which volume a claim gets, what it is told while it waits, and what becomes of a bound one."""

import pytest

from apimachinery.objects.meta import ObjectMeta
from apimachinery.objects.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES
from engine.controllers.actions import Action, Emit, Patch, SetStatus
from engine.controllers.storage.claimbinding import Observed, default_class, plan
from engine.controllers.storage.matching import best_match, why_unfit
from engine.controllers.storage.views import (
    BIND_COMPLETED,
    BOUND_BY_CONTROLLER,
    PROVISIONER,
    SELECTED_NODE,
    StorageClass,
)
from tests.engine.controllers.storage.objects import claim, storage_class, volume

BOUND = {BIND_COMPLETED: "yes"}


def told(actions: list[Action]) -> list[tuple[str, str]]:
    return [(action.note.reason, action.note.message) for action in actions if isinstance(action, Emit)]


def writes(actions: list[Action]) -> list[Action]:
    return [action for action in actions if not isinstance(action, Emit)]


@pytest.mark.parametrize(
    ("volumes", "wanted"),
    [
        pytest.param([volume("big", size="20Gi"), volume("small", size="4Gi")], "small", id="the smallest"),
        pytest.param([volume(size="1Gi")], None, id="too small"),
        pytest.param([volume(access_modes=("ReadOnlyMany",))], None, id="wrong mode"),
        pytest.param(
            [volume("many", size="4Gi", access_modes=("ReadWriteOnce", "ReadOnlyMany")), volume("one", size="8Gi")],
            "one",
            id="fewest modes before the smallest",
        ),
        pytest.param([volume(volume_mode="Block")], None, id="a block device is no file system"),
        pytest.param([volume(storage_class_name="fast")], None, id="another class"),
        pytest.param([volume(phase="Released")], None, id="not free"),
        pytest.param([volume(phase="Pending")], None, id="not looked at yet"),
        pytest.param([volume(going=True)], None, id="on its way out"),
        pytest.param([volume(held_by="other")], None, id="somebody else's"),
        pytest.param([volume(held_by="data", uid="old")], None, id="its namesake's of old"),
        pytest.param(
            [volume("small", size="4Gi"), volume("kept", size="50Gi", held_by="data", uid="", storage_class_name="x")],
            "kept",
            id="one kept for it, whatever its class",
        ),
    ],
)
def test_claim_matches(volumes: list[object], wanted: str | None) -> None:
    found = best_match(claim(), volumes, only_reserved=False)  # pyright: ignore
    assert (found.metadata.name if found else None) == wanted


def test_selector_picks_by_labels() -> None:
    wanting = claim(selector={"matchLabels": {"disk": "ssd"}})
    volumes = [volume("slow", size="4Gi"), volume("quick", labels={"disk": "ssd"})]
    found = best_match(wanting, volumes, only_reserved=False)
    assert found is not None
    assert found.metadata.name == "quick"


def test_delayed_claim_takes_only_what_the_scheduler_kept_for_it() -> None:
    assert best_match(claim(), [volume()], only_reserved=True) is None
    kept = volume(held_by="data")
    assert best_match(claim(), [kept], only_reserved=True) is kept


@pytest.mark.parametrize(
    ("one", "text"),
    [
        pytest.param(volume(size="1Gi"), "requested PV is too small", id="small"),
        pytest.param(volume(storage_class_name="x"), "storageClassName does not match", id="class"),
        pytest.param(volume(volume_mode="Block"), "incompatible volumeMode", id="volume mode"),
        pytest.param(volume(access_modes=("ReadOnlyMany",)), "incompatible accessMode", id="access mode"),
        pytest.param(volume(), "", id="fits"),
    ],
)
def test_named_volume_must_suit_the_claim(one: object, text: str) -> None:
    wanting = claim(volume_name="disk")
    assert why_unfit(one, wanting) == text  # pyright: ignore
    actions = plan(Observed(claim=wanting, volume=one))  # pyright: ignore
    expected = [("VolumeMismatch", f'Cannot bind to requested volume "disk": {text}')] if text else []
    assert told(actions) == expected


def test_binding_goes_volume_first_then_claim_then_status_and_then_rests() -> None:
    unbound = claim()
    (first,) = plan(Observed(claim=unbound, volumes=(volume(),)))
    assert isinstance(first, Patch)
    assert (first.resource, first.resource_version) == (PERSISTENTVOLUMES, "8")
    assert isinstance(first.body, dict)
    assert first.body["spec"]["claimRef"]["uid"] == "uid-data"
    assert first.body["metadata"]["annotations"] == {BOUND_BY_CONTROLLER: "yes"}

    held = volume(held_by="data")
    (second,) = plan(Observed(claim=unbound, volumes=(held,)))
    assert isinstance(second, Patch)
    assert second.resource == PERSISTENTVOLUMECLAIMS
    assert second.body == {
        "metadata": {"annotations": {BIND_COMPLETED: "yes", BOUND_BY_CONTROLLER: "yes"}},
        "spec": {"volumeName": "disk"},
    }

    (third,) = plan(Observed(claim=claim(annotations=BOUND, volume_name="disk"), volume=held))
    assert isinstance(third, SetStatus)
    assert third.status == {"phase": "Bound", "capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteOnce"]}

    settled = claim(annotations=BOUND, volume_name="disk", phase="Bound", has="10Gi")
    assert plan(Observed(claim=settled, volume=held)) == []


def test_user_who_named_the_volume_keeps_the_merit() -> None:
    (only,) = plan(Observed(claim=claim(volume_name="disk"), volume=volume(held_by="data")))
    assert isinstance(only, Patch)
    assert only.body == {"metadata": {"annotations": {BIND_COMPLETED: "yes"}}, "spec": {"volumeName": "disk"}}


@pytest.mark.parametrize(
    ("observed", "reason", "text"),
    [
        pytest.param(
            Observed(claim=claim()),
            "FailedBinding",
            "no persistent volumes available for this claim and no storage class is set",
            id="no class",
        ),
        pytest.param(
            Observed(claim=claim(storage_class_name="gone")),
            "ProvisioningFailed",
            'storageclass.storage.k8s.io "gone" not found',
            id="class that is not there",
        ),
        pytest.param(
            Observed(
                claim=claim(storage_class_name="by-hand"),
                storage_class=storage_class(
                    "by-hand", provisioner="kubernetes.io/no-provisioner", volume_binding_mode="Immediate"
                ),
            ),
            "ProvisioningFailed",
            "no volume plugin matched name: kubernetes.io/no-provisioner",
            id="class without provisioner",
        ),
        pytest.param(
            Observed(claim=claim(storage_class_name="local-path"), storage_class=storage_class()),
            "WaitForFirstConsumer",
            "waiting for first consumer to be created before binding",
            id="delayed",
        ),
        pytest.param(
            Observed(
                claim=claim(storage_class_name="local-path"), storage_class=storage_class(), waiting_pods=("web-0",)
            ),
            "WaitForPodScheduled",
            "waiting for pod web-0 to be scheduled",
            id="delayed, its pod waits",
        ),
        pytest.param(
            Observed(
                claim=claim(storage_class_name="local-path"), storage_class=storage_class(), waiting_pods=("a", "b")
            ),
            "WaitForPodScheduled",
            "waiting for pods a,b to be scheduled",
            id="delayed, its pods wait",
        ),
        pytest.param(
            Observed(claim=claim(volume_name="disk"), volume=volume(held_by="other")),
            "FailedBinding",
            'volume "disk" already bound to a different claim.',
            id="named volume is taken",
        ),
    ],
)
def test_waiting_claim_is_told_why_and_nothing_else_is_done(observed: Observed, reason: str, text: str) -> None:
    actions = plan(observed)
    assert told(actions) == [(reason, text)]
    assert writes(actions) == []


def test_provisioner_is_asked_once_a_machine_is_chosen() -> None:
    chosen = claim(storage_class_name="local-path", annotations={SELECTED_NODE: "m1"})
    actions = plan(Observed(claim=chosen, storage_class=storage_class()))
    (asked,) = writes(actions)
    assert isinstance(asked, Patch)
    assert isinstance(asked.body, dict)
    assert asked.body["metadata"]["annotations"][PROVISIONER] == "pilothouse.dev/local-path"
    ((reason, text),) = told(actions)
    assert reason == "ExternalProvisioning"
    assert text.startswith(
        "Waiting for a volume to be created either by the external provisioner 'pilothouse.dev/local-path' or manually"
    )


def test_claim_without_class_gets_the_default_once_there_is_one() -> None:
    (given,) = plan(Observed(claim=claim(), default_class="local-path"))
    assert isinstance(given, Patch)
    assert given.body == {"spec": {"storageClassName": "local-path"}}
    told_only = plan(Observed(claim=claim(storage_class_name=""), default_class=""))
    assert writes(told_only) == []


@pytest.mark.parametrize(
    ("observed", "reason"),
    [
        pytest.param(Observed(claim=claim(annotations=BOUND, phase="Bound", has="1Gi")), "ClaimLost", id="name lost"),
        pytest.param(
            Observed(claim=claim(annotations=BOUND, phase="Bound", has="1Gi", volume_name="disk")),
            "ClaimLost",
            id="volume lost",
        ),
        pytest.param(
            Observed(
                claim=claim(annotations=BOUND, phase="Bound", has="1Gi", volume_name="disk"),
                volume=volume(held_by="other"),
            ),
            "ClaimMisbound",
            id="volume is another's",
        ),
    ],
)
def test_bound_claim_without_its_volume_is_lost(observed: Observed, reason: str) -> None:
    (lost,) = plan(observed)
    assert isinstance(lost, SetStatus)
    assert lost.status == {"phase": "Lost", "accessModes": None, "capacity": None}
    assert lost.succeeded is not None
    assert (lost.succeeded.type, lost.succeeded.reason) == ("Warning", reason)


def test_newest_of_several_default_classes_counts() -> None:
    def marked(name: str, made: str, mark: str = "true") -> StorageClass:
        annotations = {"storageclass.kubernetes.io/is-default-class": mark}
        return StorageClass(metadata=ObjectMeta(name=name, creation_timestamp=made, annotations=annotations))

    old, new, other = (
        marked("a", "2026-01-01T00:00:00Z"),
        marked("c", "2026-02-01T00:00:00Z"),
        marked("b", "2026-02-01T00:00:00Z"),
    )
    assert default_class([old, new, other]) == "b"
    assert default_class([marked("d", "2026-03-01T00:00:00Z", "false")]) == ""
