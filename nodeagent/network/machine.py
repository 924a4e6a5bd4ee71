"""This machine's network as one supervised whole, fed by what is known of the cluster."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from apimachinery.aio.clock import Clock
from apimachinery.aio.tasks import Health, TaskScope
from nodeagent.network import cniconf
from nodeagent.network.bridge import ensure_bridge, service_route
from nodeagent.network.command import CommandFailed
from nodeagent.network.dns.directory import Directory
from nodeagent.network.dns.resolver import Resolver
from nodeagent.network.dns.server import DnsServer
from nodeagent.network.dns.upstream import Upstream, read_resolv_conf
from nodeagent.network.dns.zone import Zone
from nodeagent.network.firewall import ensure_openings
from nodeagent.network.iproute import Ip
from nodeagent.network.layout import DNS_PORT, RELAY_PORT, Layout, NetworkConfig
from nodeagent.network.nft.keeper import TableKeeper
from nodeagent.network.nft.kernel import Nft
from nodeagent.network.policies.part import PolicyPart
from nodeagent.network.policies.rules import base as policies_base
from nodeagent.network.relay import Relay
from nodeagent.network.routes import our_routes, own_networks, route_commands, ways
from nodeagent.network.services.part import ServicePart
from nodeagent.network.services.rules import FAMILY_TABLE
from nodeagent.network.services.rules import base as services_base
from nodeagent.network.state import ClusterState
from nodeagent.network.sysctls import ensure_sysctls
from nodeagent.network.tunnel import ensure_tunnel

log = structlog.get_logger(__name__)

GROUND_CHECK_SECONDS = 60.0
GROUND_RETRY_SECONDS = 2.0
ROUTE_CHECK_SECONDS = 60.0


@dataclass(slots=True)
class NetworkStatus:
    """What others may ask: `ready` once pods can get an interface; `problems` by part, empty while all is well."""

    ready: asyncio.Event = field(default_factory=asyncio.Event)
    pod_cidr: str = ""
    notes: dict[str, str] = field(default_factory=dict[str, str])
    parts: dict[str, Health] = field(default_factory=dict[str, Health])

    def problems(self) -> dict[str, str]:
        failing = {name: health.last_error for name, health in self.parts.items() if health.last_error}
        return self.notes | failing

    def note(self, part: str, problem: str) -> None:
        """Remember a problem of this part, or with empty text that it has none; logged when it changes."""
        if problem and self.notes.get(part) != problem:
            log.warning("network problem", part=part, error=problem)
        if problem:
            self.notes[part] = problem
        else:
            self.notes.pop(part, None)


class MachineNetwork:
    """`run` waits for this machine's pod addresses, builds on them, and starts over when they change."""

    def __init__(
        self,
        state: ClusterState,
        config: NetworkConfig,
        node_name: str,
        clock: Clock,
        status: NetworkStatus,
    ) -> None:
        self._state = state
        self._config = config
        self._node_name = node_name
        self._clock = clock
        self._status = status
        self._nft = Nft()
        self._ip = Ip()
        self._bridge = Ip(("bridge",))
        self._nodes_changed = asyncio.Event()
        self._standing = asyncio.Event()
        self.rules: TableKeeper | None = None
        """While the network stands: who keeps the rules."""

    async def run(self) -> None:
        stop_listening = self._state.on_node(self._nodes_changed.set)
        try:
            while True:
                pod_cidr = await self._pod_cidr_other_than("")
                log.info("network starts", pod_cidr=pod_cidr)
                layout = Layout.of(self._config, self._node_name, pod_cidr)
                await self._serve(layout)
        finally:
            stop_listening()
            self._status.ready.clear()

    async def settled(self) -> None:
        """Return once the kernel holds the rules for all that is known now."""
        await self._standing.wait()
        if self.rules is not None:
            await self.rules.caught_up()

    async def _serve(self, layout: Layout) -> None:
        """Everything that depends on the layout, until this machine is given other pod addresses."""
        rules = self.rules = self._keeper(layout)
        self._standing.set()
        directory = Directory(self._state)
        stop_listening = self._state.on_service(directory.changed)
        try:
            async with TaskScope("network") as scope:
                self._status.parts = {}
                await self._ground_once(layout)
                scope.supervise("ground", lambda: self._keep_ground(layout))
                scope.supervise("rules", rules.run)
                scope.supervise("routes", lambda: self._keep_routes(layout))
                scope.supervise("dns", DnsServer(self._resolver(directory, layout), layout.gateway, DNS_PORT).run)
                relay = Relay((layout.gateway, RELAY_PORT), (layout.api_host, layout.api_port))
                scope.supervise("relay", relay.run)
                self._status.parts = scope.health()
                await self._pod_cidr_other_than(layout.pod_cidr)
        finally:
            stop_listening()
            self._standing.clear()
            self._status.ready.clear()

    def _keeper(self, layout: Layout) -> TableKeeper:
        base = services_base(layout)
        base.merge(policies_base())
        parts = (ServicePart(self._state, layout), PolicyPart(self._state.policies, layout))
        return TableKeeper(FAMILY_TABLE, base, parts, self._clock, self._nft, learned=self._state.learned)

    async def _pod_cidr_other_than(self, current: str) -> str:
        while True:
            self._nodes_changed.clear()
            own = self._state.nodes.get(self._node_name)
            # A Node that is gone for a moment (deleted, to be registered again) is no reason to stop serving.
            if own is not None and own.spec.pod_cidr not in {"", current}:
                return own.spec.pod_cidr
            await self._nodes_changed.wait()

    async def _keep_ground(self, layout: Layout) -> None:
        """What the rest stands on: kernel settings, bridge, CNI configuration, openings in other firewalls."""
        while True:
            await self._clock.sleep(GROUND_CHECK_SECONDS if self._status.ready.is_set() else GROUND_RETRY_SECONDS)
            await self._ground_once(layout)

    async def _ground_once(self, layout: Layout) -> None:
        try:
            await ensure_bridge(self._ip, layout)
            await self._ip.batch([service_route(layout)])
            problems = await ensure_sysctls()
            self._status.note("sysctls", "; ".join(f"{name}: {why}" for name, why in problems.items()))
            opened = await ensure_openings(self._nft, layout)
            if opened:
                log.info("let pods' traffic through the machine's firewall", chains=opened)
            conf_dir = Path(self._config.cni_conf_dir)
            if await asyncio.to_thread(cniconf.write, conf_dir, layout.pod_cidr):
                log.info("CNI configuration written", path=str(conf_dir / cniconf.FILE_NAME))
        except (CommandFailed, OSError) as error:
            self._status.note("ground", str(error))
            return
        self._status.note("ground", "")
        self._status.pod_cidr = layout.pod_cidr
        self._status.ready.set()

    async def _keep_routes(self, layout: Layout) -> None:
        changed = asyncio.Event()
        stop_listening = self._state.on_node(changed.set)
        try:
            while True:
                changed.clear()
                await self._routes_once(layout)
                try:
                    async with asyncio.timeout(ROUTE_CHECK_SECONDS):
                        await changed.wait()
                except TimeoutError:
                    pass  # look again even so: an interface that went down took its routes along
        finally:
            stop_listening()

    async def _routes_once(self, layout: Layout) -> None:
        wanted = ways(self._state.nodes.values(), layout, await own_networks(self._ip))
        await ensure_tunnel(self._ip, self._bridge, layout, wanted)
        lines = route_commands(await our_routes(self._ip), wanted, keep=[layout.service_cidr])
        await self._ip.batch(lines)
        if lines:
            log.info("routes changed", commands=lines)

    def _resolver(self, directory: Directory, layout: Layout) -> Resolver:
        built_in = {name: service.cluster_ip for name, service in layout.built_in.items()}
        networks = (layout.cluster_cidr, layout.service_cidr)
        zone = Zone(directory, layout.cluster_domain, layout.cluster_dns, networks, built_in)
        ours = (layout.gateway, layout.cluster_dns)
        servers = lambda: [(address, 53) for address in read_resolv_conf().nameservers]  # noqa: E731
        return Resolver(zone, Upstream(servers, self._clock, ours))
