"""Leaving a screen while its feeds still have something to tell."""

import asyncio

import pytest

from tests.tui.demo import deployment
from tests.tui.driving import Start, screen_text, settled
from tests.tui.memory_cluster import MemoryCluster


@pytest.mark.parametrize("keys", ["R", "l", "d", "y"])
async def test_news_that_comes_while_a_screen_is_left_ends_nothing(
    start: Start, cluster: MemoryCluster, keys: str
) -> None:
    async with start() as pilot:
        await pilot.press("colon", *"deploy", "enter")
        await settled(pilot)
        await pilot.press("G", keys)
        await settled(pilot)
        left = pilot.app.screen
        pilot.app.pop_screen()
        while left.is_attached:
            for image in ("nginx:1.27", "nginx:1.28"):
                cluster.put("deployments", deployment("web", image=image))
                await asyncio.sleep(0)
        await settled(pilot)
        assert "deployments" in screen_text(pilot).splitlines()[1]
