"""APIServices: who serves what, whether he is there, and requests and documents of a server in the cluster."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from apimachinery.client.client import Client
from apimachinery.objects.errors import StatusError
from apimachinery.objects.resources import CONFIGMAPS, ENDPOINTSLICES, SERVICES, Resource
from engine.apiserver.aggregation.registration import API_SERVICES
from engine.pki import Pki
from tests.engine.apiserver.aggregation.extension import BASE, GROUP, VERSION, Extension, server_tls
from tests.engine.apiserver.custom.manifests import DEFINITION
from tests.engine.apiserver.reach.machine import Machine, listening, machine, make_service
from tests.engine.conftest import RunningEngine

Json = dict[str, Any]
NAME = f"{VERSION}.{GROUP}"
FLUNDERS = Resource(GROUP, VERSION, "flunders", "Flunder", namespaced=True)


@pytest.fixture
async def m1(engine: RunningEngine) -> AsyncIterator[Machine]:
    async with machine(engine) as served:
        yield served


@pytest.fixture
async def extension(engine: RunningEngine, m1: Machine, tmp_path: Path) -> AsyncIterator[Extension]:
    """The extension in pod 10.42.0.7, behind Service `api`."""
    served = Extension()
    pki = Pki.ensure(tmp_path / "extension", names=("api.default.svc",)).folder
    (tmp_path / "bundle").write_bytes((pki / "ca.crt").read_bytes())
    clients = tmp_path / "clients.crt"
    trust = await engine.client.get(CONFIGMAPS, "extension-apiserver-authentication", "kube-system")
    clients.write_text(trust["data"]["requestheader-client-ca-file"])
    async with AsyncExitStack() as stack:
        tls = server_tls(pki / "server.crt", pki / "server.key", clients)
        m1.addresses["10.42.0.7", 8443] = await listening(stack, served.app(), tls)
        await make_service(engine, "api", "10.42.0.7", port=443, target=8443)
        yield served


def api_service(folder: Path, **spec: Any) -> Json:
    bundle = base64.b64encode((folder / "bundle").read_bytes()).decode()
    return {
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": NAME},
        "spec": {
            "group": GROUP, "version": VERSION, "groupPriorityMinimum": 2000, "versionPriority": 10,
            "service": {"namespace": "default", "name": "api"}, "caBundle": bundle, **spec,
        },
    }  # fmt: skip


async def eventually(holds: Callable[[], Awaitable[bool]], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not await holds():
            await asyncio.sleep(0.05)


async def condition(client: Client, name: str = NAME) -> Json:
    found = await client.get(API_SERVICES, name)
    return next((one for one in found.get("status", {}).get("conditions", ()) if one["type"] == "Available"), {})


async def exists(engine: RunningEngine, name: str) -> None:
    async def there() -> bool:
        return any(one["metadata"]["name"] == name for one in (await engine.client.list(API_SERVICES)).items)

    await eventually(there)


async def becomes(engine: RunningEngine, reason: str, name: str = NAME) -> Json:
    async def holds() -> bool:
        return (await condition(engine.client, name)).get("reason") == reason

    await eventually(holds)
    return await condition(engine.client, name)


async def registered(engine: RunningEngine, folder: Path, **spec: Any) -> None:
    made = await engine.client.create(API_SERVICES, api_service(folder, **spec))
    assert made["spec"]["service"]["port"] == 443
    found = await becomes(engine, "Passed")
    assert (found["status"], found["message"]) == ("True", "all checks passed")


async def test_what_the_engine_serves_is_registered_as_local(engine: RunningEngine) -> None:
    async def there() -> bool:
        return len((await engine.client.list(API_SERVICES)).items) >= 20

    await eventually(there)
    out = (await engine.kubectl("get", "apiservices")).out
    rows = {line.split()[0]: line.split()[1:3] for line in out.splitlines()}
    assert out.splitlines()[0].split() == ["NAME", "SERVICE", "AVAILABLE", "AGE"]
    for name in ("v1.", "v1.apps", "v2.autoscaling", "v1beta1.metrics.k8s.io"):
        assert rows[name] == ["Local", "True"]
    assert "v1.apiregistration.k8s.io" not in rows
    found = (await condition(engine.client, "v1.apps"))["message"]
    assert found == "Local APIServices are always available"


async def test_users_kinds_come_and_go_with_their_definitions(engine: RunningEngine) -> None:
    definition = yaml.safe_load(DEFINITION)
    definitions = Resource(
        "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
    )
    await engine.client.create(definitions, definition)
    group = definition["spec"]["group"]
    name = f"{definition['spec']['versions'][0]['name']}.{group}"
    await exists(engine, name)
    found = await becomes(engine, "Local", name)
    assert found["status"] == "True"
    await engine.client.delete(API_SERVICES, name)
    await exists(engine, name)  # made again while the definition is there
    await engine.client.delete(definitions, definition["metadata"]["name"])

    async def gone() -> bool:
        return all(one["metadata"]["name"] != name for one in (await engine.client.list(API_SERVICES)).items)

    await eventually(gone)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"group": "other.example.com"}, 'must be `spec.version+"."+spec.group`: "v1alpha1.other.example.com"', id="name"),
        pytest.param({"groupPriorityMinimum": 0}, "spec.groupPriorityMinimum: Invalid value: 0: must be positive and less than 20000", id="priority"),
        pytest.param({"versionPriority": 1001}, "spec.versionPriority: Invalid value: 1001: must be positive and less than 1000", id="version-priority"),
        pytest.param({"insecureSkipTLSVerify": True}, "spec.insecureSkipTLSVerify: Invalid value: true: may not be true if caBundle is present", id="insecure"),
        pytest.param({"service": None}, "local APIServices may not have a caBundle", id="local-with-bundle"),
        pytest.param({"service": {"name": "api"}}, "spec.service.namespace: Required value", id="namespace"),
    ],
)  # fmt: skip
async def test_apiservice_that_makes_no_sense_is_refused(
    engine: RunningEngine, tmp_path: Path, change: Json, message: str
) -> None:
    (tmp_path / "bundle").write_text("x")
    with pytest.raises(StatusError) as refused:
        await engine.client.create(API_SERVICES, api_service(tmp_path, **change))
    assert refused.value.code == 422
    assert message in refused.value.message


async def test_requests_reach_the_server_with_who_asks(
    engine: RunningEngine, extension: Extension, tmp_path: Path
) -> None:
    await registered(engine, tmp_path)
    manifest = {"apiVersion": f"{GROUP}/{VERSION}", "kind": "Flunder", "metadata": {"name": "one"}}
    made = await engine.client.create(FLUNDERS, manifest, "default")
    assert made["metadata"]["uid"] == "u"
    path, user, groups = extension.users[-1]
    assert (path, user) == (f"{BASE}/namespaces/default/flunders", "pilothouse-admin")
    assert groups == ("system:masters", "system:authenticated")
    assert (await engine.kubectl("get", "fl", "one", "-o", "name")).out == "flunder.wardle.example.com/one\n"
    fields = {
        "X-Remote-User": "root",
        "X-Remote-Extra-Scopes": "all",
        "Impersonate-User": "Zoë",
        "Impersonate-Group": "system:masters",
    }
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=engine.ssl())) as session:
        async with session.get(f"{engine.url}{BASE}/flunders?watch=true", headers=fields) as got:
            assert json.loads(await got.read())["object"]["metadata"]["name"] == "one"
        async with session.get(f"{engine.url}{BASE}/moved", headers=fields) as got:
            assert (got.status, await got.text()) == (
                502,
                "the backend attempted to redirect this request, which is not permitted",
            )
    seen = extension.headers[-1]
    assert seen["X-Remote-User"] == "Zoë"
    assert not [name for name in seen if name.lower().startswith(("impersonate", "authorization", "x-remote-extra"))]
    with pytest.raises(StatusError, match="no such flunder"):
        await engine.client.get(FLUNDERS, "none", "default")
    # The engine's own controllers go the same way.
    assert (await engine.api.client("test").get(FLUNDERS, "one", "default"))["metadata"]["name"] == "one"


async def test_rights_are_asked_before_anything_is_passed_on(
    engine: RunningEngine, extension: Extension, tmp_path: Path
) -> None:
    await registered(engine, tmp_path)
    asked = len(extension.users)
    ran = await engine.kubectl("get", "--raw", f"{BASE}/flunders", "--as=nobody", check=False)
    assert 'User "nobody" cannot list resource "flunders" in API group "wardle.example.com"' in ran.err
    assert [user for _, user, _ in extension.users[asked:] if user == "nobody"] == []


async def test_documents_tell_of_it_in_every_form(engine: RunningEngine, extension: Extension, tmp_path: Path) -> None:
    await registered(engine, tmp_path)

    async def document(path: str, accept: str = "application/json") -> Json:
        return json.loads((await engine.client.exchange("GET", path, headers={"Accept": accept})).body)

    async def described() -> bool:
        return BASE[1:] in (await document("/openapi/v3"))["paths"]

    await eventually(described)
    groups = [group["name"] for group in (await document("/apis"))["groups"]]
    assert GROUP in groups
    assert (await document(f"/apis/{GROUP}"))["versions"] == [
        {"groupVersion": f"{GROUP}/{VERSION}", "version": VERSION}
    ]
    assert [one["name"] for one in (await document(BASE))["resources"]] == ["flunders", "flunders/status"]
    assert BASE in (await document("/"))["paths"]
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    found = next(one for one in (await document("/apis", accept))["items"] if one["metadata"]["name"] == GROUP)
    assert found["versions"][0]["freshness"] == "Current"
    (resource,) = found["versions"][0]["resources"]
    assert (resource["resource"], resource["scope"], resource["shortNames"]) == ("flunders", "Namespaced", ["fl"])
    assert [sub["subresource"] for sub in resource["subresources"]] == ["status"]
    v2 = await document("/openapi/v2")
    meta = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
    flunder = v2["definitions"]["com.example.wardle.v1alpha1.Flunder"]
    assert flunder["properties"]["metadata"]["$ref"] == f"#/definitions/{meta}_v2", "ours of that name is another"
    assert v2["definitions"][f"{meta}_v2"]["description"] == "not the engine's"
    assert f"{BASE}/namespaces/{{namespace}}/flunders/{{name}}" in v2["paths"]
    assert "unused" not in v2["definitions"]
    assert "Flunder is what wardles have." in (await engine.kubectl("explain", "flunders")).out
    assert "flunders" in (await engine.kubectl("api-resources", "--api-group", GROUP)).out


async def test_server_that_is_away_is_named_and_comes_back(
    engine: RunningEngine, extension: Extension, m1: Machine, tmp_path: Path
) -> None:
    await registered(engine, tmp_path)
    extension.healthy = False
    await engine.client.patch(SERVICES, "api", {"metadata": {"labels": {"look": "again"}}}, "default", kind="merge")
    found = await becomes(engine, "FailedDiscoveryCheck")
    assert found["status"] == "False"
    assert f"bad status from https://api.default.svc:443{BASE}: 500" in found["message"]
    with pytest.raises(StatusError) as refused:
        await engine.client.list(FLUNDERS)
    assert (refused.value.code, refused.value.message) == (503, "service unavailable")
    assert f"{NAME} " in (row := (await engine.kubectl("get", "apiservice", NAME)).out)
    assert "default/api" in row
    assert "False (FailedDiscoveryCheck)" in row
    # Everything else is served as before.
    assert (await engine.kubectl("get", "namespaces", "default", "-o", "name")).out == "namespace/default\n"
    extension.healthy = True
    await becomes(engine, "Passed")
    await engine.client.patch(
        ENDPOINTSLICES, "api-1", {"endpoints": [{"addresses": ["10.42.0.7"], "conditions": {"ready": False}}]}, "default", kind="merge",
    )  # fmt: skip
    found = await becomes(engine, "MissingEndpoints")
    assert found["message"] == 'endpointslices for service/api in "default" have no addresses with port name ""'
    await engine.client.delete(ENDPOINTSLICES, "api-1", "default")
    assert (await becomes(engine, "EndpointsNotFound"))[
        "message"
    ] == 'cannot find endpointslices for service/api in "default"'
    await engine.client.patch(SERVICES, "api", {"spec": {"ports": [{"port": 444}]}}, "default", kind="merge")
    assert (await becomes(engine, "ServicePortError"))[
        "message"
    ] == 'service/api in "default" is not listening on port 443'
    await engine.client.delete(SERVICES, "api", "default")
    assert (await becomes(engine, "ServiceNotFound"))["message"] == 'service/api in "default" is not present'
    await engine.client.delete(API_SERVICES, NAME)
    with pytest.raises(StatusError) as refused:
        await engine.client.list(FLUNDERS)
    assert refused.value.code == 404


async def test_server_that_cannot_prove_its_name_is_not_believed_unless_told_to(
    engine: RunningEngine, extension: Extension, tmp_path: Path
) -> None:
    (tmp_path / "bundle").write_bytes(Pki.ensure(tmp_path / "stranger").ca_pem)
    await engine.client.create(API_SERVICES, api_service(tmp_path))
    assert "CERTIFICATE_VERIFY_FAILED" in (await becomes(engine, "FailedDiscoveryCheck"))["message"]
    change = {"spec": {"caBundle": None, "insecureSkipTLSVerify": True}}
    await engine.client.patch(API_SERVICES, NAME, change, kind="merge")
    await becomes(engine, "Passed")


async def test_metrics_are_served_by_whoever_registers_for_them(
    engine: RunningEngine, extension: Extension, tmp_path: Path
) -> None:
    name = "v1beta1.metrics.k8s.io"
    await exists(engine, name)
    bundle = api_service(tmp_path)["spec"]["caBundle"]
    change = {"spec": {"service": {"namespace": "default", "name": "api"}, "caBundle": bundle}}
    await engine.client.patch(API_SERVICES, name, change, kind="merge")
    # The extension does not know the group: asked it was, and not we.
    assert "404" in (await becomes(engine, "FailedDiscoveryCheck", name))["message"]
    with pytest.raises(StatusError, match="service unavailable"):
        await engine.client.call("GET", "/apis/metrics.k8s.io/v1beta1/nodes")
    await engine.client.delete(API_SERVICES, name)
    await exists(engine, name)
    await becomes(engine, "Local", name)
    assert (
        json.loads(await engine.client.call("GET", "/apis/metrics.k8s.io/v1beta1/nodes"))["kind"] == "NodeMetricsList"
    )
