"""The Services' part of the table: which of them changed, and the UDP flows that a change leaves behind."""

from collections.abc import Callable

import structlog

from nodeagent.network.layout import Layout
from nodeagent.network.nft.assembly import Assembly
from nodeagent.network.services.conntrack import forget_stale
from nodeagent.network.services.endpoints import Backend
from nodeagent.network.services.rules import Frontend, service_rules, stand_in
from nodeagent.network.state import ClusterState

log = structlog.get_logger(__name__)

OWNER = "service:"


class ServicePart:
    """A `keeper.Part`: one fragment for each Service."""

    def __init__(self, state: ClusterState, layout: Layout) -> None:
        self._state = state
        self._layout = layout
        self._udp: dict[str, dict[Frontend, frozenset[Backend]]] = {}
        self._changed_udp: dict[Frontend, frozenset[Backend]] = {}
        self._dirty: dict[str, None] = {}
        self._wake: Callable[[], None] = lambda: None

    @property
    def idle(self) -> bool:
        return not self._dirty

    def listen(self, wake: Callable[[], None]) -> Callable[[], None]:
        self._wake = wake
        return self._state.on_service(self.changed)

    def everything(self, assembly: Assembly) -> None:
        by_age = sorted(self._state.services.items(), key=lambda s: (s[1].metadata.creation_timestamp or "", s[0]))
        self._dirty |= dict.fromkeys([name for name, _ in by_age])
        ours = [owner.removeprefix(OWNER) for owner in assembly.owners() if owner.startswith(OWNER)]
        self._dirty |= dict.fromkeys([*self._layout.built_in, *ours])

    def assemble(self, assembly: Assembly) -> None:
        changed_udp: dict[Frontend, frozenset[Backend]] = {}
        dirty, self._dirty = self._dirty, {}
        for name in dirty:
            service = self._state.services.get(name)
            if service is None and name in self._layout.built_in:
                service = stand_in(self._layout.built_in[name])
            if service is None:
                assembly.put(OWNER + name, None)
                changed_udp |= dict.fromkeys(self._udp.pop(name, {}), frozenset())
                continue
            wanted = service_rules(service, self._state.slices_of(name), self._layout)
            assembly.put(OWNER + name, wanted.table)
            before, now = self._udp.get(name, {}), dict(wanted.udp)
            changed_udp |= {
                f: now.get(f, frozenset()) for f in before.keys() | now.keys() if before.get(f) != now.get(f)
            }
            self._udp[name] = now
        self._changed_udp = changed_udp

    def applied(self, *, whole: bool) -> None:
        if whole:
            self._forget_flows({f: b for owner in self._udp.values() for f, b in owner.items()})
        else:
            self._forget_flows(self._changed_udp)

    def _forget_flows(self, frontends: dict[Frontend, frozenset[Backend]]) -> None:
        if not frontends:
            return
        try:
            forgotten = forget_stale(frontends)
        except OSError as error:
            log.warning("could not clean up UDP flows", error=str(error))
            return
        if forgotten:
            log.info("forgot UDP flows to endpoints that are gone", flows=forgotten)

    def changed(self, service_key: str) -> None:
        """A Service or its endpoints are other than before."""
        self._dirty[service_key] = None
        self._wake()
