"""A cluster of three pretended machines on a real engine's API."""

from collections.abc import AsyncIterator

import pytest

from tests.engine.conftest import RunningEngine
from tests.engine.runtime.cluster import Cluster, running


@pytest.fixture
async def cluster(engine: RunningEngine) -> AsyncIterator[Cluster]:
    async with running(engine.api) as up:
        yield up
