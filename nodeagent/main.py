"""Wires the agent together and runs it: runtime, API client, pods, network, registration, server."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import ssl
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import structlog

from apimachinery.aio.backoff import Backoff
from apimachinery.aio.clock import SystemClock
from apimachinery.aio.tasks import Health, TaskScope
from apimachinery.client.client import Client
from apimachinery.client.http import HttpTransport
from apimachinery.client.informer import Informer
from apimachinery.objects.resources import SERVICES
from nodeagent.config import AgentConfig, ConfigError, load
from nodeagent.cri.containerd import Containerd
from nodeagent.cri.errors import RuntimeFailure
from nodeagent.cri.pause import ensure_pause_image
from nodeagent.cri.runtime import Runtime
from nodeagent.cri.types import Dns
from nodeagent.headroom import Signals, eviction_thresholds, memory_for_pods, pressure, with_reserves
from nodeagent.logs.rotate import INTERVAL as ROTATE_SECONDS
from nodeagent.logs.rotate import Limits, rotate_all
from nodeagent.network.gates import Gates
from nodeagent.network.policies.views import Container as PolicyContainer
from nodeagent.network.policies.views import ContainerPort as PolicyPort
from nodeagent.network.policies.views import PodSpec as PolicyPodSpec
from nodeagent.network.policies.views import PodStatus as PolicyPodStatus
from nodeagent.network.policies.views import PodView
from nodeagent.pods.build import log_directory
from nodeagent.pods.cgroups import Cgroups
from nodeagent.pods.claims import Claims
from nodeagent.pods.drivers import DriverVolumes
from nodeagent.pods.env import Service, service_variables
from nodeagent.pods.eviction.manager import EvictionManager, Settings
from nodeagent.pods.eviction.thresholds import Judge
from nodeagent.pods.handlers import Handlers
from nodeagent.pods.hosts import parse_resolv_conf
from nodeagent.pods.imagegc import ImageCollector, Thresholds
from nodeagent.pods.images import Images
from nodeagent.pods.machine import Machine
from nodeagent.pods.recorder import Recorder
from nodeagent.pods.references import References
from nodeagent.pods.roster import Roster
from nodeagent.pods.tokens import Tokens
from nodeagent.pods.view import Pod
from nodeagent.server.app import Server
from nodeagent.stats.machine import (
    Capacity,
    measure_capacity,
    measure_signals,
    measure_space,
    node_address,
    system_info,
)
from nodeagent.stats.node import KUBELET_VERSION, NodeFacts
from nodeagent.stats.registrar import Registrar
from nodeagent.volumes.csi.mounting import Mounter
from nodeagent.volumes.csi.registry import Drivers
from nodeagent.volumes.keeper import FolderKeeper

log = structlog.get_logger(__name__)
SERVICES_WAIT = 2.0
"""Seconds for which the first pods wait to be told of Services; with the engine away they start without."""


def main(arguments: Sequence[str]) -> int:
    """The ``nodeagent`` command; its exit status."""
    parser = argparse.ArgumentParser(prog="nodeagent", description="Run this machine's pods.")
    parser.add_argument("--config", type=Path, required=True, help="the settings, a JSON file")
    parser.add_argument("--verbose", action="store_true", help="log details")
    asked = parser.parse_args(arguments)
    level = logging.DEBUG if asked.verbose else logging.INFO
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(level))
    try:
        asyncio.run(run(load(asked.config)))
    except (ConfigError, OSError) as error:
        sys.stderr.write(f"nodeagent: {error}\n")
        return 1
    return 0


async def run(config: AgentConfig) -> None:
    """Serve until SIGTERM or SIGINT; pods go on without us. Raises OSError when the machine lacks what it needs."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with AsyncExitStack() as stack:
        runtime = await stack.enter_async_context(Containerd(config.cri_socket))
        transport = HttpTransport(config.api_server, ssl_context=client_tls(config), user_agent="pilothouse-agent")
        client = Client(transport, field_manager="kubelet")
        stack.push_async_callback(client.close)
        await start(stack, config, client, runtime, server_tls(config))
        log.info("agent runs", node=config.node_name)
        await stopping.wait()
        log.info("agent stops; pods go on")


async def start(
    stack: AsyncExitStack, config: AgentConfig, client: Client, runtime: Containerd, tls: ssl.SSLContext
) -> Agent:
    """Start everything; it ends with the stack."""
    agent = Agent(config, client, runtime)
    stack.push_async_callback(agent.machine.handlers.close)
    scope = await stack.enter_async_context(TaskScope("agent"))
    agent.launch(scope, config.cri_socket)
    server = Server(config, agent.roster, runtime, agent.clock, agent.health, may_reach=agent.may_reach)
    agent.address = await stack.enter_async_context(server.serving(tls))
    return agent


class Agent:
    """The parts of one agent, joined."""

    def __init__(self, config: AgentConfig, client: Client, runtime: Runtime) -> None:
        self.config = config
        self.clock = SystemClock()
        self.address = config.listen_address()
        self._client = client
        self._runtime = runtime
        self._scope: TaskScope | None = None
        self._services: Informer[Service] = Informer(client, SERVICES, view=Service)
        self._ip = config.node_ip or node_address()
        self._gates = Gates()
        self._is_endpoint: Callable[[str], bool] = lambda _address: False
        self._thresholds = eviction_thresholds(config)
        capacity = self._capacity()
        state = Path(config.state_dir)
        recorder = Recorder(client, config.node_name, self.clock)
        self._keeper = FolderKeeper(
            client,
            config.node_name,
            Path(config.volume_dir),
            lambda volume, reason, text: recorder.volume(volume, "Warning", reason, text),
        )
        references = References(client, state / "references", self.clock)
        kubelet = Path(config.kubelet_dir)
        self._drivers = Drivers(client, config.node_name, kubelet / "plugins_registry")
        mounter = Mounter(self._drivers, kubelet)
        self.machine = Machine(
            config=config,
            client=client,
            runtime=runtime,
            recorder=recorder,
            references=references,
            tokens=Tokens(client, state / "tokens", self.clock),
            claims=Claims(client, state / "claims"),
            keeper=self._keeper,
            drivers=DriverVolumes(client, config.node_name, mounter, references, recorder),
            cgroups=Cgroups(config.cgroup_root),
            images=Images(runtime, self.clock.monotonic),
            handlers=Handlers(runtime),
            clock=self.clock,
            host_ips=(self._ip,),
            allocatable=capacity.allocatable(),
            memory_capacity=capacity.memory,
            services=self._service_variables,
            dns=machine_dns,
            refusal=self._refusal,
            isolate=self._isolate,
            withdrawn=self._gates.withdrawn,
        )
        whole = memory_for_pods(config, capacity)
        if whole is not None:
            self.machine.cgroups.limit_all(whole)
        self.roster = Roster(self.machine, state)
        thresholds = Thresholds(high=config.image_gc_high_threshold_percent, low=config.image_gc_low_threshold_percent)
        self._image_gc = ImageCollector(
            runtime, Path(config.pod_dir), thresholds, self.clock, self.machine.recorder.node
        )
        self._evictions = EvictionManager(
            self.machine,
            self.roster.workers,
            Judge(self._thresholds, config.eviction_pressure_transition_period),
            Settings(interval=config.eviction_monitoring_period, longest_grace=config.eviction_max_pod_grace_period),
            observe=Signals(runtime, Path(config.pod_dir), measure_signals).observe,
            reclaim=self._image_gc.remove_unused,
            changed=self._report_soon,
        )
        self._registrar = Registrar(client, config, self.clock, self._measure)

    def launch(self, scope: TaskScope, socket: str) -> None:
        """Start the supervised parts: whatever fails is started again, and pods never notice."""
        self._scope = scope
        quick = Backoff(initial=0.5, maximum=10.0)
        scope.supervise("services", self._services.run)
        scope.supervise("events", self.machine.recorder.run)
        scope.supervise("evictions", self._evictions.run)
        scope.supervise("node", self._registrar.report, backoff=quick)
        scope.supervise("lease", self._registrar.renew)
        scope.supervise("drivers", self._drivers.run)
        scope.supervise("folders", self._keeper.run)
        scope.supervise("rotation", self._rotate)
        scope.supervise("image-gc", self._image_gc.run)
        scope.spawn("pods", self._run_pods(scope, socket))
        if self.config.network:
            scope.supervise("network", self._run_network)

    def health(self) -> Mapping[str, Health]:
        return self._scope.health() if self._scope is not None else {}

    def may_reach(self, address: str) -> bool:
        """Where the engine may connect to from here, besides the pods."""
        return address == self._ip or self._is_endpoint(address)

    async def _run_pods(self, scope: TaskScope, socket: str) -> None:
        backoff = Backoff(initial=0.5, maximum=5.0)
        while True:
            try:
                await ensure_pause_image(self._runtime, socket)
                break
            except (RuntimeFailure, OSError) as error:
                log.warning("containerd is not ready; trying again", error=str(error))
                await asyncio.sleep(backoff.next())
        try:
            async with asyncio.timeout(SERVICES_WAIT):
                await self._services.synced.wait()
        except TimeoutError:
            log.info("pods start without word of Services from the API")
        scope.supervise("pods", self.roster.run)

    async def _run_network(self) -> None:
        from nodeagent.network.run import run_network
        from nodeagent.network.state import ClusterState

        def keep(state: ClusterState) -> None:
            self._is_endpoint = lambda address: bool(state.endpoints_at(address))

        await run_network(
            self._client, self.config, self.config.node_name, self.clock, gates=self._gates, on_state=keep
        )

    async def _measure(self) -> NodeFacts:
        """One look at the machine; a runtime that does not answer is a finding, not a failure."""
        try:
            runtime = await self._runtime.info()
            images = await self._runtime.images()
        except RuntimeFailure as error:
            log.debug("runtime does not answer", error=str(error))
            runtime, images = None, []
        version = f"{runtime.name}://{runtime.version}" if runtime is not None else ""
        return NodeFacts(
            addresses=(self._ip,),
            capacity=self._capacity(),
            pressure=pressure(self._evictions.conditions),
            info=system_info(version, KUBELET_VERSION),
            runtime=runtime,
            images=images,
            port=self.address[1],
            volume_space=measure_space(Path(self.config.volume_dir)),
        )

    def _capacity(self) -> Capacity:
        found = measure_capacity(Path(self.config.pod_dir), self.config.max_pods)
        return with_reserves(self.config, self._thresholds, found)

    async def _rotate(self) -> None:
        limits = Limits(max_size=self.config.container_log_max_size, max_files=self.config.container_log_max_files)
        while True:
            await asyncio.sleep(ROTATE_SECONDS)
            running = [
                (ran.id, Path(log_directory(self.config.log_dir, worker.pod)) / ran.name / f"{ran.attempt}.log")
                for worker in self.roster.workers()
                for ran in worker.containers
            ]
            await rotate_all(self._runtime, running, limits, self.clock)

    async def _isolate(self, pod: Pod, address: str) -> None:
        await self._gates.shut(network_view(pod, address))

    def _report_soon(self) -> None:
        self._registrar.poke()

    def _refusal(self, pod: Pod) -> str:
        return self._evictions.refusal(pod)

    def _service_variables(self, pod: Pod) -> Mapping[str, str]:
        return service_variables(self._services.list(), pod)


def network_view(pod: Pod, address: str) -> PodView:
    """A pod as network policies see it, with the address it was just given."""
    containers, init_containers = (
        tuple(
            PolicyContainer(
                ports=tuple(
                    PolicyPort(container_port=port.container_port, name=port.name, protocol=port.protocol)
                    for port in container.ports
                )
            )
            for container in found
        )
        for found in (pod.spec.containers, pod.spec.init_containers)
    )
    return PodView(
        metadata=pod.metadata,
        spec=PolicyPodSpec(containers=containers, init_containers=init_containers),
        status=PolicyPodStatus(phase="Pending", pod_ip=address),
    )


def client_tls(config: AgentConfig) -> ssl.SSLContext:
    """For calls to the API server. Raises OSError when a file is missing."""
    context = ssl.create_default_context(cafile=config.ca_file)
    context.load_cert_chain(config.client_cert_file, config.client_key_file)
    return context


def server_tls(config: AgentConfig) -> ssl.SSLContext:
    """For our own server: a client certificate is looked at when there is one, and asked for by all but /healthz."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(config.serving_cert_file, config.serving_key_file)
    context.load_verify_locations(config.ca_file)
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


def machine_dns() -> Dns:
    """What the machine resolves by; systemd's stub listens where pods cannot reach it, so its source is read."""
    for name in ("/run/systemd/resolve/resolv.conf", "/etc/resolv.conf"):
        try:
            text = Path(name).read_text()
        except OSError:
            continue
        found = parse_resolv_conf(text)
        if found.servers and not all(server.startswith("127.") for server in found.servers):
            return found
    return Dns()
