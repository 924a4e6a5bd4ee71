"""What some kinds alone can do, by keys: cordon, drain, suspend, trigger, jumps, the tree around an object."""

from typing import Any

import pytest
from textual.pilot import Pilot

from apimachinery.objects.errors import TooManyRequests
from apimachinery.objects.resources import CRONJOBS, DAEMONSETS, DEPLOYMENTS, NODES, STATEFULSETS
from tests.tui.demo import pod
from tests.tui.driving import Start, screen_text, settled
from tests.tui.memory_cluster import MemoryCluster
from tui.document import plain
from tui.kinds import jobs, rollout
from tui.kinds.draining import Fate, plan
from tui.kinds.relations import above, below, tree_lines

CRON: dict[str, Any] = {
    "kind": "CronJob", "metadata": {"name": "backup", "namespace": "default", "uid": "cj-1"},
    "spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": {"spec": {"containers": []}}}}},
}  # fmt: skip


async def press(pilot: Pilot[Any], *keys: str) -> None:
    await pilot.press(*keys)
    await settled(pilot)


async def test_u_cordons_a_machine_and_takes_it_back(start: Start, cluster: MemoryCluster) -> None:
    async with start(resource=NODES) as pilot:
        await press(pilot, "u")
        assert cluster.get("nodes", "m1")["spec"] == {"unschedulable": True}
        await press(pilot, "u")
        assert cluster.get("nodes", "m1")["spec"] == {}


async def test_drain_shows_what_becomes_of_each_pod_and_empties_the_machine(
    start: Start, cluster: MemoryCluster
) -> None:
    alone = pod("lonely", app="lonely", node="m1")
    del alone["metadata"]["ownerReferences"]
    cluster.put("pods", alone)
    agent = pod("agent-m1", app="agent", node="m1")
    agent["metadata"]["ownerReferences"][0] |= {"kind": "DaemonSet", "name": "agent"}
    cluster.put("pods", agent)
    async with start(size=(100, 30), resource=NODES) as pilot:
        await press(pilot, "D")
        text = screen_text(pilot)
        assert "1 lost for good, 2 move, 1 stay, 1 cleared away" in " ".join(text.split())
        assert "nothing makes it again elsewhere" in text
        await press(pilot, "right", "enter")
        await settled(pilot)
        assert "m1 is drained." in screen_text(pilot)
        left = [key for key, obj in cluster.objects.items() if key[0] == "pods" and obj["spec"].get("nodeName") == "m1"]
        assert left == [("pods", "default/agent-m1")]
        assert cluster.get("nodes", "m1")["spec"] == {"unschedulable": True}


async def test_a_pod_that_its_budget_holds_back_is_asked_again(start: Start, cluster: MemoryCluster) -> None:
    cluster.refuse["evict web-7c5d-9wq7t"] = TooManyRequests(
        "Cannot evict pod as it would violate the pod's disruption budget."
    )
    async with start(size=(100, 30), resource=NODES) as pilot:
        await press(pilot, "j", "D")
        await press(pilot, "right", "enter")
        assert "held back by its disruption budget" in screen_text(pilot)
        assert ("pods", "default/web-7c5d-9wq7t") in cluster.objects
        cluster.refuse.clear()
        for _ in range(8):
            await pilot.app.session.clock.advance(5.0)  # type: ignore[attr-defined]
            await settled(pilot)
        assert ("pods", "default/web-7c5d-9wq7t") not in cluster.objects


async def test_a_cron_job_is_suspended_resumed_and_started_by_hand(start: Start, cluster: MemoryCluster) -> None:
    cluster.put("cronjobs", CRON)
    async with start(resource=CRONJOBS) as pilot:
        await press(pilot, "P")
        assert cluster.get("cronjobs", "default/backup")["spec"]["suspend"] is True
        await press(pilot, "P")
        assert cluster.get("cronjobs", "default/backup")["spec"]["suspend"] is False
        await press(pilot, "t")
        made = [obj for key, obj in cluster.objects.items() if key[0] == "jobs"]
        assert [owner["name"] for owner in made[0]["metadata"]["ownerReferences"]] == ["backup"]
        assert made[0]["metadata"]["annotations"] == {jobs.MANUAL: "manual"}
        await press(pilot, "enter")
        assert made[0]["metadata"]["name"] in screen_text(pilot)


async def test_jumps_lead_to_owner_and_machine_where_their_keys_work(start: Start) -> None:
    async with start(size=(100, 30)) as pilot:
        await press(pilot, "G", "o")
        assert "m3" in screen_text(pilot)
        assert "nodes" in screen_text(pilot)
        await press(pilot, "escape", "J")
        assert "replicasets" in screen_text(pilot)
        await press(pilot, "J")
        assert "deployments" in screen_text(pilot)
        await press(pilot, "J")
        assert "Nothing owns web." in screen_text(pilot)


async def test_x_ray_shows_what_a_pod_belongs_to_and_what_it_needs(start: Start, cluster: MemoryCluster) -> None:
    cluster.drop("configmaps", "default/web-page")
    async with start(size=(100, 30)) as pilot:
        await press(pilot, "G", "X")
        text = screen_text(pilot)
        assert "ReplicaSet web-7c5d" in text
        assert "Deployment web" in text
        assert "Service web" in text
        assert "ConfigMap web-page  is missing" in text
        assert "Node m3" in text


async def test_read_only_refuses_edit_cordon_and_drain(start: Start, cluster: MemoryCluster) -> None:
    async with start(resource=NODES, readonly=True) as pilot:
        for key in ("e", "u", "D"):
            await press(pilot, key)
            assert "This session is read-only." in screen_text(pilot)
        # What one may do is asked by POST; that changes nothing.
        changes = [path for method, path, _ in cluster.requests if method != "GET"]
        assert [path for path in changes if not path.startswith("/apis/authorization.k8s.io/v1/selfsubject")] == []


def test_static_pods_stay_and_local_data_is_named() -> None:
    static = pod("static")
    static["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    local = pod("local")
    local["spec"]["volumes"] = [{"name": "cache", "emptyDir": {}}]
    found = {one.name: (one.fate, one.note) for one in plan([static, local])}
    assert found["static"][0] is Fate.STAYS
    assert found["local"] == (Fate.MOVES, "loses the contents of cache")


@pytest.mark.parametrize(
    ("kind", "resource"), [("StatefulSet", STATEFULSETS), ("DaemonSet", DAEMONSETS), ("Deployment", DEPLOYMENTS)]
)
def test_a_restart_goes_to_the_kind_that_it_is_asked_of(kind: str, resource: object) -> None:
    assert rollout.restart({"kind": kind, "metadata": {"name": "x"}}, "now").resource == resource


def test_the_tree_of_a_config_map_leads_to_the_workloads_that_use_it() -> None:
    page = {"kind": "ConfigMap", "metadata": {"name": "page"}}
    volumes = [{"configMap": {"name": "page"}}]
    web = {
        "kind": "Deployment",
        "metadata": {"name": "web", "uid": "d"},
        "spec": {"template": {"spec": {"volumes": volumes}}},
    }
    one = {"kind": "Pod", "metadata": {"name": "web-1", "ownerReferences": [{"uid": "d", "kind": "Deployment", "name": "web"}]},
           "spec": {"volumes": volumes}, "status": {"phase": "Running"}}  # fmt: skip
    text = [plain(line) for line in tree_lines(page, above(page, [page, web, one]), below(page, [page, web, one]))]
    assert [line.strip() for line in text if "Deployment" in line] == ["└ Deployment web"]
    assert any("Pod web-1  Running" in plain(line) for line in tree_lines(web, (), below(web, [page, web, one])))
