"""A machine as the engine sees it: an agent with a few paths of its own, and pods, which here listen on loopback."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from aiohttp import WSMsgType, web

from apimachinery.aio import upgraded
from apimachinery.objects.errors import ServiceUnavailable
from apimachinery.objects.resources import ENDPOINTSLICES, NODES, PODS, SERVICES
from engine.pki import Pki
from tests.engine.conftest import RunningEngine

Json = dict[str, Any]
SPDY_ANSWER = b"spdy says: "


class Machine:
    """`addresses`: where an address of the cluster really is. `asked`: what agent and pods were asked."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self.base_url = ""
        self.ssl = tls
        self.addresses: dict[tuple[str, int], int] = {}
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []

    async def endpoint(self, node_name: str) -> Machine:
        if node_name != "m1":
            raise ServiceUnavailable(f'node "{node_name}" is not connected')
        return self

    async def dial(self, request: web.Request) -> web.StreamResponse:
        host, port = request.match_info["host"], int(request.match_info["port"])
        assert request.headers["upgrade"] == "tcp"
        if (host, port) not in self.addresses:
            error = ServiceUnavailable(f"dial tcp {host}:{port}: connect: connection refused")
            return web.json_response(error.to_status(), status=503)
        there = await asyncio.open_connection("127.0.0.1", self.addresses[host, port])
        head = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
        try:
            async with upgraded.taken_over(request, head) as engine:
                await upgraded.join(engine, there)
        finally:
            there[1].close()
        return upgraded.gone()

    async def execute(self, request: web.Request) -> web.StreamResponse:
        """A command over SPDY: says a word and then what it hears."""
        self.asked.append(f"{request.method} {request.rel_url}")
        head = (
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
            b"X-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n"
        )
        async with upgraded.taken_over(request, head) as (reader, writer):
            writer.write(SPDY_ANSWER)
            writer.write(await reader.read(100))
            await writer.drain()
        return upgraded.gone()

    async def own(self, request: web.Request) -> web.Response:
        self.asked.append(f"{request.method} {request.rel_url}")
        return web.Response(text=f"agent {request.method} {request.path}")


@asynccontextmanager
async def machine(engine: RunningEngine) -> AsyncIterator[Machine]:
    """Machine `m1` with its Node, connected to the engine."""
    pki = Pki.ensure(engine.data_dir)
    served = Machine(pki.agent_client_ssl())
    app = web.Application()
    app.router.add_get("/dial/{host}/{port}", served.dial)
    app.router.add_route("*", "/exec/{namespace}/{pod}/{container}", served.execute)
    app.router.add_route("*", "/{path:.*}", served.own)
    async with AsyncExitStack() as stack:
        served.base_url = f"https://127.0.0.1:{await listening(stack, app, pki.server_ssl())}"
        await engine.client.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "m1"}})
        ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
        await engine.client.patch(NODES, "m1", ready, kind="merge", subresource="status")
        engine.api.nodes.connections = served
        yield served


async def listening(stack: AsyncExitStack, app: web.Application, tls: ssl.SSLContext | None = None) -> int:
    """Serve the app until the stack is left; its port."""
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    return runner.addresses[0][1]


def page(machine: Machine) -> web.Application:
    """What runs in a pod: tells what it was asked."""

    async def everything(request: web.Request) -> web.StreamResponse:
        machine.headers.append({name.lower(): value for name, value in request.headers.items()})
        if request.path == "/moved":
            return web.Response(status=302, headers={"Location": "/there/"})
        if request.path == "/socket":
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            async for message in socket:
                assert message.type is WSMsgType.TEXT
                await socket.send_str(message.data.upper())
            return socket
        body = await request.read()
        machine.asked.append(f"{request.method} {request.raw_path}")
        return web.Response(
            status=201 if request.method == "POST" else 200,
            body=b"%s %s %d" % (request.method.encode(), request.raw_path.encode(), len(body)),
            headers={"X-Own": "yes", "Keep-Alive": "timeout=5"},
        )

    app = web.Application(client_max_size=64 << 20)
    app.router.add_route("*", "/{path:.*}", everything)
    return app


async def make_pod(engine: RunningEngine, name: str, ip: str, node: str = "m1", port: int = 80) -> None:
    container = {"name": "main", "image": "busybox", "ports": [{"containerPort": port}]}
    spec = {"nodeName": node, "containers": [container]}
    await engine.client.create(
        PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}, "default"
    )
    status = {"status": {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}]}}
    await engine.client.patch(PODS, name, status, "default", kind="merge", subresource="status")


async def make_service(
    engine: RunningEngine,
    name: str,
    ip: str,
    *,
    port: int = 80,
    target: int = 80,
    port_name: str = "",
    node: str | None = "m1",
    pod: str = "web",
    ready: bool = True,
) -> None:
    """A Service with one endpoint; an empty `pod`: one that is no pod."""
    named = {"name": port_name} if port_name else {}
    spec = {"ports": [{**named, "port": port, "targetPort": target}]}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}
    await engine.client.create(SERVICES, service, "default")
    endpoint: Json = {"addresses": [ip], "conditions": {"ready": ready}}
    if node:
        endpoint["nodeName"] = node
    if pod:
        endpoint["targetRef"] = {"kind": "Pod", "name": pod, "namespace": "default"}
    labels = {"kubernetes.io/service-name": name}
    piece = {
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": f"{name}-1", "labels": labels},
        "addressType": "IPv4", "endpoints": [endpoint], "ports": [{"name": port_name, "port": target, "protocol": "TCP"}],
    }  # fmt: skip
    await engine.client.create(ENDPOINTSLICES, piece, "default")
