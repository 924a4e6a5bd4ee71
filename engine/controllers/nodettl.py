"""How long agents may keep Secrets and ConfigMaps in memory: longer, the more machines there are (upstream's ttl)."""

from collections.abc import Iterable
from dataclasses import dataclass

from apimachinery.objects.resources import NODES
from engine.controllers.actions import Action, Patch
from engine.controllers.controller import Moment, Reader, Watch
from engine.controllers.views import NODE_SOURCE, Node

ANNOTATION = "node.alpha.kubernetes.io/ttl"
STEPS = ((0, 100, 0), (90, 500, 15), (450, 1000, 30), (900, 2000, 60), (1800, 2**31, 300))
"""(from how many machines, to how many, seconds). The steps overlap, so that one machine more or less changes none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    node: Node
    seconds: int


def plan(observed: Observed) -> list[Action]:
    node, wanted = observed.node, str(observed.seconds)
    if node.metadata.deletion_timestamp is not None or node.metadata.annotations.get(ANNOTATION) == wanted:
        return []
    body = {"metadata": {"annotations": {ANNOTATION: wanted}}}
    return [Patch(resource=NODES, name=node.metadata.name, uid=node.metadata.uid, body=body)]


def step_of(machines: int, current: int) -> int:
    """The number of the step for so many machines, `current` being the one that holds now."""
    while machines < STEPS[current][0]:
        current -= 1
    while machines > STEPS[current][1]:
        current += 1
    return current


class NodeTtlController:
    name = "ttl"
    component = "ttl-controller"

    def __init__(self) -> None:
        self._machines: set[str] = set()
        self._step = 0
        self.watches = (Watch(NODE_SOURCE, self._nodes),)

    async def observe(self, key: str, reader: Reader, moment: Moment) -> Observed | None:  # noqa: ARG002
        node = reader.get(NODE_SOURCE, key)
        return Observed(node=node, seconds=STEPS[self._step][2]) if node is not None else None

    def plan(self, observed: Observed) -> list[Action]:
        return plan(observed)

    def _nodes(self, node: Node, reader: Reader) -> Iterable[str]:
        """Machines are looked at when they come, and all of them when the step changes."""
        name = node.metadata.name
        there = reader.get(NODE_SOURCE, name) is not None
        if there == (name in self._machines):
            return []
        (self._machines.add if there else self._machines.discard)(name)
        step = step_of(len(self._machines), self._step)
        if step == self._step:
            return [name]
        self._step = step
        return list(self._machines)
