"""The API over HTTPS, seen with our own client: verbs, versions, selectors, errors."""

from __future__ import annotations

import asyncio
from io import BytesIO

import aiohttp
import pytest

from apimachinery.client.client import Client
from apimachinery.objects.errors import (
    AlreadyExists,
    BadRequest,
    Conflict,
    Expired,
    Forbidden,
    Invalid,
    NotFound,
    StatusError,
)
from apimachinery.objects.resources import CONFIGMAPS, NAMESPACES, NODES, PODS, SECRETS
from engine.apiserver.inprocess import InProcessTransport
from engine.apiserver.request import User
from tests.engine.conftest import RunningEngine


def config_map(name: str, **data: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


async def test_system_namespaces_are_there_from_the_start(engine: RunningEngine) -> None:
    page = await engine.client.list(NAMESPACES)
    assert [n["metadata"]["name"] for n in page.items] == ["default", "kube-node-lease", "kube-public", "kube-system"]


async def test_created_object_is_read_back_changed_and_deleted(engine: RunningEngine) -> None:
    client = engine.client
    created = await client.create(CONFIGMAPS, config_map("a", x="1"), "default")
    read = await client.get(CONFIGMAPS, "a", "default")
    assert read == created
    read["data"]["x"] = "2"
    updated = await client.update(CONFIGMAPS, read)
    assert int(updated["metadata"]["resourceVersion"]) > int(created["metadata"]["resourceVersion"])
    patched = await client.patch(CONFIGMAPS, "a", {"data": {"y": "3", "x": None}}, "default", kind="merge")
    assert patched["data"] == {"y": "3"}
    await client.delete(CONFIGMAPS, "a", "default")
    with pytest.raises(NotFound, match='configmaps "a" not found'):
        await client.get(CONFIGMAPS, "a", "default")


async def test_update_that_changes_nothing_keeps_the_version(engine: RunningEngine) -> None:
    created = await engine.client.create(CONFIGMAPS, config_map("a", x="1"), "default")
    assert await engine.client.update(CONFIGMAPS, created) == created


async def test_update_from_an_old_version_conflicts_in_upstreams_words(engine: RunningEngine) -> None:
    old = await engine.client.create(CONFIGMAPS, config_map("a", x="1"), "default")
    await engine.client.patch(CONFIGMAPS, "a", {"data": {"x": "2"}}, "default", kind="merge")
    with pytest.raises(Conflict) as refused:
        await engine.client.update(CONFIGMAPS, old)
    assert refused.value.message == (
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )


async def test_concurrent_patches_of_one_object_all_take_effect(engine: RunningEngine) -> None:
    await engine.client.create(CONFIGMAPS, config_map("a"), "default")
    patches = ({"data": {f"k{n}": "v"}} for n in range(40))
    await asyncio.gather(*(engine.client.patch(CONFIGMAPS, "a", p, "default", kind="merge") for p in patches))
    assert len((await engine.client.get(CONFIGMAPS, "a", "default"))["data"]) == 40


async def test_second_create_of_a_name_is_refused(engine: RunningEngine) -> None:
    await engine.client.create(CONFIGMAPS, config_map("a"), "default")
    with pytest.raises(AlreadyExists, match='configmaps "a" already exists'):
        await engine.client.create(CONFIGMAPS, config_map("a"), "default")


async def test_generated_names_differ(engine: RunningEngine) -> None:
    made = [
        await engine.client.create(
            CONFIGMAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "a-"}}, "default"
        )
        for _ in range(3)
    ]
    names = {m["metadata"]["name"] for m in made}
    assert len(names) == 3
    assert all(name.startswith("a-") and len(name) == 7 for name in names)


async def test_a_name_of_the_clients_own_is_kept_beside_a_generate_name(engine: RunningEngine) -> None:
    both = config_map("a-given") | {"metadata": {"name": "a-given", "generateName": "a-"}}
    await engine.client.create(CONFIGMAPS, both, "default")
    text = 'configmaps "a-given" already exists, the server was not able to generate a unique name for the object'
    with pytest.raises(AlreadyExists, match=text):
        await engine.client.create(CONFIGMAPS, both, "default")


async def test_an_object_that_was_stored_before_cannot_be_created_again_as_it_is(engine: RunningEngine) -> None:
    made = await engine.client.create(CONFIGMAPS, config_map("a"), "default")
    await engine.client.delete(CONFIGMAPS, "a", "default")
    with pytest.raises(StatusError, match="^resourceVersion should not be set on objects to be created$") as refused:
        await engine.client.create(CONFIGMAPS, made, "default")
    assert refused.value.code == 500
    # what was never a revision is passed over, as upstream does
    made["metadata"]["resourceVersion"] = "v1"
    again = await engine.client.create(CONFIGMAPS, made, "default")
    assert again["metadata"]["resourceVersion"].isdecimal()


async def test_create_in_a_missing_namespace_names_it(engine: RunningEngine) -> None:
    with pytest.raises(NotFound, match='namespaces "nope" not found'):
        await engine.client.create(CONFIGMAPS, config_map("a"), "nope")


async def test_dry_run_changes_nothing(engine: RunningEngine) -> None:
    await engine.client.create(CONFIGMAPS, config_map("a"), "default", dry_run=True)
    with pytest.raises(NotFound):
        await engine.client.get(CONFIGMAPS, "a", "default")
    await engine.client.create(CONFIGMAPS, config_map("b", x="1"), "default")
    shown = await engine.client.patch(CONFIGMAPS, "b", {"data": {"x": "2"}}, "default", kind="merge", dry_run=True)
    assert shown["data"] == {"x": "2"}
    assert (await engine.client.get(CONFIGMAPS, "b", "default"))["data"] == {"x": "1"}


async def test_lists_page_through_one_moment(engine: RunningEngine) -> None:
    client = engine.client
    for n in range(5):
        await client.create(CONFIGMAPS, config_map(f"a{n}"), "default")
    first = await client.list(CONFIGMAPS, "default", limit=2)
    await client.create(CONFIGMAPS, config_map("a9"), "default")
    await client.delete(CONFIGMAPS, "a3", "default")
    second = await client.list(CONFIGMAPS, "default", limit=2, continue_=first.continue_)
    third = await client.list(CONFIGMAPS, "default", limit=2, continue_=second.continue_)
    pages = (first, second, third)
    assert [[o["metadata"]["name"] for o in page.items] for page in pages] == [["a0", "a1"], ["a2", "a3"], ["a4"]]
    assert len({page.resource_version for page in pages}) == 1
    assert not third.continue_


async def test_continue_from_a_forgotten_moment_is_gone_and_offers_a_way_on(engine: RunningEngine) -> None:
    client = engine.client
    for n in range(4):
        await client.create(CONFIGMAPS, config_map(f"a{n}"), "default")
    first = await client.list(CONFIGMAPS, "default", limit=2)
    await client.create(CONFIGMAPS, config_map("a9"), "default")
    store = engine.api.pipe._store  # the way to make time pass
    await store.compact(store.revision)
    with pytest.raises(Expired, match="The provided continue parameter is too old"):
        await client.list(CONFIGMAPS, "default", limit=2, continue_=first.continue_)


async def test_selectors_choose(engine: RunningEngine) -> None:
    client = engine.client
    for n, tier in enumerate(("web", "web", "db")):
        obj = config_map(f"a{n}")
        obj["metadata"] = {"name": f"a{n}", "labels": {"tier": tier}}
        await client.create(CONFIGMAPS, obj, "default")

    async def names(**selectors: str) -> list[str]:
        page = await client.list(CONFIGMAPS, "default", **selectors)
        return [o["metadata"]["name"] for o in page.items]

    assert await names(label_selector="tier=web") == ["a0", "a1"]
    assert await names(label_selector="tier notin (web)") == ["a2"]
    assert await names(field_selector="metadata.name=a1") == ["a1"]
    assert await names(field_selector="metadata.name!=a1", label_selector="tier=web") == ["a0"]
    with pytest.raises(BadRequest, match=r"field label not supported: spec\.color"):
        await names(field_selector="spec.color=red")
    with pytest.raises(BadRequest, match="unable to parse requirement"):
        await names(label_selector="a in b")


async def test_delete_collection_takes_what_is_selected(engine: RunningEngine) -> None:
    for n in range(4):
        obj = config_map(f"a{n}")
        obj["metadata"] = {"name": f"a{n}", "labels": {"odd": str(n % 2)}}
        await engine.client.create(CONFIGMAPS, obj, "default")
    await engine.client.delete_collection(CONFIGMAPS, "default", label_selector="odd=1")
    left = await engine.client.list(CONFIGMAPS, "default")
    assert [o["metadata"]["name"] for o in left.items] == ["a0", "a2"]


async def test_finalizer_keeps_an_object_until_it_is_taken_away(engine: RunningEngine) -> None:
    obj = config_map("a")
    obj["metadata"] = {"name": "a", "finalizers": ["example.com/hold"]}
    await engine.client.create(CONFIGMAPS, obj, "default")
    await engine.client.delete(CONFIGMAPS, "a", "default")
    held = await engine.client.get(CONFIGMAPS, "a", "default")
    assert held["metadata"]["deletionTimestamp"]
    with pytest.raises(Invalid, match="no new finalizers can be added"):
        await engine.client.patch(
            CONFIGMAPS, "a", {"metadata": {"finalizers": ["example.com/hold", "b.c/d"]}}, "default", kind="merge"
        )
    await engine.client.patch(CONFIGMAPS, "a", {"metadata": {"finalizers": None}}, "default", kind="merge")
    with pytest.raises(NotFound):
        await engine.client.get(CONFIGMAPS, "a", "default")


@pytest.mark.parametrize(
    ("policy", "finalizer"),
    [
        pytest.param("Foreground", "foregroundDeletion", id="foreground"),
        pytest.param("Orphan", "orphan", id="orphan"),
    ],
)
async def test_propagation_policy_is_recorded_as_a_finalizer(
    engine: RunningEngine, policy: str, finalizer: str
) -> None:
    await engine.client.create(CONFIGMAPS, config_map("a"), "default")
    await engine.client.delete(CONFIGMAPS, "a", "default", propagation=policy)
    held = await engine.client.get(CONFIGMAPS, "a", "default")
    assert held["metadata"]["finalizers"] == [finalizer]


async def test_delete_with_another_uid_conflicts(engine: RunningEngine) -> None:
    await engine.client.create(CONFIGMAPS, config_map("a"), "default")
    with pytest.raises(Conflict, match=r"the UID in the precondition \(nope\) does not match the UID in record"):
        await engine.client.delete(CONFIGMAPS, "a", "default", uid="nope")


async def test_namespaces_of_the_system_may_not_be_deleted(engine: RunningEngine) -> None:
    with pytest.raises(Forbidden, match='namespaces "default" is forbidden: this namespace may not be deleted'):
        await engine.client.delete(NAMESPACES, "default")


class TestHttp:
    """What only a plain HTTP client sees."""

    @pytest.fixture
    async def http(self, engine: RunningEngine) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(ssl=engine.ssl(certificate=False))
        async with aiohttp.ClientSession(engine.url, connector=connector) as session:
            yield session

    @pytest.fixture
    def token(self, engine: RunningEngine) -> dict[str, str]:
        return {"authorization": "Bearer " + (engine.pki / "tokens.csv").read_text().split(",")[0]}

    async def test_health_and_version_need_no_identity(self, http: aiohttp.ClientSession) -> None:
        for path in ("/readyz", "/livez", "/healthz"):
            async with http.get(path) as answer:
                assert (answer.status, await answer.text()) == (200, "ok")
        async with http.get("/version") as answer:
            assert (await answer.json())["gitVersion"].startswith("v1.36.")

    async def test_nobody_is_refused_and_a_wrong_token_is_unauthorized(self, http: aiohttp.ClientSession) -> None:
        async with http.get("/api/v1/namespaces") as answer:
            assert answer.status == 403
            assert (await answer.json())["message"] == (
                'namespaces is forbidden: User "system:anonymous" cannot list resource "namespaces"'
                ' in API group "" at the cluster scope'
            )
        async with http.get("/api/v1/namespaces", headers={"authorization": "Bearer wrong"}) as answer:
            assert answer.status == 401
            assert (await answer.json())["reason"] == "Unauthorized"

    async def test_token_opens_the_door(self, http: aiohttp.ClientSession, token: dict[str, str]) -> None:
        async with http.get("/api/v1/namespaces", headers=token) as answer:
            assert answer.status == 200

    async def test_large_body_is_refused(self, http: aiohttp.ClientSession, token: dict[str, str]) -> None:
        body = b'{"data":{"x":"' + b"x" * (3 << 20) + b'"}}'
        headers = {**token, "content-type": "application/json"}
        async with http.post("/api/v1/namespaces/default/configmaps", data=BytesIO(body), headers=headers) as answer:
            assert answer.status == 413
            assert (await answer.json())["reason"] == "RequestEntityTooLarge"

    async def test_yaml_goes_in_and_out(self, http: aiohttp.ClientSession, token: dict[str, str]) -> None:
        headers = {**token, "content-type": "application/yaml", "accept": "application/yaml"}
        body = "metadata:\n  name: a\ndata:\n  x: one\n"
        async with http.post("/api/v1/namespaces/default/configmaps", data=body, headers=headers) as answer:
            assert answer.status == 201
            assert "x: one" in await answer.text()

    async def test_unknown_field_warns_by_default_and_fails_when_strict(
        self, http: aiohttp.ClientSession, token: dict[str, str]
    ) -> None:
        path = "/api/v1/namespaces/default/configmaps"
        body = {"metadata": {"name": "a"}, "colour": "red"}
        async with http.post(f"{path}?fieldValidation=Strict", json=body, headers=token) as answer:
            assert answer.status == 400
            assert 'unknown field "colour"' in (await answer.json())["message"]
        async with http.post(path, json=body, headers=token) as answer:
            assert answer.status == 201
            assert answer.headers["warning"] == '299 - "unknown field \\"colour\\""'

    async def test_big_answers_are_compressed_for_those_who_ask(
        self, http: aiohttp.ClientSession, token: dict[str, str]
    ) -> None:
        body = {"metadata": {"name": "a"}, "data": {"x": "x" * 200_000}}
        async with http.post("/api/v1/namespaces/default/configmaps", json=body, headers=token):
            pass
        async with http.get("/api/v1/configmaps", headers={**token, "accept-encoding": "gzip"}) as answer:
            assert answer.headers["content-encoding"] == "gzip"
            assert (await answer.json())["items"][0]["data"] == body["data"]

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            pytest.param("GET", "/api/v1/nothings", 404, id="unknown-resource"),
            pytest.param("GET", "/apis/nope/v1/things", 404, id="unknown-group"),
            pytest.param("GET", "/nope", 404, id="unknown-path"),
            pytest.param("PUT", "/api/v1/namespaces", 405, id="put-on-collection"),
            pytest.param("POST", "/api/v1/namespaces/default", 405, id="post-on-object"),
            pytest.param("DELETE", "/api/v1/namespaces", 405, id="namespaces-have-no-deletecollection"),
        ],
    )
    async def test_wrong_places_are_named(
        self, http: aiohttp.ClientSession, token: dict[str, str], method: str, path: str, status: int
    ) -> None:
        async with http.request(method, path, headers=token) as answer:
            assert answer.status == status
            assert (await answer.json())["kind"] == "Status"


async def test_in_process_client_does_the_same(engine: RunningEngine) -> None:
    client: Client = engine.api.client("test")
    created = await client.create(CONFIGMAPS, config_map("a", x="1"), "default")
    assert await client.get(CONFIGMAPS, "a", "default") == created


class TestNodeAgent:
    """What the certificate of one machine's agent allows."""

    @pytest.fixture
    def agent(self, engine: RunningEngine) -> Client:
        user = User("system:node:m1", ("system:nodes", "system:authenticated"))
        return Client(InProcessTransport(engine.api.pipe, user))

    def node(self, name: str) -> dict[str, object]:
        return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}

    async def test_it_registers_its_own_node_and_no_other(self, agent: Client) -> None:
        await agent.create(NODES, self.node("m1"))
        with pytest.raises(Forbidden, match='node "m1" is not allowed to modify node "m2"'):
            await agent.create(NODES, self.node("m2"))

    async def test_it_keeps_its_hands_off_pods_of_others(self, engine: RunningEngine, agent: Client) -> None:
        for name in ("m1", "m2"):
            await engine.client.create(NODES, self.node(name))
            spec = {"nodeName": name, "containers": [{"name": "c", "image": "busybox"}]}
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"on-{name}"}, "spec": spec}
            await engine.client.create(PODS, pod, "default")
        status = {"status": {"phase": "Running"}}
        await agent.patch(PODS, "on-m1", status, "default", kind="merge", subresource="status")
        await agent.delete(PODS, "on-m1", "default", grace_period_seconds=0)
        with pytest.raises(Forbidden, match="can only update pod status for pods with spec.nodeName set to itself"):
            await agent.patch(PODS, "on-m2", status, "default", kind="merge", subresource="status")
        with pytest.raises(Forbidden, match="can only delete pods with spec.nodeName set to itself"):
            await agent.delete(PODS, "on-m2", "default", grace_period_seconds=0)

    async def test_it_may_not_delete_nodes_or_change_secrets(self, engine: RunningEngine, agent: Client) -> None:
        with pytest.raises(Forbidden, match='User "system:node:m1" cannot delete resource "nodes"'):
            await agent.delete(NODES, "m1")
        with pytest.raises(Forbidden, match='cannot create resource "secrets"'):
            secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
            await agent.create(SECRETS, secret, "default")
