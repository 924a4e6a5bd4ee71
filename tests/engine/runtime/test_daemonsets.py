"""DaemonSets on a real API, rolled out and undone by kubectl."""

from apimachinery.objects.resources import CONTROLLERREVISIONS, DAEMONSETS, NODES, PODS
from tests.engine.conftest import RunningEngine
from tests.engine.runtime.cluster import Cluster, Json, eventually


def daemon_set(image: str = "nginx:1", **spec: Json) -> Json:
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "agent", "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": {"app": "agent"}},
            "template": {
                "metadata": {"labels": {"app": "agent"}},
                "spec": {"containers": [{"name": "c", "image": image}]},
            },
            **spec,
        },
    }


async def machines(cluster: Cluster) -> list[str]:
    pods = await cluster.active_pods()
    ready = [p for p in pods if any(c["type"] == "Ready" for c in p["status"].get("conditions") or ())]
    return sorted(p["spec"].get("nodeName", "") for p in ready)


async def runs_on(cluster: Cluster, *names: str) -> None:
    async def there() -> bool:
        return await machines(cluster) == sorted(names)

    await eventually(there)


async def test_every_machine_has_its_pod_and_one_that_joins_gets_one(cluster: Cluster) -> None:
    await cluster.client.create(DAEMONSETS, daemon_set())
    await runs_on(cluster, "m1", "m2", "m3")
    cluster.kubelets.names += ("m4",)
    await cluster.kubelets.register("m4")
    await runs_on(cluster, "m1", "m2", "m3", "m4")

    async def settled() -> bool:
        status = (await cluster.client.get(DAEMONSETS, "agent", "default"))["status"]
        return status.get("numberAvailable") == 4 and status["desiredNumberScheduled"] == 4

    await eventually(settled)


async def test_machine_that_is_selected_no_more_loses_its_pod(cluster: Cluster) -> None:
    for name in ("m1", "m2"):
        await cluster.client.patch(NODES, name, {"metadata": {"labels": {"disk": "ssd"}}})
    wanted = daemon_set()
    wanted["spec"]["template"]["spec"]["nodeSelector"] = {"disk": "ssd"}
    await cluster.client.create(DAEMONSETS, wanted)
    await runs_on(cluster, "m1", "m2")
    await cluster.client.patch(NODES, "m2", {"metadata": {"labels": {"disk": None}}})
    await runs_on(cluster, "m1")


async def test_cordoned_machine_keeps_its_pod_and_gets_it_back(cluster: Cluster) -> None:
    await cluster.client.create(DAEMONSETS, daemon_set())
    await runs_on(cluster, "m1", "m2", "m3")
    await cluster.client.patch(NODES, "m2", {"spec": {"unschedulable": True}})
    victim = next(p for p in await cluster.active_pods() if p["spec"]["nodeName"] == "m2")["metadata"]
    await cluster.client.delete(PODS, victim["name"], "default")

    async def replaced() -> bool:
        pods = await cluster.active_pods()
        return any(p["spec"].get("nodeName") == "m2" and p["metadata"]["uid"] != victim["uid"] for p in pods)

    await eventually(replaced)


async def test_kubectl_rolls_a_daemon_set_out_and_back(engine: RunningEngine, cluster: Cluster) -> None:
    await cluster.client.create(DAEMONSETS, daemon_set())
    status = await engine.kubectl("rollout", "status", "daemonset/agent", "--timeout=10s")
    assert 'daemon set "agent" successfully rolled out' in status.out
    await engine.kubectl("set", "image", "daemonset/agent", "c=nginx:2")
    await engine.kubectl("rollout", "status", "daemonset/agent", "--timeout=10s")
    assert {p["spec"]["containers"][0]["image"] for p in await cluster.active_pods()} == {"nginx:2"}
    history = await engine.kubectl("rollout", "history", "daemonset/agent")
    assert [line.split()[0] for line in history.out.strip().splitlines()[2:]] == ["1", "2"]
    shown = await engine.kubectl("rollout", "history", "daemonset/agent", "--revision=1")
    assert "nginx:1" in shown.out
    await engine.kubectl("rollout", "undo", "daemonset/agent")
    await engine.kubectl("rollout", "status", "daemonset/agent", "--timeout=10s")
    assert {p["spec"]["containers"][0]["image"] for p in await cluster.active_pods()} == {"nginx:1"}
    history = await engine.kubectl("rollout", "history", "daemonset/agent")
    assert [line.split()[0] for line in history.out.strip().splitlines()[2:]] == ["2", "3"]
    assert len(await cluster.items(CONTROLLERREVISIONS)) == 2
