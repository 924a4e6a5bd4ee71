"""What losing or draining machines would do: where pods fit, what stands still."""

from typing import Any

import pytest

from tui.document import plain
from tui.kinds.whatif.fitting import Machine, machine_of, misfit, place
from tui.kinds.whatif.loss import BoundVolume, BudgetStrain, Fate, How, Observed, ServiceLoss, outcome
from tui.kinds.whatif.view import lines

JSON = dict[str, Any]
BIG = {"cpu": "4", "memory": "8Gi", "pods": "110"}


def node(
    name: str, *, labels: JSON | None = None, ready: str = "True", allocatable: JSON | None = None, **spec: Any
) -> JSON:
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
        "spec": spec,
        "status": {"allocatable": allocatable or BIG, "conditions": [{"type": "Ready", "status": ready}]},
    }


def pod(
    name: str, on: str = "m1", *, cpu: str = "1", memory: str = "1Gi", owner: str | None = "ReplicaSet",
    labels: JSON | None = None, phase: str = "Running", claim: str = "", **spec: Any,
) -> JSON:  # fmt: skip
    owners = [{"kind": owner, "name": "owner", "controller": True}] if owner else []
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}] if claim else []
    return {
        "metadata": {"name": name, "namespace": "shop", "labels": labels or {}, "ownerReferences": owners},
        "spec": {
            "nodeName": on, "volumes": volumes,
            "containers": [{"name": "main", "resources": {"requests": {"cpu": cpu, "memory": memory}}}], **spec,
        },
        "status": {"phase": phase},
    }  # fmt: skip


def volume(name: str, claim: str, *machines: str) -> JSON:
    term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": list(machines)}]}
    affinity = {"nodeAffinity": {"required": {"nodeSelectorTerms": [term]}}} if machines else {}
    return {"metadata": {"name": name}, "spec": {"claimRef": {"namespace": "shop", "name": claim}, **affinity}}


def claim(name: str, volume_name: str) -> JSON:
    return {"metadata": {"name": name, "namespace": "shop"}, "spec": {"volumeName": volume_name}}


def fates(seen: Observed, *names: str, how: How = How.LOST) -> dict[str, tuple[Fate, str]]:
    return {one.name: (one.fate, one.to or one.why) for one in outcome(seen, frozenset(names), how).going}


TAINT = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}
ZONE = {"nodeSelector": {"zone": "b"}}
PORT = {"containers": [{"name": "main", "ports": [{"containerPort": 80, "hostPort": 8080}]}]}


@pytest.mark.parametrize(
    ("machine", "spec", "reason"),
    [
        pytest.param(node("m2"), {}, "", id="fits"),
        pytest.param(node("m2", ready="Unknown"), {}, "not ready", id="not ready"),
        pytest.param(node("m2", unschedulable=True), {}, "unschedulable", id="cordoned"),
        pytest.param(node("m2", taints=[TAINT]), {}, "untolerated taint {gpu: yes}", id="taint"),
        pytest.param(node("m2", taints=[TAINT]), {"tolerations": [{"key": "gpu", "operator": "Exists"}]}, "", id="tolerated"),
        pytest.param(node("m2", taints=[{**TAINT, "effect": "PreferNoSchedule"}]), {}, "", id="a taint that only prefers"),
        pytest.param(node("m2"), ZONE, "didn't match the pod's node affinity/selector", id="selector"),
        pytest.param(node("m2", labels={"zone": "b"}), ZONE, "", id="selected"),
        pytest.param(node("m2", allocatable={**BIG, "cpu": "900m"}), {}, "Insufficient cpu", id="cpu"),
        pytest.param(node("m2", allocatable={**BIG, "memory": "1023Mi"}), {}, "Insufficient memory", id="memory"),
        pytest.param(node("m2", allocatable={**BIG, "pods": "0"}), {}, "Too many pods", id="pods"),
        pytest.param(node("m2"), {"overhead": {"example.com/seat": "1"}}, "Insufficient example.com/seat", id="extended"),
    ],
)  # fmt: skip
def test_a_machine_takes_a_pod_or_says_why_not(machine: JSON, spec: JSON, reason: str) -> None:
    assert misfit(pod("web", **spec)["spec"], machine_of(machine, [])) == reason


def test_host_ports_are_taken_once() -> None:
    there = machine_of(node("m2"), [pod("old", "m2", **PORT)])
    assert misfit(pod("new", **PORT)["spec"], there) == "didn't have free ports"
    assert misfit(pod("new")["spec"], there) == ""


def test_pods_are_placed_one_after_the_other_and_fill_what_is_left() -> None:
    seen = Observed(
        nodes=[node("m1"), node("m2", allocatable={**BIG, "cpu": "3"}), node("m3", allocatable={**BIG, "cpu": "2"})],
        pods=[pod(f"web-{number}") for number in range(4)] + [pod("there", "m2"), pod("done", "m3", phase="Succeeded")],
    )
    found = fates(seen, "m1")
    assert [fate for fate, _ in found.values()] == [Fate.MOVES] * 4
    assert sorted(to for _, to in found.values()) == ["m2", "m2", "m3", "m3"]
    crowded = Observed(nodes=seen.nodes, pods=[*seen.pods, pod("web-5"), pod("web-6")])
    stuck = [why for fate, why in fates(crowded, "m1").values() if fate is Fate.STUCK]
    assert stuck == ["0/2 machines: 2 Insufficient cpu"] * 2


def test_the_more_important_pod_is_placed_first() -> None:
    seen = Observed(
        nodes=[node("m1"), node("m2", allocatable={**BIG, "cpu": "1"})], pods=[pod("a"), pod("b", priority=1000)]
    )
    assert fates(seen, "m1") == {
        "a": (Fate.STUCK, "0/1 machines: 1 Insufficient cpu"),
        "b": (Fate.MOVES, "m2"),
    }


def test_fates_by_owner() -> None:
    pods = [
        pod("agent", owner="DaemonSet"),
        pod("alone", owner=None),
        pod("ended", phase="Failed"),
        pod("db-0", owner="StatefulSet"),
        pod("elsewhere", "m2"),
    ]
    seen = Observed(nodes=[node("m1"), node("m2")], pods=pods)
    assert fates(seen, "m1") == {
        "alone": (Fate.LOST, ""), "db-0": (Fate.WAITS, "m2"), "agent": (Fate.WITH_IT, ""),
    }  # fmt: skip
    assert fates(seen, "m1", how=How.DRAINED)["db-0"] == (Fate.MOVES, "m2")
    assert fates(seen, "m1", "m2")["db-0"] == (Fate.STUCK, "there is no other machine")


def test_a_pod_whose_volume_stays_behind_fits_nowhere() -> None:
    seen = Observed(
        nodes=[node("m1"), node("m2")],
        pods=[pod("db-0", claim="data-db-0"), pod("cache-0", claim="data-cache-0")],
        claims=[claim("data-db-0", "pv-1"), claim("data-cache-0", "pv-2")],
        volumes=[volume("pv-1", "data-db-0", "m1"), volume("pv-2", "data-cache-0", "m1", "m2"), volume("pv-3", "old", "m1"),
                 volume("pv-4", "anywhere")],
    )  # fmt: skip
    assert fates(seen, "m1") == {
        "db-0": (Fate.STUCK, "0/1 machines: 1 volume node affinity conflict"),
        "cache-0": (Fate.MOVES, "m2"),
    }
    assert outcome(seen, frozenset({"m1"}), How.LOST).volumes == [
        BoundVolume("pv-1", "shop/data-db-0", ("db-0",)), BoundVolume("pv-3", "shop/old", ()),
    ]  # fmt: skip


def endpoint(name: str, on: str, *, ready: bool = True) -> JSON:
    return {"nodeName": on, "conditions": {"ready": ready}, "targetRef": {"name": name}, "addresses": ["10.0.0.1"]}


def slice_of(service: str, *endpoints: JSON) -> JSON:
    labels = {"kubernetes.io/service-name": service}
    return {"metadata": {"name": f"{service}-x", "namespace": "shop", "labels": labels}, "endpoints": list(endpoints)}


def test_services_that_lose_every_endpoint_come_first() -> None:
    slices = [
        slice_of("web", endpoint("web-1", "m1"), endpoint("web-2", "m2"), endpoint("web-3", "m1", ready=False)),
        slice_of("db", endpoint("db-0", "m1")),
        slice_of("db", endpoint("db-0", "m1")),
        slice_of("far", endpoint("far-1", "m2")),
    ]
    seen = Observed(nodes=[node("m1"), node("m2")], pods=[], slices=slices)
    assert outcome(seen, frozenset({"m1"}), How.LOST).services == [
        ServiceLoss("shop", "db", 1, 1), ServiceLoss("shop", "web", 1, 2),
    ]  # fmt: skip


def test_budgets_that_would_not_let_all_go() -> None:
    def budget(name: str, labels: JSON, allowed: int) -> JSON:
        return {
            "metadata": {"name": name, "namespace": "shop"}, "spec": {"selector": {"matchLabels": labels}},
            "status": {"disruptionsAllowed": allowed, "currentHealthy": 3, "desiredHealthy": 2},
        }  # fmt: skip

    web = {"app": "web"}
    seen = Observed(
        nodes=[node("m1"), node("m2")],
        pods=[pod("web-1", labels=web), pod("web-2", labels=web), pod("web-3", "m2", labels=web),
              pod("agent", owner="DaemonSet", labels={"app": "agent"})],
        budgets=[budget("web", web, 1), budget("roomy", web, 2), budget("agent", {"app": "agent"}, 0)],
    )  # fmt: skip
    assert outcome(seen, frozenset({"m1"}), How.DRAINED).budgets == [BudgetStrain("shop", "web", 2, 1, 3, 2)]
    assert len(outcome(seen, frozenset({"m1"}), How.LOST).budgets) == 2
    text = page(seen, How.DRAINED)
    assert "lets 1 go at a time: the drain goes step by step" in text
    assert "1 healthy left of 2 wanted" in page(seen, How.LOST)


def page(seen: Observed, how: How, *names: str) -> str:
    wanted = names or ("m1",)
    return "\n".join(plain(line) for line in lines(outcome(seen, frozenset(wanted), how), seen, wanted, how))


def test_the_page_says_the_worst_first_and_what_was_not_judged() -> None:
    spread = [{"whenUnsatisfiable": "DoNotSchedule", "maxSkew": 1, "topologyKey": "zone"}]
    seen = Observed(
        nodes=[node("m1"), node("m2")],
        pods=[pod("huge", cpu="5"), pod("web", topologySpreadConstraints=spread), pod("there", "m2")],
        slices=[slice_of("db", endpoint("db-0", "m1"))],
        unread=["persistentvolumes"],
    )
    text = page(seen, How.LOST)
    assert text.startswith("If m1 is lost")
    head = text.split("Services  ")[0]
    assert "1 pod would not run elsewhere" in head
    assert "1 Service without any endpoint for a while" in head
    assert "not judged: topology spread" in text
    assert "Could not be read: persistentvolumes." in text
    assert "25% → 50%" in text
    calm = page(Observed(nodes=[node("m1"), node("m2"), node("m3")], pods=[pod("web")]), How.DRAINED, "m1", "m3")
    assert calm.startswith("If m1, m3 are drained")
    assert "Everything that must run fits elsewhere" in calm


def test_a_machine_that_tells_nothing_of_its_size_is_judged_by_the_rest() -> None:
    bare = Machine("m2", {}, {}, ready=True, taints=())
    assert place(pod("web")["spec"], [bare])[0] is bare
