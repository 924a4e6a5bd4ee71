"""Logs, exec and attach through the engine to a node's agent: a stand-in with the agent's paths and certificates."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from aiohttp import WSMsgType, web

from apimachinery.client.exec import STDOUT, open_exec
from apimachinery.objects.errors import BadRequest, NotFound, ServiceUnavailable
from apimachinery.objects.resources import LEASES, NODES, PODS
from engine.apiserver.nodes import NoConnections
from engine.fleet import elsewhere
from engine.pki import Pki, use_shared
from tests.engine.conftest import RunningEngine, start_engine, stop_engine


@dataclass
class Agent:
    """Serves what a node agent serves, and remembers what it was asked."""

    base_url: str
    ssl: ssl.SSLContext
    asked: list[str]

    async def endpoint(self, node_name: str) -> Agent:
        if node_name != "n1":
            raise ServiceUnavailable(f'node "{node_name}" is not connected')
        return self


@pytest.fixture
async def agent(engine: RunningEngine) -> AsyncIterator[Agent]:
    pki = Pki.ensure(engine.data_dir)
    asked: list[str] = []

    async def log(request: web.Request) -> web.StreamResponse:
        asked.append(str(request.rel_url))
        if request.match_info["container"] == "waiting":
            text = 'container "waiting" in pod "web" is waiting to start: ContainerCreating'
            return web.Response(status=400, text=text)
        response = web.StreamResponse()
        await response.prepare(request)
        for line in range(3):
            await response.write(b"line %d\n" % line)
            await asyncio.sleep(0)
        return response

    async def execute(request: web.Request) -> web.StreamResponse:
        asked.append(str(request.rel_url))
        if request.match_info["container"] == "waiting":
            return web.json_response(NotFound.of("containers", "waiting").to_status(), status=404)
        socket = web.WebSocketResponse(protocols=["v5.channel.k8s.io", "v4.channel.k8s.io"])
        await socket.prepare(request)
        async for message in socket:
            assert message.type is WSMsgType.BINARY
            if message.data[0] == 255:
                await socket.send_bytes(b'\x03{"status":"Success"}')
                break
            await socket.send_bytes(b"\x01" + message.data[1:].upper())
        await socket.close()
        return socket

    app = web.Application()
    app.router.add_get("/containerLogs/{ns}/{pod}/{container}", log)
    app.router.add_route("*", "/exec/{ns}/{pod}/{container}", execute)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=pki.server_ssl())
    await site.start()
    port = runner.addresses[0][1]
    served = Agent(f"https://127.0.0.1:{port}", pki.agent_client_ssl(), asked)
    engine.api.nodes.connections = served
    yield served
    await runner.cleanup()


@pytest.fixture
async def pod(engine: RunningEngine) -> str:
    """A pod with two containers on node n1."""
    await engine.client.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}})
    await make_pod(engine, "web", "n1", "main", "waiting")
    return "web"


async def make_pod(engine: RunningEngine, name: str, node: str, *containers: str) -> None:
    spec = {"nodeName": node, "containers": [{"name": c, "image": "busybox"} for c in containers]}
    obj = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
    await engine.client.create(PODS, obj, "default")


async def log_of(engine: RunningEngine, pod: str, **query: str) -> str:
    path = PODS.path("default", pod, "log")
    return (await engine.client.exchange("GET", path, query=query)).body.decode()


async def test_log_passes_with_its_options(engine: RunningEngine, agent: Agent, pod: str) -> None:
    text = await log_of(engine, pod, container="main", tailLines="5", follow="true")
    assert text == "line 0\nline 1\nline 2\n"
    assert agent.asked == ["/containerLogs/default/web/main?tailLines=5&follow=true"]


async def test_log_needs_a_container_where_there_are_several(engine: RunningEngine, agent: Agent, pod: str) -> None:
    with pytest.raises(BadRequest) as refused:
        await log_of(engine, pod)
    assert refused.value.message == ("a container name must be specified for pod web, choose one of: [main waiting]")
    with pytest.raises(BadRequest, match="container nope is not valid for pod web"):
        await log_of(engine, pod, container="nope")


async def test_refusal_of_the_agent_reaches_the_client(engine: RunningEngine, agent: Agent, pod: str) -> None:
    with pytest.raises(BadRequest, match="is waiting to start: ContainerCreating"):
        await log_of(engine, pod, container="waiting")
    with pytest.raises(NotFound, match='containers "waiting" not found'):
        async with open_exec(engine.client, "default", pod, command=["sh"], container="waiting"):
            pass


async def test_log_of_an_unplaced_pod_is_empty_and_its_exec_is_refused(engine: RunningEngine, agent: Agent) -> None:
    await make_pod(engine, "lost", "", "main")
    assert await log_of(engine, "lost") == ""
    with pytest.raises(BadRequest, match="pod lost does not have a host assigned"):
        async with open_exec(engine.client, "default", "lost", command=["sh"]):
            pass


async def test_node_out_of_reach_is_named(engine: RunningEngine, agent: Agent) -> None:
    await engine.client.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n2"}})
    await make_pod(engine, "far", "n2", "main")
    with pytest.raises(ServiceUnavailable, match='node "n2" is not connected'):
        await log_of(engine, "far")


async def test_exec_passes_both_ways_until_the_command_ends(engine: RunningEngine, agent: Agent, pod: str) -> None:
    command = ["sh", "-c", "a b"]
    async with open_exec(engine.client, "default", pod, command=command, container="main", stdin=True) as stream:
        await stream.send_stdin(b"hello")
        await stream.close_stdin()
        received = [(channel, data) async for channel, data in stream]
    assert received == [(STDOUT, b"HELLO")]
    assert stream.exit_status is not None
    assert stream.exit_status.code == 0
    assert agent.asked[0].startswith("/exec/default/web/main?command=sh&command=-c&command=a+b")


async def test_kubectl_execs_and_reads_logs(engine: RunningEngine, agent: Agent, pod: str) -> None:
    ran = await engine.kubectl("exec", "-i", "web", "-c", "main", "--", "cat", stdin="hello")
    assert ran.out == "HELLO"
    assert (await engine.kubectl("logs", "-f", "web", "-c", "main")).out == "line 0\nline 1\nline 2\n"
    ran = await engine.kubectl("exec", "web", "-c", "waiting", "--", "ls", check=False)
    assert 'containers "waiting" not found' in ran.err


@pytest.fixture
async def follower(engine: RunningEngine, tmp_path: Path) -> AsyncIterator[RunningEngine]:
    """A second engine with the same keys, which believes that the first one holds the links."""
    use_shared(tmp_path / "follower", engine.pki)
    running, task = await start_engine(tmp_path / "follower", controllers=False)
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": {"holderIdentity": "first"}}
    metadata = {"name": elsewhere.LEASE, "annotations": {elsewhere.ADDRESS: engine.url}}
    await running.client.create(LEASES, {**lease, "metadata": metadata}, "kube-system")
    running.api.nodes.connections = elsewhere.Elsewhere(
        NoConnections(), lambda: False, running.api.client("fleet"), Pki.ensure(running.data_dir).admin_client_ssl()
    )
    yield running
    await stop_engine(running, task)


async def test_engine_without_the_links_reaches_agents_through_the_one_that_has_them(
    follower: RunningEngine, agent: Agent
) -> None:
    await make_pod(follower, "web", "n1", "main", "waiting")
    assert await log_of(follower, "web", container="main", tailLines="5") == "line 0\nline 1\nline 2\n"
    assert agent.asked == ["/containerLogs/default/web/main?tailLines=5"]
    command = open_exec(follower.client, "default", "web", command=["cat"], container="main", stdin=True)
    async with command as streams:
        await streams.send_stdin(b"hello")
        await streams.close_stdin()
        assert [chunk async for chunk in streams] == [(STDOUT, b"HELLO")]
    with pytest.raises(BadRequest, match="waiting to start"):
        await log_of(follower, "web", container="waiting")
    await make_pod(follower, "lost", "n2", "main")
    with pytest.raises(ServiceUnavailable, match='node "n2" is not connected'):
        await log_of(follower, "lost")


async def test_only_administrators_may_pass_through_an_engine_to_agents(engine: RunningEngine, agent: Agent) -> None:
    certificate, key = Pki.ensure(engine.data_dir).issue_client("somebody", ["developers"])
    (engine.data_dir / "somebody.pem").write_bytes(certificate + key)
    context = engine.ssl(certificate=False)
    context.load_cert_chain(engine.data_dir / "somebody.pem")
    async with aiohttp.ClientSession() as session:
        for path in ("/pilothouse/nodes/n1/containerLogs/default/web/main", "/pilothouse/snapshot"):
            for method in ("GET", "POST"):
                async with session.request(method, engine.url + path, ssl=context) as answer:
                    assert answer.status == 403, path
    assert agent.asked == []
