"""Who has to go for a more important pod, and what the pod is told."""

from typing import Any

import msgspec
import pytest

from engine.scheduler.placing import Placer, Unplaceable
from engine.scheduler.preemption import NoRoom, Preemption, limits, preempt
from engine.scheduler.profile import DEFAULT_PROFILE
from engine.scheduler.shape import shape_of
from engine.scheduler.views import Budget, Pod
from tests.engine.scheduler.objects import asking, node, placer, pod, resident, settle, try_pods

Json = dict[str, Any]


def low(name: str, cpu: str = "2", priority: int = 0, *, started: str = "", **more: Any) -> Pod:
    status = {"startTime": started} if started else {}
    return pod(name, containers=[asking(cpu)], priority=priority, status=status, **more)


def important(cpu: str = "4", priority: int = 1000, **more: Any) -> Pod:
    return pod("important", containers=[asking(cpu)], priority=priority, **more)


def decide(where: Placer, one: Pod, *budgets: Json) -> Preemption | NoRoom:
    (failed,) = try_pods(where, one)
    assert isinstance(failed, Unplaceable)
    found = limits(msgspec.convert(budget, Budget) for budget in budgets)
    return preempt(where, shape_of(one), failed, DEFAULT_PROFILE, budgets=found)


def victims(decided: Preemption | NoRoom) -> tuple[str, list[str]]:
    assert isinstance(decided, Preemption)
    return decided.machine, [victim.name for victim in decided.victims]


def told(decided: Preemption | NoRoom) -> str:
    assert isinstance(decided, NoRoom)
    return decided.message


def budget(app: str, allowed: int, *disrupted: str) -> Json:
    return {
        "metadata": {"name": app, "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": app}}},
        "status": {"disruptionsAllowed": allowed, "disruptedPods": dict.fromkeys(disrupted, "2026-01-01T00:00:00Z")},
    }


def test_only_as_many_go_as_must() -> None:
    where = placer(node("m1"))
    settle(where, low("a", "1", 10), "m1")
    settle(where, low("b", "2", 0), "m1")
    settle(where, low("c", "1", 0), "m1")
    assert victims(decide(where, important("2"))) == ("m1", ["b"])


@pytest.mark.parametrize(
    ("on_m1", "on_m2", "machine"),
    [
        pytest.param([low("a", "4", 5)], [low("b", "4", 1)], "m2", id="the highest victim is lowest"),
        pytest.param(
            [low("a", "2", 5), low("b", "2", 5)], [low("c", "2", 5), low("d", "2", 1)], "m2", id="the sum is lowest"
        ),
        pytest.param([low("a", "2", 5), low("b", "2", 5)], [low("c", "4", 5)], "m2", id="fewest"),
        pytest.param(
            [low("a", "4", started="2026-01-01T00:00:00Z")],
            [low("b", "4", started="2026-02-01T00:00:00Z")],
            "m2",
            id="those who started last",
        ),
    ],
)
def test_machine_on_which_least_is_lost_is_taken(on_m1: list[Pod], on_m2: list[Pod], machine: str) -> None:
    where = placer(node("m1"), node("m2"))
    for name, there in (("m1", on_m1), ("m2", on_m2)):
        for one in there:
            settle(where, one, name)
    assert victims(decide(where, important()))[0] == machine


def test_budgets_are_kept_where_that_is_possible() -> None:
    where = placer(node("m1"), node("m2"))
    settle(where, low("guarded", "4", 0, labels={"app": "guarded"}), "m1")
    settle(where, low("free", "4", 5), "m2")
    assert victims(decide(where, important(), budget("guarded", 0))) == ("m2", ["free"])


def test_budgets_are_broken_when_nothing_else_helps() -> None:
    where = placer(node("m1"))
    settle(where, low("guarded", "4", labels={"app": "guarded"}), "m1")
    decided = decide(where, important(), budget("guarded", 0))
    assert victims(decided) == ("m1", ["guarded"])
    assert isinstance(decided, Preemption)
    assert decided.violations == 1


def test_unguarded_pod_of_the_same_machine_goes_first() -> None:
    where = placer(node("m1"))
    settle(where, low("guarded", "2", 0, labels={"app": "guarded"}), "m1")
    settle(where, low("free", "2", 5), "m1")
    assert victims(decide(where, important("2"), budget("guarded", 0))) == ("m1", ["free"])
    assert victims(decide(where, important("2"), budget("guarded", 1))) == ("m1", ["guarded"])


def test_pod_that_a_budget_has_let_go_already_breaks_it_no_further() -> None:
    where = placer(node("m1"))
    settle(where, low("guarded", "4", labels={"app": "guarded"}), "m1")
    decided = decide(where, important(), budget("guarded", 0, "guarded"))
    assert isinstance(decided, Preemption)
    assert decided.violations == 0


def test_nobody_goes_for_an_equal() -> None:
    where = placer(node("m1"))
    settle(where, low("a", "4", 1000), "m1")
    assert told(decide(where, important())) == (
        "preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."
    )


def test_nobody_goes_where_it_would_not_help() -> None:
    where = placer(node("m1"), node("m2", spec={"unschedulable": True}), node("m3"))
    settle(where, low("a", "3", 1000), "m1")
    settle(where, low("b", "1", 0), "m1")
    settle(where, low("c", "4", 1000), "m3")
    assert told(decide(where, important())) == (
        "preemption: 0/3 nodes are available: 1 Insufficient cpu, 1 No preemption victims found for incoming pod, "
        "1 Preemption is not helpful for scheduling."
    )


def test_pod_that_never_preempts_takes_nothing() -> None:
    where = placer(node("m1"))
    settle(where, low("a", "4"), "m1")
    assert told(decide(where, important(preemptionPolicy="Never"))) == (
        "preemption: not eligible due to preemptionPolicy=Never."
    )


def test_pods_that_keep_others_out_may_have_to_go() -> None:
    where = placer(node("m1"))
    far = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "loud"}}}
    affinity = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [far]}}
    settle(where, low("shy", "1", affinity=affinity), "m1")
    settle(where, low("bystander", "1"), "m1")
    assert victims(decide(where, important("1", labels={"app": "loud"}))) == ("m1", ["shy"])


def test_room_promised_to_a_more_important_pod_is_not_there_for_others() -> None:
    where = placer(node("m1"))
    where.snapshot.nominate(resident(important("4"), "m1"))
    (outcome,) = try_pods(where, pod("later", containers=[asking("1")], priority=5))
    assert isinstance(outcome, Unplaceable)
    assert outcome.message == "0/1 nodes are available: 1 Insufficient cpu."
    (outcome,) = try_pods(where, pod("higher", containers=[asking("1")], priority=5000))
    assert not isinstance(outcome, Unplaceable)


def test_promised_pod_goes_to_its_machine_though_others_are_emptier() -> None:
    where = placer(node("m1"), node("m2"))
    settle(where, low("a", "1", 5000), "m2")
    where.snapshot.nominate(resident(important("1"), "m2"))
    (outcome,) = try_pods(where, important("1"))
    assert not isinstance(outcome, Unplaceable)
    assert outcome.machine == "m2"
    assert not where.snapshot.nominated


def test_nobody_else_goes_while_the_victims_are_leaving() -> None:
    where = placer(node("m1"), node("m2"))
    settle(where, low("other", "4"), "m2")
    leaving = low("a", "4")
    settle(where, leaving, "m1")
    where.snapshot.place(_leaving(leaving))
    where.snapshot.nominate(resident(important(), "m1"))
    decided = decide(where, important())
    assert told(decided) == "preemption: not eligible due to a terminating pod on the nominated node."
    assert isinstance(decided, NoRoom)
    assert decided.keep


def _leaving(one: Pod) -> Any:
    conditions = [{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}]
    raw = msgspec.to_builtins(one)
    raw["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    raw["status"]["conditions"] = conditions
    return resident(msgspec.convert(raw, Pod))
