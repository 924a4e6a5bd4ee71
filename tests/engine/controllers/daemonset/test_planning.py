"""What the DaemonSet controller plans."""

from typing import Any

import msgspec
import pytest

from apimachinery.objects.meta import ObjectMeta
from apimachinery.objects.resources import CONTROLLERREVISIONS, PODS
from apimachinery.objects.taints import Taint, Toleration
from engine.controllers.actions import Action, Create, Delete, Emit, RequeueAfter, SetStatus
from engine.controllers.daemonset import planning
from engine.controllers.daemonset.views import DaemonSet, DaemonSetSpec, DaemonSetStatus, RollingUpdate, UpdateStrategy
from engine.controllers.history import ControllerRevision, RevisionData, RevisionSpec, revision_name
from engine.controllers.views import Node, Pod
from tests.engine.controllers.objects import NOW, node, owned_by, pod, raw, template

MINE = owned_by("DaemonSet", "uid-web", "web")
NODES = (node("m1"), node("m2"), node("m3"))


def daemon_set(
    *,
    image: str = "nginx:1",
    surge: int | str = 0,
    unavailable: int | str = 1,
    on_delete: bool = False,
    min_ready: int = 0,
    status: DaemonSetStatus | None = None,
    annotations: dict[str, str] | None = None,
    **spec: Any,
) -> DaemonSet:
    whole = template(image)
    whole["spec"] |= spec
    return DaemonSet(
        metadata=ObjectMeta(
            name="web", namespace="default", uid="uid-web", resource_version="9", generation=1,
            annotations=annotations or {},
        ),
        spec=DaemonSetSpec(
            selector={"matchLabels": {"app": "web"}},
            template=raw(whole),
            update_strategy=UpdateStrategy(
                type="OnDelete" if on_delete else "RollingUpdate",
                rolling_update=RollingUpdate(max_unavailable=unavailable, max_surge=surge),
            ),
            min_ready_seconds=min_ready,
            revision_history_limit=1,
        ),
        status=status or DaemonSetStatus(),
    )  # fmt: skip


def revision(ds: DaemonSet, number: int = 1) -> ControllerRevision:
    name = revision_name(ds, ds.spec.template, None)
    decoded = msgspec.json.decode(ds.spec.template)
    return ControllerRevision(
        metadata=ObjectMeta(
            name=name,
            namespace="default",
            uid=f"uid-{name}",
            labels={"app": "web", "controller-revision-hash": name.rpartition("-")[2]},
            owner_references=(MINE,),
        ),
        data=RevisionData(spec=RevisionSpec(template={**decoded, "$patch": "replace"})),
        revision=number,
    )


def daemon(name: str, machine: str, of: DaemonSet, **facts: Any) -> Pod:
    digest = revision_name(of, of.spec.template, None).rpartition("-")[2]
    labels = {"app": "web", "controller-revision-hash": digest}
    return pod(name, owner=MINE, labels=labels, node=machine, **facts)


def plan(
    ds: DaemonSet, *pods: Pod, nodes: tuple[Node, ...] = NODES, revisions: tuple[ControllerRevision, ...] | None = None,
    **more: Any,
) -> list[Action]:  # fmt: skip
    held = (revision(ds),) if revisions is None else revisions
    observed = planning.Observed(daemon_set=ds, pods=pods, revisions=held, nodes=nodes, now=NOW, **more)
    return planning.plan(observed)


def created_on(actions: list[Action]) -> list[str]:
    """Machines that get a pod."""
    machines: list[str] = []
    for action in actions:
        if isinstance(action, Create) and action.resource == PODS:
            required = action.body["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
            machines += required["nodeSelectorTerms"][0]["matchFields"][0]["values"]
    return machines


def deleted(actions: list[Action]) -> list[str]:
    return [a.name for a in actions if isinstance(a, Delete) and a.resource == PODS]


def status_of(actions: list[Action]) -> dict[str, Any]:
    (found,) = (action for action in actions if isinstance(action, SetStatus))
    return found.status


SETTLED = DaemonSetStatus(
    current_number_scheduled=3, desired_number_scheduled=3, number_ready=3, observed_generation=1,
    updated_number_scheduled=3, number_available=3,
)  # fmt: skip


def test_settled_set_plans_nothing() -> None:
    ds = daemon_set(status=SETTLED)
    assert plan(ds, *(daemon(f"p{n}", f"m{n}", ds) for n in (1, 2, 3))) == []


def test_every_machine_without_a_pod_gets_one_bound_to_it() -> None:
    ds = daemon_set()
    actions = plan(ds, daemon("p2", "m2", ds))
    assert created_on(actions) == ["m1", "m3"]
    assert status_of(actions)["desiredNumberScheduled"] == 3
    assert status_of(actions)["currentNumberScheduled"] == 1


def test_first_plan_makes_the_revision_before_the_pods() -> None:
    ds = daemon_set(annotations={"kubernetes.io/change-cause": "first"})
    creations = [a for a in plan(ds, revisions=()) if isinstance(a, Create)]
    assert [a.resource for a in creations] == [CONTROLLERREVISIONS, PODS, PODS, PODS]
    made = creations[0].body
    assert made["revision"] == 1
    assert made["metadata"]["annotations"] == {"kubernetes.io/change-cause": "first"}
    assert made["data"]["spec"]["template"]["$patch"] == "replace"
    digest = made["metadata"]["labels"]["controller-revision-hash"]
    assert made["metadata"]["name"] == f"web-{digest}"
    assert creations[1].body["metadata"]["labels"]["controller-revision-hash"] == digest


def test_pods_carry_the_automatic_tolerations() -> None:
    ds = daemon_set(hostNetwork=True, tolerations=[{"key": "mine", "operator": "Exists"}])
    creation = next(a for a in plan(ds) if isinstance(a, Create))
    assert [(t.get("key"), t.get("effect")) for t in creation.body["spec"]["tolerations"]] == [
        ("mine", None),
        ("node.kubernetes.io/not-ready", "NoExecute"),
        ("node.kubernetes.io/unreachable", "NoExecute"),
        ("node.kubernetes.io/disk-pressure", "NoSchedule"),
        ("node.kubernetes.io/memory-pressure", "NoSchedule"),
        ("node.kubernetes.io/pid-pressure", "NoSchedule"),
        ("node.kubernetes.io/unschedulable", "NoSchedule"),
        ("node.kubernetes.io/network-unavailable", "NoSchedule"),
    ]


_GPU_TERM = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "gpu", "operator": "Exists"}]}]}


@pytest.mark.parametrize(
    ("spec", "machine", "expected"),
    [
        pytest.param({}, node("m1"), "run", id="plain"),
        pytest.param({}, node("m1", ready="False"), "run", id="not ready"),
        pytest.param({"nodeSelector": {"gpu": "yes"}}, node("m1"), "no", id="selector does not match"),
        pytest.param({"nodeSelector": {"gpu": "yes"}}, node("m1", labels={"gpu": "yes"}), "run", id="selector matches"),
        pytest.param(
            {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": _GPU_TERM}}},
            node("m1"), "no", id="affinity does not match",
        ),
        pytest.param({"nodeName": "m2"}, node("m1"), "no", id="another machine named"),
        pytest.param({}, node("m1", taints=(Taint("own", "NoSchedule"),)), "stay", id="taint keeps new pods away"),
        pytest.param({}, node("m1", taints=(Taint("own", "NoExecute"),)), "no", id="taint drives pods out"),
        pytest.param(
            {"tolerations": [{"key": "own", "operator": "Exists"}]},
            node("m1", taints=(Taint("own", "NoExecute"),)), "run", id="taint tolerated",
        ),
        pytest.param(
            {}, node("m1", taints=(Taint("node.kubernetes.io/unschedulable", "NoSchedule"),)), "run", id="cordoned"
        ),
        pytest.param({}, node("m1", taints=(Taint("x", "PreferNoSchedule"),)), "run", id="mere preference"),
    ],
)  # fmt: skip
def test_a_machine_is_chosen_by_selector_affinity_and_taints(
    spec: dict[str, Any], machine: Node, expected: str
) -> None:
    ds = daemon_set(**spec)
    assert bool(created_on(plan(ds, nodes=(machine,)))) is (expected == "run")
    actions = plan(ds, daemon("p", "m1", ds), nodes=(machine,))
    assert deleted(actions) == (["p"] if expected == "no" else [])
    assert status_of(actions)["numberMisscheduled"] == (0 if expected == "run" else 1)


def test_machine_whose_pod_is_leaving_gets_the_next_one_only_after_it_left() -> None:
    ds = daemon_set()
    assert created_on(plan(ds, daemon("p", "m1", ds, deleting=True), nodes=(node("m1"),))) == []


def test_failed_pod_is_removed_after_its_wait() -> None:
    ds = daemon_set()
    failed = daemon("p", "m1", ds, phase="Failed", ready=False)
    actions = plan(ds, failed, nodes=(node("m1"),))
    assert deleted(actions) == ["p"]
    (told,) = (a.note for a in actions if isinstance(a, Emit))
    assert (told.reason, told.message) == (
        "FailedDaemonPod", "Found failed daemon pod default/p on node m1, will try to kill it"
    )  # fmt: skip
    waiting = plan(ds, failed, nodes=(node("m1"),), held_back={"uid-p": 4.0})
    assert deleted(waiting) == []
    assert RequeueAfter(seconds=4.0) in waiting


def test_unscheduled_pod_of_a_machine_that_is_gone_is_removed() -> None:
    ds = daemon_set()
    affinity = {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["gone"]}]}]
            }
        }
    }
    waiting = daemon("p", "", ds)
    spec = msgspec.convert({"affinity": affinity}, type(waiting.spec))
    assert deleted(plan(ds, msgspec.structs.replace(waiting, spec=spec), nodes=())) == ["p"]


def test_of_two_pods_on_a_machine_the_older_stays() -> None:
    ds = daemon_set()
    actions = plan(ds, daemon("young", "m1", ds, age=1), daemon("old", "m1", ds, age=9), nodes=(node("m1"),))
    assert deleted(actions) == ["young"]


OLD = daemon_set(image="nginx:0")


@pytest.mark.parametrize(
    ("facts", "unavailable", "count"),
    [
        pytest.param({}, 1, 1, id="one at a time"),
        pytest.param({}, 2, 2, id="two at a time"),
        pytest.param({}, "50%", 2, id="percentages round up"),
        pytest.param({}, 0, 1, id="never none"),
        pytest.param({"ready": False}, 1, 3, id="what does not work costs nothing"),
    ],
)
def test_old_pods_go_as_far_as_unavailability_allows(facts: dict[str, Any], unavailable: int | str, count: int) -> None:
    ds = daemon_set(unavailable=unavailable)
    pods = [daemon(f"p{n}", f"m{n}", OLD, **facts) for n in (1, 2, 3)]
    assert len(deleted(plan(ds, *pods, revisions=(revision(OLD), revision(ds, 2))))) == count


def test_rollout_waits_for_the_new_pod_to_be_available() -> None:
    ds = daemon_set(min_ready=30)
    pods = [daemon("new", "m1", ds, ready_for=10), daemon("p2", "m2", OLD, ready_for=60)]
    actions = plan(ds, *pods, nodes=NODES[:2], revisions=(revision(OLD), revision(ds, 2)))
    assert deleted(actions) == []
    assert RequeueAfter(seconds=20.0) in actions


def test_old_pods_stay_until_deleted_where_asked_for() -> None:
    ds = daemon_set(on_delete=True)
    pods = [daemon(f"p{n}", f"m{n}", OLD) for n in (1, 2, 3)]
    actions = plan(ds, *pods, revisions=(revision(OLD), revision(ds, 2)))
    assert deleted(actions) == []
    assert status_of(actions)["updatedNumberScheduled"] is None


def test_surge_starts_the_new_pod_before_the_old_one_goes() -> None:
    ds = daemon_set(surge=1, unavailable=0)
    revisions = (revision(OLD), revision(ds, 2))
    pods = [daemon(f"p{n}", f"m{n}", OLD) for n in (1, 2, 3)]
    assert created_on(plan(ds, *pods, revisions=revisions)) == ["m1"]
    starting = [*pods, daemon("new", "m1", ds, ready=False, age=1)]
    actions = plan(ds, *starting, revisions=revisions)
    assert (created_on(actions), deleted(actions)) == ([], [])
    started = [*pods, daemon("new", "m1", ds, age=1)]
    assert deleted(plan(ds, *started, revisions=revisions)) == ["p1"]


def test_template_that_comes_back_gets_the_highest_number() -> None:
    ds = daemon_set()
    actions = plan(ds, nodes=(), revisions=(revision(ds, 1), revision(OLD, 2)))
    assert [a.body for a in actions if getattr(a, "resource", None) == CONTROLLERREVISIONS] == [{"revision": 3}]  # pyright: ignore


def test_unused_revisions_beyond_the_limit_are_removed_oldest_first() -> None:
    ds = daemon_set()
    older = [revision(daemon_set(image=f"nginx:old{n}"), n) for n in (1, 2, 3)]
    in_use = daemon("p", "m1", daemon_set(image="nginx:old1"))
    actions = plan(ds, in_use, revisions=(*older, revision(ds, 4)))
    gone = [a.name for a in actions if isinstance(a, Delete) and a.resource == CONTROLLERREVISIONS]
    assert gone == [older[1].metadata.name, older[2].metadata.name]


def test_name_taken_by_another_template_counts_as_a_collision() -> None:
    ds = daemon_set()
    actions = plan(ds, revisions=(), name_holder=revision(OLD))
    assert [a.status for a in actions if isinstance(a, SetStatus)] == [{"collisionCount": 1}]
    assert created_on(actions) == []


def test_set_that_is_being_deleted_is_left_to_the_collector() -> None:
    ds = daemon_set()
    going = msgspec.structs.replace(
        ds, metadata=msgspec.structs.replace(ds.metadata, deletion_timestamp="2026-01-01T00:00:00Z")
    )
    assert plan(going) == []


def test_tolerations_are_not_repeated() -> None:
    same = {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}
    creation = next(a for a in plan(daemon_set(tolerations=[same])) if isinstance(a, Create))
    assert creation.body["spec"]["tolerations"].count(same) == 1
    assert msgspec.convert(same, Toleration).tolerates(Taint("node.kubernetes.io/not-ready", "NoExecute"))
