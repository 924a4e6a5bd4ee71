"""What a cluster tells of itself: components, flow control, its service range, placed by a Binding."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from apimachinery.objects.resources import FLOWSCHEMAS, NODES, PODS, PRIORITYLEVELS, SERVICECIDRS
from engine.apiserver.registry.flowcontrol.bootstrap import (
    FLOW_SCHEMAS,
    PRIORITY_LEVELS,
    SUGGESTED_LEVELS,
    SUGGESTED_SCHEMAS,
)
from tests.engine.apiserver.wire import Caller, calling
from tests.engine.conftest import RunningEngine

pytestmark = pytest.mark.asyncio(loop_scope="module")
COMPONENTS = "/api/v1/componentstatuses"


@pytest_asyncio.fixture(loop_scope="module")
async def call(shared_engine: RunningEngine) -> AsyncIterator[Caller]:
    async with calling(shared_engine) as caller:
        yield caller


async def test_components_tell_how_they_are(call: Caller, shared_engine: RunningEngine) -> None:
    got = await call(COMPONENTS)
    assert got.headers["warning"] == '299 - "v1 ComponentStatus is deprecated in v1.19+"'
    told = {item["metadata"]["name"]: item["conditions"][0] for item in got.json["items"]}
    # This engine runs without controllers: it says so.
    elsewhere = {"type": "Healthy", "status": "False", "message": "this engine does not run it"}
    well = {"type": "Healthy", "status": "True", "message": "ok"}
    assert told == {"controller-manager": elsewhere, "etcd-0": well, "scheduler": elsewhere}
    checks = shared_engine.api.components.checks
    before = checks["scheduler"]
    checks["scheduler"] = lambda: "it fell over"
    assert (await call(f"{COMPONENTS}/scheduler")).json["conditions"][0]["message"] == "it fell over"
    checks["scheduler"] = before
    assert (await call(f"{COMPONENTS}/nope")).refusal == (404, "NotFound", 'componentstatuses "nope" not found')
    assert (await call(COMPONENTS, "DELETE")).status == 405


async def test_every_cluster_has_its_flows_and_its_range(shared_engine: RunningEngine) -> None:
    client = shared_engine.client
    for resource, specs in (
        (FLOWSCHEMAS, {**FLOW_SCHEMAS, **SUGGESTED_SCHEMAS}),
        (PRIORITYLEVELS, {**PRIORITY_LEVELS, **SUGGESTED_LEVELS}),
    ):
        listed = await client.list(resource)
        assert {item["metadata"]["name"]: item["spec"] for item in listed.items} == specs
    schema = await client.get(FLOWSCHEMAS, "exempt")
    (condition,) = schema["status"]["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == ("Dangling", "False", "Found")
    (cidr,) = (await client.list(SERVICECIDRS)).items
    assert (cidr["metadata"]["name"], cidr["spec"]["cidrs"]) == ("kubernetes", ["10.43.0.0/16"])
    assert cidr["status"]["conditions"][0]["type"] == "Ready"


async def test_answers_name_the_flow_that_they_were_counted_under(call: Caller, shared_engine: RunningEngine) -> None:
    schema = await shared_engine.client.get(FLOWSCHEMAS, "exempt")
    level = await shared_engine.client.get(PRIORITYLEVELS, "exempt")
    headers = (await call("/api/v1/namespaces")).headers
    assert headers["x-kubernetes-pf-flowschema-uid"] == schema["metadata"]["uid"]
    assert headers["x-kubernetes-pf-prioritylevel-uid"] == level["metadata"]["uid"]


async def test_a_pod_is_placed_by_a_binding_of_its_namespace(call: Caller, shared_engine: RunningEngine) -> None:
    await shared_engine.client.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}})
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    await shared_engine.client.create(PODS, pod, "default")
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p"}, "target": {"name": "n1"}}
    got = await call("/api/v1/namespaces/default/bindings", "POST", binding)
    assert (got.status, got.json["status"]) == (201, "Success")
    assert (await shared_engine.client.get(PODS, "p", "default"))["spec"]["nodeName"] == "n1"
    got = await call("/api/v1/namespaces/default/bindings", "POST", {**binding, "metadata": {"name": "nope"}})
    assert got.refusal == (404, "NotFound", 'pods "nope" not found')
