"""Keeps the kernel's table at what its parts ask for: small transactions, and a check that nobody undid them."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from apimachinery.aio.clock import Clock
from nodeagent.network.command import CommandFailed
from nodeagent.network.netlink import Netlink
from nodeagent.network.nft.assembly import Assembly
from nodeagent.network.nft.kernel import Nft
from nodeagent.network.nft.table import Incompatible, Table, replacement, transaction

log = structlog.get_logger(__name__)

COALESCE_SECONDS = 0.05
"""A rollout changes one slice many times within moments: one transaction for all of it."""

CHECK_SECONDS = 30.0


class Part(Protocol):
    """What one matter (Services, policies) wants in the table. All methods return at once."""

    @property
    def idle(self) -> bool:
        """Nothing waits to be assembled."""
        ...

    def listen(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` whenever there is something to assemble; the answer ends that."""
        ...

    def everything(self, assembly: Assembly) -> None:
        """Take all that is known as not yet assembled, and what the assembly holds of ours as doubtful."""
        ...

    def assemble(self, assembly: Assembly) -> None:
        """Put the fragments that changed since the last call."""
        ...

    def applied(self, *, whole: bool) -> None:
        """The kernel holds what was assembled; `whole` after a comparison with all that it held."""
        ...


class TableKeeper:
    """`run` for ever; `settled` is set while the kernel holds what is wanted.

    `learned` is set once there is something whole to go by: until then a table that is there stays as it is.
    """

    def __init__(
        self, table: str, base: Table, parts: Sequence[Part], clock: Clock, nft: Nft, *, learned: asyncio.Event
    ) -> None:
        self.settled = asyncio.Event()
        self.transactions = 0
        self._table = table
        self._parts = tuple(parts)
        self._clock = clock
        self._nft = nft
        self._learned = learned
        self._assembly = Assembly(table, base)
        self._wake = asyncio.Event()
        self._synced = asyncio.Event()
        self._generation = -1

    @property
    def idle(self) -> bool:
        """Nothing waits to be applied."""
        return all(part.idle for part in self._parts)

    async def run(self) -> None:
        """Apply what is known now, then each change. Raises CommandFailed when nft does not work."""
        stops = [part.listen(self._wake.set) for part in self._parts]
        try:
            self._assembly.applied_known = False
            if not self._learned.is_set() and await self._nft.read(self._table) is not None:
                # We were here before: the rules of then are better than none until we know more.
                await self._learned.wait()
            for part in self._parts:
                part.everything(self._assembly)
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
            for stop in stops:
                stop()
            self.settled.clear()

    async def sync(self) -> None:
        """Bring the kernel to what is wanted now."""
        self._wake.clear()
        for part in self._parts:
            part.assemble(self._assembly)
        self.settled.clear()
        if self._assembly.applied_known:
            await self._apply_changes()
        else:
            await self.resync()
        self.settled.set()
        self._synced.set()

    async def caught_up(self) -> None:
        """Return once the kernel holds all that was known when this was called."""
        while not (self.idle and self.settled.is_set()):
            self._synced.clear()
            await self._synced.wait()

    async def check(self) -> None:
        """Look whether anybody else changed nft tables since our last transaction, and mend ours if so."""
        if self._current_generation() == self._generation:
            return
        if await self.resync():
            log.warning("network rules were altered by somebody else; put right", table=self._table)

    async def resync(self) -> bool:
        """Compare with the kernel and apply the difference; says whether there was one."""
        self._generation = self._current_generation()
        desired = self._assembly.desired
        current = await self._nft.read(self._table)
        try:
            text = transaction(current or Table(), desired, self._table)
            if current is None:
                text = f"add table {self._table}\n{text}"
        except Incompatible as difference:
            log.info("network rules have another shape; replacing the table", what=str(difference))
            text = replacement(desired, self._table)
        if text:
            await self._commit(text)
        self._assembly.commit_whole()
        self._tell_applied(whole=True)
        return bool(text)

    async def _apply_changes(self) -> None:
        try:
            text = self._assembly.pending()
            if text:
                await self._commit(text)
            self._assembly.commit()
        except (CommandFailed, Incompatible) as error:
            log.warning("could not change the network rules; comparing with the kernel", error=str(error))
            self._assembly.applied_known = False
            await self.resync()
            return
        self._tell_applied(whole=False)

    async def _commit(self, text: str) -> None:
        await self._nft.apply(text)
        self.transactions += 1
        generation = self._current_generation()
        # One step on is ours alone; anything else and the next check looks closer.
        self._generation = generation if generation == self._generation + 1 else -1

    def _tell_applied(self, *, whole: bool) -> None:
        for part in self._parts:
            part.applied(whole=whole)

    def _current_generation(self) -> int:
        with Netlink() as netlink:
            return netlink.generation()
