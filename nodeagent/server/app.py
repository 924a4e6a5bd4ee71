"""Routes of the agent's server, and who may call them: the engine alone, by its certificate."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import structlog
from aiohttp import web

from apimachinery.aio.clock import Clock
from apimachinery.aio.tasks import Health
from apimachinery.objects.errors import BadRequest, Forbidden, InternalError, NotFound, StatusError
from apimachinery.objects.meta import parse_time
from nodeagent.config import AgentConfig
from nodeagent.cri.errors import RuntimeFailure
from nodeagent.cri.runtime import Runtime
from nodeagent.cri.types import Container as Ran
from nodeagent.cri.types import State
from nodeagent.logs.lines import LogOptions
from nodeagent.logs.reader import read_log
from nodeagent.pods.build import log_directory
from nodeagent.pods.roster import Roster
from nodeagent.pods.view import Pod
from nodeagent.pods.worker import Worker
from nodeagent.server import dialling, missed, portforward, streams, upgrades
from nodeagent.server.figures import Figures
from nodeagent.stats.exposition import CONTENT_TYPE
from nodeagent.stats.machine import measure_usage
from nodeagent.stats.metrics import PodRuns, cadvisor_metrics, own_metrics, resource_metrics
from nodeagent.stats.summary import Summary

log = structlog.get_logger(__name__)
ENGINE_NAME = "pilothouse-engine"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """Answers about the pods of a roster."""

    def __init__(
        self,
        config: AgentConfig,
        roster: Roster,
        runtime: Runtime,
        clock: Clock,
        health: Callable[[], Mapping[str, Health]],
        *,
        may_reach: dialling.MayReach,
    ) -> None:
        """`may_reach`: of addresses that are no pod's of the roster."""
        self._config = config
        self._roster = roster
        self._runtime = runtime
        self._clock = clock
        self._health = health
        self._may_reach = may_reach
        self._summary = Summary(config.node_name)
        self._figures = Figures(config, clock)

    @asynccontextmanager
    async def serving(self, tls: ssl.SSLContext) -> AsyncIterator[tuple[str, int]]:
        """Listen while the context lasts; the address in use. Raises OSError."""
        app = web.Application(middlewares=[self._only_the_engine, _errors_as_status])
        app.add_routes(
            [
                web.get("/healthz", self._healthz),
                web.get("/pods", self._pods),
                web.get("/containerLogs/{namespace}/{pod}/{container}", self._logs),
                *_both("/exec/{namespace}/{pod}/{container}", self._exec),
                *_both("/attach/{namespace}/{pod}/{container}", self._attach),
                *_both("/portForward/{namespace}/{pod}", self._port_forward),
                web.get("/dial/{host}/{port}", self._dial),
                web.get("/stats/summary", self._stats),
                web.get("/metrics", self._metrics),
                web.get("/metrics/resource", self._resource_metrics),
                web.get("/metrics/cadvisor", self._cadvisor_metrics),
            ]
        )
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            host, port = self._config.listen_address()
            site = web.TCPSite(runner, host, port, ssl_context=tls)
            await site.start()
            yield runner.addresses[0][:2]
        finally:
            await runner.cleanup()

    @web.middleware
    async def _only_the_engine(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path == "/healthz":
            return await handler(request)
        certificate = request.transport.get_extra_info("peercert") if request.transport is not None else None
        name = common_name(certificate)
        if name != ENGINE_NAME:
            return _status(Forbidden(f'Forbidden (user={name or "system:anonymous"}, path="{request.path}")'))
        return await handler(request)

    async def _healthz(self, _: web.Request) -> web.Response:
        failing = sorted(f"{name}: {h.last_error}" for name, h in self._health().items() if h.last_error)
        if failing:
            return web.Response(status=500, text="\n".join(failing) + "\n")
        return web.Response(text="ok")

    async def _pods(self, _: web.Request) -> web.Response:
        pods = [worker.api_view() for worker in self._roster.workers()]
        body = msgspec.json.encode({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": pods})
        return web.Response(body=body, content_type="application/json")

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        worker, name = self._worker(request)
        previous = _flag(request.query, "previous")
        ran = log_of(worker.pod, name, tuple(worker.containers), previous=previous)
        options = log_options(request.query, self._clock.now().timestamp())
        file = self._log_file(worker, ran)

        def alive() -> bool:
            return any(c.id == ran.id and c.state in (State.RUNNING, State.CREATED) for c in worker.containers)

        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        try:
            async for chunk in read_log(file, options, alive):
                await response.write(chunk)
            await response.write_eof()
        except ConnectionError:
            log.debug("reader of a log left", pod=worker.pod.full_name)
        return response

    async def _exec(self, request: web.Request) -> web.StreamResponse:
        ran = self._running(request)
        command = request.query.getall("command", [])
        if not command:
            raise BadRequest("you must specify at least 1 command for the container")
        asked = _streams(request.query)
        url = await self._runtime.exec_url(
            ran.id, command, stdin=asked.stdin, stdout=asked.stdout, stderr=asked.stderr, tty=asked.tty
        )
        if upgrades.wanted(request):
            return await upgrades.serve(request, upgrades.COMMANDS, functools.partial(streams.dial, url))
        return await streams.serve(request, await streams.connect(url, asked.channels()))

    async def _attach(self, request: web.Request) -> web.StreamResponse:
        worker, name = self._worker(request)
        ran = self._running(request)
        container = worker.pod.container(name)
        asked = _streams(request.query)
        asked = dataclasses.replace(asked, tty=container.tty if container is not None else asked.tty)
        attached_at = self._clock.now().timestamp()
        url = await self._runtime.attach_url(
            ran.id, stdin=asked.stdin, stdout=asked.stdout, stderr=asked.stderr, tty=asked.tty
        )
        if upgrades.wanted(request):
            return await upgrades.serve(request, upgrades.COMMANDS, functools.partial(streams.dial, url))

        def look() -> Ran | None:
            return next((known for known in worker.containers if known.id == ran.id), None)

        file = self._log_file(worker, ran)
        silent = functools.partial(missed.words, asked, attached_at, file, look)
        return await streams.serve(request, await streams.connect(url, asked.channels()), silent)

    async def _port_forward(self, request: web.Request) -> web.StreamResponse:
        match = request.match_info
        worker = self._roster.find(match["namespace"], match["pod"])
        if worker is None:
            raise NotFound.of("pods", match["pod"])
        sandbox = max((s for s in worker.sandboxes if s.ready), key=lambda s: s.attempt, default=None)
        if sandbox is None:
            raise InternalError(f"not able to find pod sandbox of pod {worker.pod.full_name}")

        async def dial(protocol: str) -> streams.Pipe:
            return await streams.dial(await self._runtime.port_forward_url(sandbox.id), protocol)

        def alive() -> bool:
            return any(known.id == sandbox.id and known.ready for known in worker.sandboxes)

        if upgrades.wanted(request):
            return await upgrades.serve(request, upgrades.PORTS, dial, functools.partial(portforward.until_dead, alive))
        return await portforward.serve(request, dial, alive)

    async def _dial(self, request: web.Request) -> web.StreamResponse:
        own = {ip for worker in self._roster.workers() for sandbox in worker.sandboxes for ip in sandbox.ips}
        return await dialling.serve(request, lambda address: address in own or self._may_reach(address))

    async def _stats(self, _: web.Request) -> web.Response:
        figures = await self._figures.of(self._roster.workers())
        usages, now = await self._runtime.usages(), self._clock.now().timestamp()
        summary = self._summary.build(now, figures, usages, self._figures.node())
        return web.Response(body=msgspec.json.encode(summary), content_type="application/json")

    async def _metrics(self, _: web.Request) -> web.Response:
        return _exposed(own_metrics({name: h.restarts for name, h in self._health().items()}, await self._runs()))

    async def _resource_metrics(self, _: web.Request) -> web.Response:
        usages, now = await self._runtime.usages(), self._clock.now().timestamp()
        return _exposed(resource_metrics(now, measure_usage(), await self._runs(), usages))

    async def _cadvisor_metrics(self, _: web.Request) -> web.Response:
        usages, now = await self._runtime.usages(), self._clock.now().timestamp()
        return _exposed(cadvisor_metrics(now, measure_usage(), await self._runs(), usages))

    async def _runs(self) -> list[PodRuns]:
        workers = list(self._roster.workers())
        return [
            PodRuns(
                name=figures.name,
                namespace=figures.namespace,
                uid=figures.uid,
                containers=tuple(worker.containers),
                interfaces=figures.interfaces,
                volumes=figures.volumes,
            )
            for worker, figures in zip(workers, await self._figures.of(workers), strict=True)
        ]

    def _worker(self, request: web.Request) -> tuple[Worker, str]:
        """The pod's worker and the container's name. Raises NotFound."""
        match = request.match_info
        worker = self._roster.find(match["namespace"], match["pod"])
        if worker is None:
            raise NotFound.of("pods", match["pod"])
        if worker.pod.container(match["container"]) is None:
            raise BadRequest(f"container {match['container']} is not valid for pod {match['pod']}")
        return worker, match["container"]

    def _log_file(self, worker: Worker, ran: Ran) -> Path:
        return Path(log_directory(self._config.log_dir, worker.pod)) / ran.name / f"{ran.attempt}.log"

    def _running(self, request: web.Request) -> Ran:
        worker, name = self._worker(request)
        running = (r for r in worker.containers if r.name == name and r.state is State.RUNNING)
        ran = max(running, key=lambda r: r.attempt, default=None)
        if ran is None:
            raise InternalError(f'unable to upgrade connection: container not found ("{name}")')
        return ran


def log_of(pod: Pod, name: str, containers: tuple[Ran, ...], *, previous: bool) -> Ran:
    """The container whose log is asked for. Raises BadRequest in upstream's words."""
    runs = sorted((r for r in containers if r.name == name), key=lambda r: r.attempt, reverse=True)
    if previous:
        ended = [r for r in runs if r.state is State.EXITED]
        if not ended:
            text = f'previous terminated container "{name}" in pod "{pod.metadata.name}" not found'
            raise BadRequest(text)
        return ended[0]
    if not runs or runs[0].state is State.CREATED:
        text = f'container "{name}" in pod "{pod.metadata.name}" is waiting to start: {_why_waiting(pod)}'
        raise BadRequest(text)
    return runs[0]


def _why_waiting(pod: Pod) -> str:
    return "PodInitializing" if pod.spec.init_containers else "ContainerCreating"


def log_options(query: Mapping[str, str], now: float) -> LogOptions:
    """From the parameters of the request. Raises BadRequest."""
    since = 0.0
    if query.get("sinceSeconds"):
        since = now - _number(query, "sinceSeconds")
    elif query.get("sinceTime"):
        try:
            since = parse_time(query["sinceTime"]).timestamp()
        except ValueError as error:
            raise BadRequest(f"sinceTime: {error}") from error
    return LogOptions(
        follow=_flag(query, "follow"),
        tail=_number(query, "tailLines") if query.get("tailLines") else None,
        since=since,
        timestamps=_flag(query, "timestamps"),
        limit_bytes=_number(query, "limitBytes") if query.get("limitBytes") else None,
        stream={"Stdout": "stdout", "Stderr": "stderr"}.get(query.get("stream", ""), ""),
    )


def common_name(certificate: Mapping[str, object] | None) -> str:
    """The CN of a verified peer certificate as the ssl module gives it; empty without one."""
    subject = (certificate or {}).get("subject", ())
    pairs = [pair for part in subject for pair in part] if isinstance(subject, tuple) else []
    return next((str(value) for key, value in pairs if key == "commonName"), "")


def _both(path: str, handler: Handler) -> list[web.RouteDef]:
    """A WebSocket starts with GET, what came before it with POST."""
    return [web.get(path, handler), web.post(path, handler)]


@web.middleware
async def _errors_as_status(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except StatusError as error:
        return _status(error)
    except RuntimeFailure as error:
        return _status(InternalError(str(error)))
    except (web.HTTPException, asyncio.CancelledError):
        raise
    except Exception as error:
        log.exception("request failed", path=request.path)
        return _status(InternalError(f"{type(error).__name__}: {error}"))


def _status(error: StatusError) -> web.Response:
    return web.Response(status=error.code, body=msgspec.json.encode(error.to_status()), content_type="application/json")


def _exposed(text: str) -> web.Response:
    return web.Response(body=text.encode(), headers={"Content-Type": CONTENT_TYPE})


def _streams(query: Mapping[str, str]) -> streams.Wanted:
    wanted = streams.Wanted(
        stdin=_flag(query, "stdin"),
        stdout=_flag(query, "stdout"),
        stderr=_flag(query, "stderr"),
        tty=_flag(query, "tty"),
    )
    if not (wanted.stdin or wanted.stdout or wanted.stderr):
        raise BadRequest("you must specify at least 1 of stdin, stdout, stderr")
    return wanted


def _flag(query: Mapping[str, str], name: str) -> bool:
    return query.get(name, "").lower() in ("1", "true", "t")


def _number(query: Mapping[str, str], name: str) -> int:
    try:
        return max(0, int(query[name]))
    except ValueError as error:
        raise BadRequest(f"{name}: {query[name]!r} is not a number") from error
