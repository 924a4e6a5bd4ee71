"""Quotas and limit ranges over the API: what a namespace may hold."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from apimachinery.objects.errors import Forbidden
from apimachinery.objects.resources import CONFIGMAPS, PERSISTENTVOLUMECLAIMS, PODS, RESOURCEQUOTAS, Resource
from tests.engine.conftest import RunningEngine

LIMITRANGES = Resource("", "v1", "limitranges", "LimitRange", True)


def pod(name: str, **resources: dict[str, str]) -> dict[str, Any]:
    container = {"name": "c", "image": "nginx", "resources": resources}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [container]}}


async def create(engine: RunningEngine, resource: Resource, name: str, **parts: Any) -> dict[str, Any]:
    obj = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {"name": name}, **parts}
    return await engine.client.create(resource, obj, "default")


async def quota(engine: RunningEngine, **hard: str) -> None:
    names = {name.replace("__", "/").replace("_", "."): amount for name, amount in hard.items()}
    await create(engine, RESOURCEQUOTAS, "q", spec={"hard": names})


async def used(engine: RunningEngine) -> dict[str, str]:
    return (await engine.client.get(RESOURCEQUOTAS, "q", "default"))["status"]["used"]


async def test_what_would_exceed_the_quota_is_refused_in_upstreams_words(engine: RunningEngine) -> None:
    await quota(engine, pods="2", requests_cpu="1")
    await engine.client.create(PODS, pod("a", requests={"cpu": "600m"}), "default")
    assert await used(engine) == {"pods": "1", "requests.cpu": "600m"}
    with pytest.raises(Forbidden) as refused:
        await engine.client.create(PODS, pod("b", requests={"cpu": "500m"}), "default")
    assert refused.value.message == (
        'pods "b" is forbidden: exceeded quota: q, requested: requests.cpu=500m, used: requests.cpu=600m, '
        "limited: requests.cpu=1"
    )
    with pytest.raises(Forbidden, match="failed quota: q: must specify requests.cpu for: c"):
        await engine.client.create(PODS, pod("c"), "default")


async def test_a_count_that_is_old_is_made_again_before_anything_is_refused(engine: RunningEngine) -> None:
    await quota(engine, count__configmaps="1")
    await create(engine, CONFIGMAPS, "a")
    with pytest.raises(Forbidden, match="used: count/configmaps=1, limited: count/configmaps=1"):
        await create(engine, CONFIGMAPS, "b")
    await engine.client.delete(CONFIGMAPS, "a", "default")
    await create(engine, CONFIGMAPS, "b")
    assert await used(engine) == {"count/configmaps": "1"}


async def test_of_many_at_once_no_more_come_in_than_there_is_room_for(engine: RunningEngine) -> None:
    await quota(engine, count__configmaps="3")
    answers = await asyncio.gather(
        *(create(engine, CONFIGMAPS, f"c{number}") for number in range(8)), return_exceptions=True
    )
    assert sum(isinstance(answer, dict) for answer in answers) == 3
    assert all(isinstance(answer, dict | Forbidden) for answer in answers)
    assert await used(engine) == {"count/configmaps": "3"}


async def test_a_dry_run_is_judged_and_not_counted(engine: RunningEngine) -> None:
    await quota(engine, pods="1")
    await engine.client.create(PODS, pod("a"), "default", dry_run=True)
    await engine.client.create(PODS, pod("b"), "default")
    with pytest.raises(Forbidden, match="exceeded quota"):
        await engine.client.create(PODS, pod("c"), "default", dry_run=True)


async def test_other_namespaces_have_room_of_their_own(engine: RunningEngine) -> None:
    await quota(engine, pods="0")
    await engine.client.create(PODS, pod("a"), "kube-public")


async def test_a_limit_range_fills_in_what_containers_do_not_say(engine: RunningEngine) -> None:
    limit = {"type": "Container", "default": {"cpu": "500m"}, "defaultRequest": {"cpu": "100m", "memory": "1Mi"}}
    await create(engine, LIMITRANGES, "l", spec={"limits": [limit]})
    made = await engine.client.create(PODS, pod("a", requests={"cpu": "200m"}), "default")
    assert made["spec"]["containers"][0]["resources"] == {
        "limits": {"cpu": "500m"},
        "requests": {"cpu": "200m", "memory": "1Mi"},
    }
    assert made["metadata"]["annotations"]["kubernetes.io/limit-ranger"] == (
        "LimitRanger plugin set: memory request for container c; cpu limit for container c"
    )


@pytest.mark.parametrize(
    ("limit", "resources", "message"),
    [
        pytest.param({"type": "Container", "max": {"cpu": "800m"}}, {"limits": {"cpu": "1500m"}}, "maximum cpu usage per Container is 800m, but limit is 1500m", id="max"),
        pytest.param({"type": "Container", "min": {"memory": "1Gi"}}, {"requests": {"memory": "500Mi"}}, "minimum memory usage per Container is 1Gi, but request is 500Mi", id="min"),
        pytest.param({"type": "Pod", "max": {"memory": "2Gi"}}, {}, "maximum memory usage per Pod is 2Gi.  No limit is specified", id="pod"),
        pytest.param({"type": "Pod", "maxLimitRequestRatio": {"cpu": "2"}}, {"requests": {"cpu": "100m"}, "limits": {"cpu": "300m"}}, "cpu max limit to request ratio per Pod is 2, but provided ratio is 3.000000", id="ratio"),
    ],
)  # fmt: skip
async def test_a_pod_outside_the_limits_is_refused(
    engine: RunningEngine, limit: dict[str, Any], resources: dict[str, dict[str, str]], message: str
) -> None:
    await create(engine, LIMITRANGES, "l", spec={"limits": [limit]})
    with pytest.raises(Forbidden) as refused:
        await engine.client.create(PODS, pod("a", **resources), "default")
    assert refused.value.message == f'pods "a" is forbidden: {message}'


async def test_a_claim_outside_the_limits_is_refused(engine: RunningEngine) -> None:
    limit = {"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}, "max": {"storage": "2Gi"}}
    await create(engine, LIMITRANGES, "l", spec={"limits": [limit]})
    for size, message in (
        ("5Gi", "maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 5Gi"),
        ("500Mi", "minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 500Mi"),
    ):
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
        with pytest.raises(Forbidden, match=f'persistentvolumeclaims "c" is forbidden: {message}'):
            await create(engine, PERSISTENTVOLUMECLAIMS, "c", spec=spec)
