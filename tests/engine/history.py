"""What clients did and were told, and whether a store that never loses or invents anything could have told them so."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import Conflict, StatusError
from apimachinery.objects.resources import CONFIGMAPS


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A read, or a compare-and-swap that was not refused. Every value is written once only."""

    key: str
    began: float
    ended: float
    seen: int
    """The revision that was read, or built on."""
    value: str = ""
    """What was read or written."""
    revision: int = 0
    """What a write was acknowledged at; 0: a read, or a write whose answer was lost."""
    writes: bool = False


def problems(history: Iterable[Operation]) -> list[str]:
    """Lost updates, phantoms, stale reads; empty for a history that a linearizable store can have."""
    by_key: dict[str, list[Operation]] = defaultdict(list)
    for operation in history:
        by_key[operation.key].append(operation)
    return [text for key, operations in by_key.items() for text in _of_key(key, operations)]


def _of_key(key: str, operations: list[Operation]) -> Iterable[str]:
    acknowledged = sorted((o for o in operations if o.revision), key=lambda o: o.revision)
    for first, second in itertools.pairwise(acknowledged):
        if second.seen < first.revision:
            yield f"{key}: {second.value} at {second.revision} did not build on {first.value} at {first.revision}"
    at_revision = {o.revision: o.value for o in acknowledged}
    unanswered = {o.value for o in operations if o.writes and not o.revision}
    for read in (o for o in operations if not o.writes and o.value):
        if at_revision.get(read.seen, read.value) != read.value:
            yield f"{key}: read {read.value} at {read.seen}, where {at_revision[read.seen]} was written"
        if read.seen not in at_revision and read.value not in unanswered:
            yield f"{key}: read {read.value} at {read.seen}, which nobody wrote"
    known = 0
    ends = sorted(operations, key=lambda o: o.ended)
    position = 0
    for operation in sorted(operations, key=lambda o: o.began):
        while position < len(ends) and ends[position].ended < operation.began:
            known = max(known, ends[position].revision, ends[position].seen)
            position += 1
        # A swap builds on what was read earlier: only reads must show everything known when they began.
        if not operation.writes and operation.seen < known:
            yield f"{key}: read {operation.seen} though {known} was known"


@dataclass
class Recorder:
    """Clients that read and swap a few ConfigMaps through whichever client `pick` names, and write down what happens."""

    pick: Callable[[int], Client]
    keys: int = 4
    operations: list[Operation] = field(default_factory=list)
    last_answer: float = 0.0
    longest_silence: float = 0.0
    stopped: bool = False

    async def prepare(self) -> None:
        for number in range(self.keys):
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"k{number}"}}
            await self.pick(0).create(CONFIGMAPS, body, "default")

    async def written(self, count: int) -> None:
        """Wait until so many writes have been acknowledged, however slow the machine is."""
        async with asyncio.timeout(60):
            while sum(1 for operation in self.operations if operation.revision) < count:
                await asyncio.sleep(0.05)

    async def run(self, clients: int) -> None:
        """Until `stopped`."""
        await asyncio.gather(*(self._client(number) for number in range(clients)))

    async def _client(self, number: int) -> None:
        chooser = random.Random(number)
        for turn in itertools.count():
            if self.stopped:
                return
            try:
                await self._turn(self.pick(number + turn), f"k{chooser.randrange(self.keys)}", f"c{number}-{turn}")
            except (ConnectionFailed, StatusError):
                await asyncio.sleep(0.05)

    async def _turn(self, client: Client, key: str, value: str) -> None:
        began = time.monotonic()
        obj = await client.get(CONFIGMAPS, key, "default")
        ended = time.monotonic()
        seen = int(obj["metadata"]["resourceVersion"])
        read = (obj.get("data") or {}).get("value", "")
        self.operations.append(Operation(key=key, began=began, ended=ended, seen=seen, value=read))
        self._answered(ended)
        obj["data"] = {"value": value}
        began = time.monotonic()
        try:
            written = await client.update(CONFIGMAPS, obj)
        except Conflict:
            return
        except (ConnectionFailed, StatusError):
            self.operations.append(
                Operation(key=key, began=began, ended=float("inf"), seen=seen, value=value, writes=True)
            )
            raise
        ended = time.monotonic()
        revision = int(written["metadata"]["resourceVersion"])
        self.operations.append(
            Operation(key=key, began=began, ended=ended, seen=seen, value=value, revision=revision, writes=True)
        )
        self._answered(ended)

    def _answered(self, now: float) -> None:
        self.longest_silence = max(self.longest_silence, now - (self.last_answer or now))
        self.last_answer = now
