"""What losing or draining machines would do; looks again by itself, changes nothing."""

import asyncio
from collections.abc import Sequence

from textual.binding import Binding

from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects import resources as known
from apimachinery.objects.errors import StatusError
from apimachinery.objects.resources import Resource
from tui.feeds.state import FeedState, Phase
from tui.kinds.whatif.fitting import JSON
from tui.kinds.whatif.loss import How, Observed, outcome
from tui.kinds.whatif.view import lines
from tui.screens.document import DocumentScreen
from tui.target import Target
from tui.widgets.hints import Hint

AGAIN = 10
PAGE = 500
_WITHIN_REACH = (
    known.PODDISRUPTIONBUDGETS,
    known.SERVICES,
    known.ENDPOINTSLICES,
    known.PERSISTENTVOLUMECLAIMS,
    known.PERSISTENTVOLUMES,
)
"""Worth knowing, and left out where it may not be read."""


class WhatIfScreen(DocumentScreen):
    """The target's name is that of the machine; several are parted by commas."""

    BINDINGS = [Binding("x", "other", "Lost, or drained", show=False, key_display="x")]

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._names = target.name.split(",")
        self._how = How.LOST
        self._seen: Observed | None = None
        self._looked = 0.0

    def on_mount(self) -> None:
        super().on_mount()
        self.say("Looking at machines and pods …")
        self.reconnect()

    def reconnect(self) -> None:
        self._looked = self.session.clock.monotonic()
        self.run_worker(self._look(), group="whatif", exclusive=True)

    def tick(self) -> None:
        if self.session.clock.monotonic() - self._looked >= AGAIN:
            self.reconnect()

    def action_other(self) -> None:
        self._how = How.DRAINED if self._how is How.LOST else How.LOST
        self._say()

    def more_hints(self) -> Sequence[Hint]:
        return [Hint("x", f"if {How.DRAINED if self._how is How.LOST else How.LOST}", "other")]

    async def _look(self) -> None:
        try:
            nodes, pods = await asyncio.gather(self._all(known.NODES), self._all(known.PODS))
        except (StatusError, ConnectionFailed) as error:
            self.set_state(FeedState(phase=Phase.CONNECTING, detail=str(error)))
            if self._seen is None:
                self.say(str(error), "Trying again by itself; ^r tries now.")
            return
        others = await asyncio.gather(*(self._if_readable(one) for one in _WITHIN_REACH))
        budgets, services, slices, claims, volumes = (one or () for one in others)
        unread = [kind.plural for kind, one in zip(_WITHIN_REACH, others, strict=True) if one is None]
        self._seen = Observed(
            nodes=nodes, pods=pods, budgets=budgets, services=services, slices=slices, claims=claims, volumes=volumes,
            unread=unread,
        )  # fmt: skip
        self.set_state(FeedState(phase=Phase.LIVE))
        self._say()

    def _say(self) -> None:
        seen = self._seen
        if seen is None:
            return
        there = {node["metadata"]["name"] for node in seen.nodes}
        if gone := [name for name in self._names if name not in there]:
            self.say(f"{', '.join(gone)} is gone.", "Esc goes back.")
            return
        found = outcome(seen, frozenset(self._names), self._how)
        self.show(lines(found, seen, self._names, self._how))
        self.tell()

    async def _all(self, resource: Resource) -> list[JSON]:
        found: list[JSON] = []
        continue_ = ""
        while True:
            page = await self.session.client.list(resource, limit=PAGE, continue_=continue_)
            found += page.items
            continue_ = page.continue_
            if not continue_:
                return found

    async def _if_readable(self, resource: Resource) -> list[JSON] | None:
        try:
            return await self._all(resource)
        except (StatusError, ConnectionFailed):
            return None
