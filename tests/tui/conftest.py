"""One app on the demo cluster: frozen clock, no blinking, the shipped themes only."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from apimachinery.aio.clock import FakeClock
from apimachinery.objects.resources import PODS, Resource
from tests.tui.demo import ACCESS, demo_cluster
from tests.tui.driving import Start, settled
from tests.tui.memory_cluster import MemoryCluster
from tui.app import PilothouseApp
from tui.palette import load_palette


@pytest.fixture
def cluster() -> MemoryCluster:
    return demo_cluster()


@pytest.fixture
def start(cluster: MemoryCluster, tmp_path: Path) -> Start:
    """`async with start(size=(80, 24)) as pilot`: the app, with its first table on the screen."""

    @asynccontextmanager
    async def started(
        *,
        size: tuple[int, int] = (80, 24),
        readonly: bool = False,
        resource: Resource = PODS,
        theme: str | None = None,
        **others: Any,
    ) -> AsyncIterator[Pilot[Any]]:
        app = PilothouseApp(
            ACCESS, transport=cluster, clock=FakeClock(), readonly=readonly, resource=resource, theme=theme,
            palette=load_palette(tmp_path), **others,
        )  # fmt: skip
        async with app.run_test(size=size, notifications=True) as pilot:
            await settled(pilot)
            yield pilot

    return started
