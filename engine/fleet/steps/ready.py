"""The last step: the node reports Ready over its link."""

from __future__ import annotations

import asyncio

from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import NotFound
from apimachinery.objects.resources import NODES
from engine.fleet.errors import StepFailed
from engine.fleet.nodes import Condition, NodeView
from engine.fleet.steps.agent import UNIT
from engine.fleet.steps.step import Joining

_POLL_SECONDS = 0.3


class Ready:
    name = "ready"
    title = "Wait until the node is ready"

    async def check(self, joining: Joining) -> bool:
        return (await _condition(joining)).status == "True"

    async def apply(self, joining: Joining) -> None:
        condition = Condition(type="Ready")
        try:
            async with asyncio.timeout(joining.options.ready_seconds):
                while condition.status != "True":
                    await asyncio.sleep(_POLL_SECONDS)
                    condition = await _condition(joining)
        except TimeoutError as error:
            log = await joining.site.run(["journalctl", "-u", UNIT, "-n", "1", "--no-pager", "-o", "cat"], check=False)
            why = condition.message or condition.reason or "it never reported"
            waited = f"{joining.options.ready_seconds:.0f} s"
            raise StepFailed(
                f"node {joining.name} is not Ready after {waited}: {why}; its agent says: {log.text}"
            ) from error


async def _condition(joining: Joining) -> Condition:
    try:
        return (await joining.client.get(NODES, joining.name, view=NodeView)).ready
    except (NotFound, ConnectionFailed) as error:
        return Condition(type="Ready", message=str(error))
