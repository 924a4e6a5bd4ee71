"""For upgrades: the agent is restarted when its environment is a new one; its settings stay."""

from __future__ import annotations

from engine.fleet.steps import agent
from engine.fleet.steps.step import Joining


class Restart:
    name = "restart"
    title = "Restart the agent"

    async def check(self, joining: Joining) -> bool:
        return await agent.runs_current(joining)

    async def apply(self, joining: Joining) -> None:
        await agent.start(joining)
