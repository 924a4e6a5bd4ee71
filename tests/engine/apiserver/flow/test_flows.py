"""Users' FlowSchemas and PriorityLevelConfigurations, on a real engine."""

from __future__ import annotations

import asyncio
import json
from contextlib import ExitStack
from typing import Any

import aiohttp
import pytest

from apimachinery.objects.resources import FLOWSCHEMAS, PRIORITYLEVELS
from engine.apiserver.flow.defaults import ensure_flows
from engine.apiserver.flow.levels import Level
from tests.engine.conftest import RunningEngine

Json = dict[str, Any]


def _schema(level: str, **rules: Any) -> Json:
    subjects = [{"kind": "User", "user": {"name": "system:anonymous"}}]
    nowhere = {"nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["/version"]}]}
    spec = {
        "priorityLevelConfiguration": {"name": level},
        "matchingPrecedence": 3,
        "distinguisherMethod": {"type": "ByUser"},
        "rules": [{"subjects": subjects, **(rules or nowhere)}],
    }
    return {"metadata": {"name": "mine"}, "spec": spec}


def _level(shares: int, **limited: Any) -> Json:
    spec = {"type": "Limited", "limited": {"nominalConcurrencyShares": shares, **limited}}
    return {"metadata": {"name": "mine"}, "spec": spec}


REJECT: Json = {"borrowingLimitPercent": 0, "limitResponse": {"type": "Reject"}}
QUEUE: Json = {"borrowingLimitPercent": 0, "limitResponse": {"type": "Queue", "queuing": {}}}


async def _get(engine: RunningEngine, path: str = "/version") -> tuple[int, dict[str, str], Json]:
    context = engine.ssl(certificate=False)
    async with aiohttp.ClientSession() as session, session.get(f"{engine.url}{path}", ssl=context) as answer:
        return (
            answer.status,
            {name.lower(): value for name, value in answer.headers.items()},
            json.loads(await answer.read()),
        )


def _found(engine: RunningEngine, name: str) -> Level:
    flows = engine.api.http._flows
    flows._read()
    found = flows.levels.get(name)
    assert found is not None
    return found


async def test_a_users_level_without_seats_refuses_what_its_schema_matches(engine: RunningEngine) -> None:
    assert (await _get(engine))[0] == 200
    level = await engine.client.create(PRIORITYLEVELS, _level(0, **REJECT))
    schema = await engine.client.create(FLOWSCHEMAS, _schema("mine"))
    status, headers, body = await _get(engine)
    assert (status, headers["retry-after"], body["reason"]) == (429, "1", "TooManyRequests")
    assert headers["x-kubernetes-pf-flowschema-uid"] == schema["metadata"]["uid"]
    assert headers["x-kubernetes-pf-prioritylevel-uid"] == level["metadata"]["uid"]
    # Only that: another path, another user.
    assert (await _get(engine, "/api/v1/pods"))[0] == 403
    assert (await engine.kubectl("version")).code == 0
    await engine.client.patch(
        PRIORITYLEVELS, "mine", {"spec": {"limited": {"nominalConcurrencyShares": 5}}}, kind="merge"
    )
    assert (await _get(engine))[0] == 200
    await engine.client.delete(FLOWSCHEMAS, "mine")
    assert (await _get(engine))[1]["x-kubernetes-pf-flowschema-uid"] != schema["metadata"]["uid"]


async def test_requests_wait_in_the_queue_of_their_level(engine: RunningEngine) -> None:
    await engine.client.create(PRIORITYLEVELS, _level(1, **QUEUE))
    await engine.client.create(FLOWSCHEMAS, _schema("mine"))
    level = _found(engine, "mine")
    with ExitStack() as seats:
        while level.enter():
            seats.callback(level.leave)
        asking = asyncio.ensure_future(_get(engine))
        async with asyncio.timeout(20):
            while level.waiting == 0:
                await asyncio.sleep(0.01)
        metrics = (await engine.kubectl("get", "--raw", "/metrics")).out
        assert 'apiserver_flowcontrol_current_inqueue_requests{priority_level="mine"} 1' in metrics
        assert not asking.done()
    assert (await asking)[0] == 200
    assert (level.executing, level.waiting) == (0, 0)


async def test_a_schema_says_whether_its_level_exists(engine: RunningEngine) -> None:
    made = await engine.client.create(FLOWSCHEMAS, _schema("mine"))
    assert made["status"]["conditions"][0]["reason"] == "NotFound"
    # It matches nothing meanwhile.
    assert (await _get(engine))[1]["x-kubernetes-pf-flowschema-uid"] != made["metadata"]["uid"]
    await engine.client.create(PRIORITYLEVELS, _level(1, **REJECT))
    await engine.kubectl("wait", "--for=condition=Dangling=False", "flowschema/mine", "--timeout=30s")
    await engine.client.delete(PRIORITYLEVELS, "mine")
    await engine.kubectl("wait", "--for=condition=Dangling=True", "flowschema/mine", "--timeout=30s")
    (condition,) = (await engine.client.get(FLOWSCHEMAS, "mine"))["status"]["conditions"]
    assert condition["message"] == (
        'This FlowSchema references the PriorityLevelConfiguration object named "mine" but there is no such object'
    )


@pytest.mark.parametrize("watch", ["", "?watch=1&timeoutSeconds=1"])
async def test_resources_are_told_apart(engine: RunningEngine, watch: str) -> None:
    await engine.client.create(PRIORITYLEVELS, _level(0, **REJECT))
    rule = {
        "verbs": ["watch" if watch else "list"],
        "apiGroups": [""],
        "resources": ["pods"],
        "namespaces": ["default"],
    }
    await engine.client.create(FLOWSCHEMAS, _schema("mine", resourceRules=[rule]))
    assert (await _get(engine, f"/api/v1/namespaces/default/pods{watch}"))[0] == 429
    for path in ("/api/v1/pods", "/api/v1/namespaces/default/secrets", "/api/v1/namespaces/other/pods"):
        assert (await _get(engine, f"{path}{watch}"))[0] == 403


async def test_suggested_objects_follow_the_suggestion_unless_told_otherwise(engine: RunningEngine) -> None:
    own = engine.api.client("apiserver")
    shares = {"spec": {"limited": {"nominalConcurrencyShares": 7}}}
    told = {"metadata": {"annotations": {"apf.kubernetes.io/autoupdate-spec": "false"}}}
    await own.patch(PRIORITYLEVELS, "system", shares, kind="merge")
    await own.patch(PRIORITYLEVELS, "workload-low", {**shares, **told}, kind="merge")
    await own.delete(FLOWSCHEMAS, "probes")
    await ensure_flows(own)
    found = {
        name: (await own.get(PRIORITYLEVELS, name))["spec"]["limited"]["nominalConcurrencyShares"]
        for name in ("system", "workload-low")
    }
    assert found == {"system": 30, "workload-low": 7}
    revision = (await own.list(FLOWSCHEMAS)).resource_version
    assert "probes" in {item["metadata"]["name"] for item in (await own.list(FLOWSCHEMAS)).items}
    await ensure_flows(own)
    assert (await own.list(FLOWSCHEMAS)).resource_version == revision, "nothing is left to do"
