"""The objects that every cluster has."""

from __future__ import annotations

import asyncio
import json

from apimachinery.aio.clock import FakeClock
from apimachinery.objects.resources import ENDPOINTSLICES, SERVICES
from engine.apiserver.bootstrap import keep_objects
from tests.engine.conftest import RunningEngine


async def test_the_kubernetes_service_comes_back_when_deleted(engine: RunningEngine) -> None:
    client, clock = engine.api.client("apiserver"), FakeClock()
    address = (await client.get(SERVICES, "kubernetes", "default"))["spec"]["clusterIP"]
    keeping = asyncio.ensure_future(
        keep_objects(
            client, clock, service_cidr="10.43.0.0/16", address=("127.0.0.1", engine.port), authentication={"ca": "new"}
        )
    )
    await asyncio.sleep(0)
    await client.delete(SERVICES, "kubernetes", "default")
    await client.delete(ENDPOINTSLICES, "kubernetes", "default")
    await clock.advance(10)
    async with asyncio.timeout(5):
        while len((await client.list(ENDPOINTSLICES, "default")).items) == 0:
            await asyncio.sleep(0.01)
    assert (await client.get(SERVICES, "kubernetes", "default"))["spec"]["clusterIP"] == address
    keeping.cancel()


async def test_a_whole_engines_components_are_well(whole_engine: RunningEngine) -> None:
    listed = await whole_engine.kubectl("get", "cs", "-o", "json")
    assert [item["conditions"][0]["status"] for item in json.loads(listed.out)["items"]] == ["True"] * 3
