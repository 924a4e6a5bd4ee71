"""Asking a container something, or telling it: exec, HTTP, TCP, gRPC. Used by probes and by lifecycle hooks."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass

import aiohttp
import grpc
import grpc.aio
from yarl import URL

from nodeagent.cri.errors import DeadlineExceeded, RuntimeFailure
from nodeagent.cri.runtime import Runtime
from nodeagent.pods.view import Container, GRPCAction, Handler, HTTPGetAction, Port, TCPSocketAction

USER_AGENT = "kube-probe/1.36"
MAX_REDIRECTS = 10
MAX_OUTPUT = 10 * 1024
_HEALTH_CHECK = "/grpc.health.v1.Health/Check"
_SERVING_STATES = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """`output` is what a failure's event shows. `errored`: the question could not be put, which proves nothing."""

    succeeded: bool
    output: str = ""
    errored: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a handler goes."""

    container: Container
    container_id: str
    pod_ip: str


class Handlers:
    """Runs handlers; holds the one HTTP session they share."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def run(self, handler: Handler, target: Target, timeout: float) -> Outcome:
        """Never raises for what the container does; `timeout` in seconds covers the whole exchange."""
        if handler.exec is not None:
            return await self._exec(target, handler.exec.command, timeout)
        if handler.http_get is not None:
            return await self._http(handler.http_get, target, timeout)
        if handler.tcp_socket is not None:
            return await _tcp(handler.tcp_socket, target, timeout)
        if handler.grpc is not None:
            return await _grpc(handler.grpc, target, timeout)
        if handler.sleep is not None:
            await asyncio.sleep(min(handler.sleep.seconds, timeout))
        return Outcome(succeeded=True)

    async def _exec(self, target: Target, command: tuple[str, ...], timeout: float) -> Outcome:
        try:
            ran = await self._runtime.exec_sync(target.container_id, command, timeout)
        except DeadlineExceeded:
            text = f'command timed out: "{" ".join(command)}" timed out after {timeout:g}s'
            return Outcome(succeeded=False, output=text)
        except RuntimeFailure as error:
            return Outcome(succeeded=False, output=str(error), errored=True)
        output = (ran.stdout + ran.stderr)[:MAX_OUTPUT].decode(errors="replace")
        return Outcome(succeeded=ran.exit_code == 0, output=output)

    async def _http(self, action: HTTPGetAction, target: Target, timeout: float) -> Outcome:
        port = resolve_port(action.port, target.container)
        if port is None:
            return Outcome(succeeded=False, output=f"couldn't find port: {action.port}", errored=True)
        host = _bracketed(action.host or target.pod_ip)
        path = action.path if action.path.startswith("/") else f"/{action.path}"
        url = f"{action.scheme.lower() or 'http'}://{host}:{port}{path}"
        headers = {"User-Agent": USER_AGENT, "Accept": "*/*", "Connection": "close"}
        headers |= {header.name: header.value for header in action.http_headers}
        try:
            async with asyncio.timeout(timeout):
                return await self._get(url, headers)
        except TimeoutError:
            text = f'Get "{url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
            return Outcome(succeeded=False, output=text)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Outcome(succeeded=False, output=f'Get "{url}": {_dial_text(error, host, port)}')

    async def _get(self, url: str, headers: dict[str, str]) -> Outcome:
        """Redirects are followed on the same host only; one that leads elsewhere counts as success."""
        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=_unverified(), force_close=True, limit=0)
            self._session = aiohttp.ClientSession(connector=connector)
        host = URL(url).host
        for _ in range(MAX_REDIRECTS):
            async with self._session.get(url, headers=headers, allow_redirects=False) as answer:
                if 300 <= answer.status < 400 and "Location" in answer.headers:
                    following = answer.url.join(URL(answer.headers["Location"]))
                    if following.host != host:
                        return Outcome(succeeded=True)
                    url = str(following)
                    continue
                if 200 <= answer.status < 400:
                    return Outcome(succeeded=True)
                return Outcome(succeeded=False, output=f"HTTP probe failed with statuscode: {answer.status}")
        return Outcome(succeeded=False, output=f'Get "{url}": stopped after {MAX_REDIRECTS} redirects')


def resolve_port(port: Port, container: Container) -> int | None:
    """A port number, or the number of the container's port of that name."""
    if isinstance(port, int):
        return port
    named = next((p.container_port for p in container.ports if p.name == port), None)
    return named if named is not None else int(port) if port.isdigit() else None


async def _tcp(action: TCPSocketAction, target: Target, timeout: float) -> Outcome:
    port = resolve_port(action.port, target.container)
    if port is None:
        return Outcome(succeeded=False, output=f"couldn't find port: {action.port}", errored=True)
    host = action.host or target.pod_ip
    try:
        async with asyncio.timeout(timeout):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return Outcome(succeeded=False, output=f"dial tcp {_bracketed(host)}:{port}: i/o timeout")
    except OSError as error:
        return Outcome(succeeded=False, output=_dial_text(error, _bracketed(host), port))
    writer.close()
    return Outcome(succeeded=True)


async def _grpc(action: GRPCAction, target: Target, timeout: float) -> Outcome:
    address = f"{_bracketed(target.pod_ip)}:{action.port}"
    service = (action.service or "").encode()
    # HealthCheckRequest{service=1}; HealthCheckResponse{status=1}: too little for generated stubs.
    request = b"\x0a" + bytes([len(service)]) + service if 0 < len(service) < 128 else b""
    async with grpc.aio.insecure_channel(address, options=[("grpc.primary_user_agent", USER_AGENT)]) as channel:
        check = channel.unary_unary(_HEALTH_CHECK)
        try:
            answer: bytes = await check(request, timeout=timeout, wait_for_ready=True)
        except grpc.aio.AioRpcError as error:
            return Outcome(succeeded=False, output=_grpc_text(error, address, timeout))
    state = answer[1] if len(answer) >= 2 and answer[0] == 0x08 else 0
    if state == 1:
        return Outcome(succeeded=True)
    name = _SERVING_STATES.get(state, str(state))
    return Outcome(succeeded=False, output=f'service unhealthy (responded with "{name}")')


def _grpc_text(error: grpc.aio.AioRpcError, address: str, timeout: float) -> str:
    match error.code():
        case grpc.StatusCode.UNIMPLEMENTED:
            return (
                "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): "
                f"{error.details()}"
            )
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return (
                f"error: health rpc did not complete within {timeout:g}s: rpc error: code = DeadlineExceeded desc = "
                f'context deadline exceeded ("{address}")'
            )
        case code:
            return f"error: health rpc probe failed: rpc error: code = {code.name} desc = {error.details()}"


def _dial_text(error: Exception, host: str, port: int) -> str:
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
    if isinstance(cause, ConnectionRefusedError):
        return f"dial tcp {host}:{port}: connect: connection refused"
    if isinstance(cause, ConnectionResetError):
        return "read: connection reset by peer"
    if isinstance(cause, OSError) and cause.strerror:
        return f"dial tcp {host}:{port}: connect: {cause.strerror.lower()}"
    return str(error) or "EOF"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _unverified() -> ssl.SSLContext:
    """Probes do not check certificates: they ask whether a container answers, over a network that is its own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
