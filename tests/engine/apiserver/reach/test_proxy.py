"""Nodes, pods and Services through the API server: methods, bodies, upgrades, redirects, rights, refusals."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import aiohttp
import pytest

from apimachinery.objects.errors import StatusError
from apimachinery.objects.resources import Resource
from engine.pki import Pki
from tests.engine.apiserver.reach.machine import (
    SPDY_ANSWER,
    Machine,
    listening,
    machine,
    make_pod,
    make_service,
    page,
)
from tests.engine.conftest import RunningEngine

POD = "/api/v1/namespaces/default/pods/web/proxy"
SERVICE = "/api/v1/namespaces/default/services/web/proxy"
NODE = "/api/v1/nodes/m1/proxy"
ROLES = Resource("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", namespaced=False)
BINDINGS = Resource("rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False)


@pytest.fixture
async def m1(engine: RunningEngine) -> AsyncIterator[Machine]:
    """Machine m1 with a pod `web` behind a Service `web`."""
    async with AsyncExitStack() as stack:
        served = await stack.enter_async_context(machine(engine))
        served.addresses["10.42.0.5", 80] = await listening(stack, page(served))
        await make_pod(engine, "web", "10.42.0.5")
        await make_service(engine, "web", "10.42.0.5")
        yield served


@pytest.fixture
async def http(engine: RunningEngine) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(ssl=engine.ssl())
    async with aiohttp.ClientSession(engine.url, connector=connector) as session:
        yield session


@pytest.mark.parametrize("base", [POD, SERVICE])
async def test_every_method_and_body_reaches_the_pod(m1: Machine, http: aiohttp.ClientSession, base: str) -> None:
    for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS"):
        async with http.request(
            method, f"{base}/a/b?x=1&watch=true", data=b"12345" if method != "GET" else None
        ) as got:
            size = 0 if method == "GET" else 5
            assert (got.status, await got.text()) == (200, f"{method} /a/b?x=1&watch=true {size}")
            assert got.headers["x-own"] == "yes"
            assert "keep-alive" not in got.headers
    async with http.post(f"{base}/", data=io.BytesIO(b"x" * (5 << 20))) as got:
        assert (got.status, await got.text()) == (201, f"POST / {5 << 20}"), "larger than any object may be"
    async with http.head(f"{base}/a") as got:
        assert got.status == 200


async def test_body_without_a_length_flows_through(m1: Machine, http: aiohttp.ClientSession) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"abc"
            await asyncio.sleep(0)

    async with http.put(f"{SERVICE}/x", data=pieces()) as got:
        assert await got.text() == "PUT /x 9"


async def test_credentials_stay_with_the_engine_and_forwarding_is_told(
    m1: Machine, http: aiohttp.ClientSession
) -> None:
    fields = {"Authorization": "Bearer x", "Impersonate-User": "you", "Impersonate-Group": "system:masters"}
    async with http.get(f"{SERVICE}/a/", headers=fields) as got:
        assert got.status == 200
    seen = m1.headers[-1]
    assert not [name for name in seen if name.startswith(("authorization", "impersonate"))]
    assert (seen["x-forwarded-for"], seen["x-forwarded-uri"]) == ("127.0.0.1", f"{SERVICE}/a/")


async def test_root_without_its_slash_is_redirected_and_so_is_what_the_pod_redirects(
    m1: Machine, http: aiohttp.ClientSession
) -> None:
    async with http.get(f"{SERVICE}?a=b", allow_redirects=False) as got:
        assert (got.status, got.headers["location"]) == (301, f"{SERVICE}/?a=b")
    async with http.get(f"{SERVICE}/moved", allow_redirects=False) as got:
        assert (got.status, got.headers["location"]) == (302, f"{SERVICE}/there/")
    async with http.get(f"{SERVICE}/moved") as got:
        assert await got.text() == "GET /there/ 0"


async def test_websocket_passes(m1: Machine, http: aiohttp.ClientSession) -> None:
    async with http.ws_connect(f"{POD}/socket") as socket:
        await socket.send_str("hello")
        assert (await socket.receive()).data == "HELLO"


async def test_agents_own_paths_are_below_the_node(
    m1: Machine, http: aiohttp.ClientSession, engine: RunningEngine
) -> None:
    async with http.get(f"{NODE}/stats/summary?only_cpu_and_memory=true") as got:
        assert await got.text() == "agent GET /stats/summary"
    async with http.post(f"{NODE}/run/default/web/main") as got:
        assert await got.text() == "agent POST /run/default/web/main"
    assert m1.asked == ["GET /stats/summary?only_cpu_and_memory=true", "POST /run/default/web/main"]
    assert (await engine.kubectl("get", "--raw", f"{NODE}/healthz")).out == "agent GET /healthz"
    assert (await engine.kubectl("get", "--raw", f"{SERVICE}/index")).out == "GET /index 0"


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        pytest.param("pods/none/proxy/", 404, 'pods "none" not found', id="no-pod"),
        pytest.param("pods/web:99/proxy/", 503, "error trying to reach service: dial tcp 10.42.0.5:99: connect: connection refused", id="refused"),
        pytest.param("pods/ftp:web:1/proxy/", 400, 'invalid pod request "ftp:web:1"', id="scheme"),
        pytest.param("services/web:81/proxy/", 503, 'no service port 81 found for service "web"', id="port"),
        pytest.param("services/empty/proxy/", 503, 'no endpoints available for service "empty"', id="no-endpoints"),
        pytest.param("services/https:web:/proxy/", 503, "error trying to reach service: ", id="not-tls"),
        pytest.param("pods/far/proxy/", 503, 'error trying to reach service: node "m9" is not connected', id="no-link"),
    ],
)  # fmt: skip
async def test_what_cannot_be_reached_is_told_in_upstreams_words(
    engine: RunningEngine, m1: Machine, http: aiohttp.ClientSession, path: str, code: int, message: str
) -> None:
    await make_service(engine, "empty", "10.42.0.5", ready=False)
    await make_pod(engine, "far", "10.42.9.9", node="m9")
    async with http.get(f"/api/v1/namespaces/default/{path}") as got:
        status = await got.json()
        assert (got.status, status["code"]) == (code, code)
        assert status["message"].startswith(message)


async def test_each_method_needs_its_own_right(engine: RunningEngine, m1: Machine) -> None:
    rule = {"apiGroups": [""], "resources": ["services/proxy"], "resourceNames": ["web"], "verbs": ["get"]}
    await engine.client.create(ROLES, {"metadata": {"name": "look"}, "rules": [rule]})
    subject = {"kind": "User", "name": "somebody", "apiGroup": "rbac.authorization.k8s.io"}
    role = {"kind": "ClusterRole", "name": "look", "apiGroup": "rbac.authorization.k8s.io"}
    await engine.client.create(BINDINGS, {"metadata": {"name": "look"}, "subjects": [subject], "roleRef": role})
    certificate, key = Pki.ensure(engine.data_dir).issue_client("somebody")
    (engine.data_dir / "somebody.pem").write_bytes(certificate + key)
    tls = engine.ssl(certificate=False)
    tls.load_cert_chain(engine.data_dir / "somebody.pem")
    async with aiohttp.ClientSession(engine.url, connector=aiohttp.TCPConnector(ssl=tls)) as session:
        async with session.get(f"{SERVICE}/a") as got:
            assert got.status == 200
        for method, verb in (("POST", "create"), ("PUT", "update"), ("PATCH", "patch"), ("DELETE", "delete")):
            async with session.request(method, f"{SERVICE}/a") as got:
                assert got.status == 403
                assert f'cannot {verb} resource "services/proxy"' in (await got.json())["message"]
        for path in (POD, NODE, "/api/v1/namespaces/default/services/https:web:/proxy"):
            async with session.get(f"{path}/") as got:
                assert got.status == 403
    assert m1.asked == ["GET /a"]


async def test_spdy_passes_to_the_agent_as_it_is(engine: RunningEngine, m1: Machine) -> None:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", engine.port, ssl=engine.ssl(), server_hostname="localhost"
    )
    writer.write(
        b"POST /api/v1/namespaces/default/pods/web/exec?command=sh&command=-c&stdout=true HTTP/1.1\r\nHost: x\r\n"
        b"Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n"
        b"Content-Length: 0\r\n\r\n"
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"X-Stream-Protocol-Version: v4.channel.k8s.io" in head
    writer.write(b"\x80\x03frames")
    assert await reader.read() == SPDY_ANSWER + b"\x80\x03frames"
    writer.close()
    assert m1.asked == ["POST /exec/default/web/main?command=sh&command=-c&stdout=true"]


async def test_conversation_that_is_none_is_refused(engine: RunningEngine, m1: Machine) -> None:
    with pytest.raises(StatusError, match="Upgrade request required"):
        await engine.client.call("POST", "/api/v1/namespaces/default/pods/web/exec?command=ls")
