"""concepts/scheduling-eviction: topology-spread-constraints and pod-priority-preemption."""

import json
from typing import Any

import pytest

from tests.engine.runtime.cluster import Cluster, eventually
from tests.engine.runtime.pages.shell import Shell

Json = dict[str, Any]


def pod(name: str, **spec: Any) -> str:
    container = {"name": "pause", "image": "registry.k8s.io/pause:3.1", **spec.pop("container", {})}
    meta = {"name": name, "labels": {"foo": "bar"}}
    return json.dumps(
        {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": [container], **spec}}
    )


def spread(*keys: str) -> list[Json]:
    return [
        {
            "maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": {"foo": "bar"}},
        }
        for key in keys
    ]  # fmt: skip


async def lay_out(shell: Shell, cluster: Cluster, pods: str, zones: str) -> None:
    """Machines node1, node2... in these zones; each digit of `pods` is a pod on that machine."""
    for number, zone in enumerate(zones, 1):
        await cluster.kubelets.register(f"node{number}")
        await shell.run(f"label node node{number} zone={zone} node=node{number}")
    for number, node in enumerate(pods):
        await shell.apply(pod(f"there-{number}", nodeName=f"node{node}"))


async def lands(shell: Shell, name: str) -> str:
    """Its machine, or why it has none."""

    async def decided() -> str:
        found = await shell.get(f"pod {name}")
        conditions = found["status"].get("conditions") or ()
        refused = (c.get("message", "") for c in conditions if c["type"] == "PodScheduled" and c["status"] == "False")
        return found["spec"].get("nodeName") or next(refused, "")

    return await eventually(decided, 20)


@pytest.mark.parametrize(
    ("there", "zones", "keys", "expected"),
    [
        pytest.param("123", "AABB", ("zone",), ("node3", "node4"), id="one constraint"),
        pytest.param("123", "AABB", ("zone", "node"), ("node4",), id="two constraints"),
        pytest.param(
            "11233", "AAB", ("zone", "node"),
            ("0/6 nodes are available: 3 node(s) didn't match pod topology spread constraints, "
             "3 node(s) didn't match pod topology spread constraints (missing required label).",), id="constraints in conflict",
        ),
    ],
)  # fmt: skip
async def test_topology_spread(
    shell: Shell, cluster: Cluster, there: str, zones: str, keys: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    await lay_out(shell, cluster, there, zones)
    await shell.apply(pod("mypod", topologySpreadConstraints=spread(*keys)))
    assert (await lands(shell, "mypod")).startswith(expected)


async def test_spread_counts_only_machines_that_the_pod_may_go_to(shell: Shell, cluster: Cluster) -> None:
    await lay_out(shell, cluster, "123", "AABBC")
    expression = {"key": "zone", "operator": "NotIn", "values": ["C"]}
    required = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    await shell.apply(pod("mypod", topologySpreadConstraints=spread("zone"), affinity=affinity))
    assert await lands(shell, "mypod") in ("node3", "node4")


async def test_priority_classes_and_preemption(shell: Shell) -> None:
    for name, value, more in (
        ("high-priority", 1000000, ""),
        ("high-priority-nonpreempting", 1000000, "--preemption-policy=Never"),
    ):
        said = await shell.run(f"create priorityclass {name} --value={value} {more}".strip())
        assert said == f"priorityclass.scheduling.k8s.io/{name} created"
    for number in range(3):
        await shell.apply(pod(f"small-{number}", container={"resources": {"requests": {"cpu": "6"}}}))
        await shell.shows(f"get pod small-{number}", [[f"small-{number}", "1/1", "Running", "0"]])
    big = {"resources": {"requests": {"cpu": "7"}}}
    await shell.apply(pod("patient", container=big, priorityClassName="high-priority-nonpreempting"))
    assert await lands(shell, "patient") == (
        "0/3 nodes are available: 3 Insufficient cpu. preemption: not eligible due to preemptionPolicy=Never."
    )
    assert (await shell.get("pod patient"))["spec"]["priority"] == 1000000
    await shell.run("delete pod patient --now")
    await shell.apply(pod("nginx", container=big, priorityClassName="high-priority"))
    await shell.shows("get pod nginx", [["nginx", "1/1", "Running", "0"]])
    left = [row for row in await shell.rows("get pods") if row[0].startswith("small-")]
    assert len(left) == 2
    reasons = {event["reason"] for event in (await shell.get("events"))["items"]}
    assert "Preempted" in reasons
