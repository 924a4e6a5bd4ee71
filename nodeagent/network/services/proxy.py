"""Keeps the kernel's table at what the Services ask for: small transactions, and a check that nobody undid them."""

import asyncio

import structlog

from apimachinery.aio.clock import Clock
from nodeagent.network.command import CommandFailed
from nodeagent.network.layout import Layout
from nodeagent.network.netlink import Netlink
from nodeagent.network.nft.assembly import Assembly
from nodeagent.network.nft.kernel import Nft
from nodeagent.network.nft.table import Incompatible, Table, replacement, transaction
from nodeagent.network.services.conntrack import forget_stale
from nodeagent.network.services.endpoints import Backend
from nodeagent.network.services.rules import FAMILY_TABLE, Frontend, base, service_rules, stand_in
from nodeagent.network.state import ClusterState

log = structlog.get_logger(__name__)

COALESCE_SECONDS = 0.05
"""A rollout changes one slice many times within moments: one transaction for all of it."""

CHECK_SECONDS = 30.0


class ServiceProxy:
    """`run` for ever; `settled` is set while the kernel holds what is wanted."""

    def __init__(self, state: ClusterState, layout: Layout, clock: Clock, nft: Nft) -> None:
        self.settled = asyncio.Event()
        self.transactions = 0
        self._state = state
        self._layout = layout
        self._clock = clock
        self._nft = nft
        self._assembly = Assembly(FAMILY_TABLE, base(layout))
        self._udp: dict[str, dict[Frontend, frozenset[Backend]]] = {}
        self._changed_udp: dict[Frontend, frozenset[Backend]] = {}
        self._dirty: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._generation = -1

    @property
    def idle(self) -> bool:
        """Nothing waits to be applied."""
        return not self._dirty

    async def run(self) -> None:
        """Apply what is known now, then each change. Raises CommandFailed when nft does not work."""
        stop_listening = self._state.on_service(self.changed)
        try:
            self._assembly.applied_known = False
            if not self._state.known and await self._nft.read(FAMILY_TABLE) is not None:
                # We were here before: the rules of then are better than none until we know more.
                await self._state.learned.wait()
            by_age = sorted(self._state.services.items(), key=lambda s: (s[1].metadata.creation_timestamp or "", s[0]))
            self._dirty |= dict.fromkeys([name for name, _ in by_age])
            self._dirty |= dict.fromkeys([*self._layout.built_in, *self._assembly.owners()])
            await self.sync()
            while True:
                try:
                    async with asyncio.timeout(CHECK_SECONDS):
                        await self._wake.wait()
                except TimeoutError:
                    await self.check()
                    continue
                await self._clock.sleep(COALESCE_SECONDS)
                await self.sync()
        finally:
            stop_listening()
            self.settled.clear()

    async def sync(self) -> None:
        """Bring the kernel to what is wanted now."""
        self._wake.clear()
        self._assemble()
        self.settled.clear()
        if self._assembly.applied_known:
            await self._apply_changes()
        else:
            await self.resync()
        self.settled.set()

    async def check(self) -> None:
        """Look whether anybody else changed nft tables since our last transaction, and mend ours if so."""
        if self._current_generation() == self._generation:
            return
        if await self.resync():
            log.warning("service rules were altered by somebody else; put right", table=FAMILY_TABLE)

    async def resync(self) -> bool:
        """Compare with the kernel and apply the difference; says whether there was one."""
        self._generation = self._current_generation()
        desired = self._assembly.desired
        current = await self._nft.read(FAMILY_TABLE)
        try:
            text = transaction(current or Table(), desired, FAMILY_TABLE)
            if current is None:
                text = f"add table {FAMILY_TABLE}\n{text}"
        except Incompatible as difference:
            log.info("service rules have another shape; replacing the table", what=str(difference))
            text = replacement(desired, FAMILY_TABLE)
        if text:
            await self._commit(text)
        self._assembly.commit_whole()
        self._forget_flows({f: b for owner in self._udp.values() for f, b in owner.items()})
        return bool(text)

    async def _apply_changes(self) -> None:
        try:
            text = self._assembly.pending()
            if text:
                await self._commit(text)
            self._assembly.commit()
            self._forget_flows(self._changed_udp)
        except (CommandFailed, Incompatible) as error:
            log.warning("could not change the service rules; comparing with the kernel", error=str(error))
            self._assembly.applied_known = False
            await self.resync()

    async def _commit(self, text: str) -> None:
        await self._nft.apply(text)
        self.transactions += 1
        generation = self._current_generation()
        # One step on is ours alone; anything else and the next check looks closer.
        self._generation = generation if generation == self._generation + 1 else -1

    def _assemble(self) -> None:
        changed_udp: dict[Frontend, frozenset[Backend]] = {}
        dirty, self._dirty = self._dirty, {}
        for name in dirty:
            service = self._state.services.get(name)
            if service is None and name in self._layout.built_in:
                service = stand_in(self._layout.built_in[name])
            if service is None:
                self._assembly.put(name, None)
                changed_udp |= dict.fromkeys(self._udp.pop(name, {}), frozenset())
                continue
            wanted = service_rules(service, self._state.slices_of(name), self._layout)
            self._assembly.put(name, wanted.table)
            before, now = self._udp.get(name, {}), dict(wanted.udp)
            changed_udp |= {
                f: now.get(f, frozenset()) for f in before.keys() | now.keys() if before.get(f) != now.get(f)
            }
            self._udp[name] = now
        self._changed_udp = changed_udp

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

    def _current_generation(self) -> int:
        with Netlink() as netlink:
            return netlink.generation()

    def changed(self, service_key: str) -> None:
        """A Service or its endpoints are other than before."""
        self._dirty[service_key] = None
        self._wake.set()
