"""The tree around an object, both ways: what it stands on, what stands on it. Looks again by itself."""

import asyncio
from typing import Any

from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects import resources as known
from apimachinery.objects.errors import StatusError
from apimachinery.objects.resources import Resource
from tui.document import EMPTY, Line
from tui.feeds.state import FeedState, Phase
from tui.kinds.relations import above, below, tree_lines
from tui.kinds.sections import meta_of
from tui.screens.document import DocumentScreen
from tui.target import Target
from tui.tones import Tone

AGAIN = 10
MOST_TREES = 200
JSON = dict[str, Any]

LOOKED_AT: tuple[Resource, ...] = (
    known.PODS, known.REPLICASETS, known.DEPLOYMENTS, known.STATEFULSETS, known.DAEMONSETS, known.JOBS, known.CRONJOBS,
    known.SERVICES, known.CONFIGMAPS, known.SECRETS, known.SERVICEACCOUNTS, known.PERSISTENTVOLUMECLAIMS,
    known.HORIZONTALPODAUTOSCALERS, Resource("networking.k8s.io", "v1", "ingresses", "Ingress", True),
)  # fmt: skip


class XrayScreen(DocumentScreen):
    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._looked = 0.0

    def on_mount(self) -> None:
        super().on_mount()
        self.say(f"Looking around {self.target.name} …")
        self.reconnect()

    def reconnect(self) -> None:
        self._looked = self.session.clock.monotonic()
        self.run_worker(self._look(), group="xray", exclusive=True)

    def tick(self) -> None:
        if self.session.clock.monotonic() - self._looked >= AGAIN:
            self.reconnect()

    async def _look(self) -> None:
        target = self.target
        if not target.name:
            await self._look_at_all()
            return
        try:
            obj = await self.session.client.get(target.resource, target.name, target.namespace)
        except (StatusError, ConnectionFailed) as error:
            self.say(str(error), "Trying again by itself; ^r tries now.")
            return
        obj = {**obj, "kind": target.resource.kind}
        lists = await asyncio.gather(*(self._listed(resource) for resource in LOOKED_AT)) if target.namespace else []
        others = [one for found in lists for one in found]
        self.set_state(FeedState(phase=Phase.LIVE))
        self.show(tree_lines(obj, above(obj, others), below(obj, others)))

    async def _look_at_all(self) -> None:
        """The tree below each object of the kind."""
        resource = self.target.resource
        try:
            page = await self.session.client.list(resource, self.target.namespace, limit=MOST_TREES + 1)
        except (StatusError, ConnectionFailed) as error:
            self.say(str(error), "Trying again by itself; ^r tries now.")
            return
        lists = await asyncio.gather(*(self._listed(one) for one in LOOKED_AT))
        others = [one for found in lists for one in found]
        lines: list[Line] = []
        for item in page.items[:MOST_TREES]:
            obj = {**item, "kind": resource.kind}
            where = meta_of(obj).get("namespace")
            lines += [
                *tree_lines(obj, None, below(obj, [o for o in others if meta_of(o).get("namespace") == where])),
                EMPTY,
            ]
        if len(page.items) > MOST_TREES:
            lines.append(((f"Only the first {MOST_TREES} {resource.plural} are shown.", Tone.WARN),))
        self.set_state(FeedState(phase=Phase.LIVE))
        self.show(lines or [((f"No {resource.plural} here", Tone.MUTED),)])

    async def _listed(self, resource: Resource) -> list[JSON]:
        try:
            page = await self.session.client.list(resource, self.target.namespace, limit=1000)
        except (StatusError, ConnectionFailed):
            return []
        return [{**item, "kind": resource.kind} for item in page.items]
