"""Watches over HTTPS and within the process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import pytest

from apimachinery.objects.errors import Expired
from apimachinery.objects.resources import CONFIGMAPS
from tests.engine.apiserver.test_api import config_map
from tests.engine.conftest import RunningEngine

PATH = "/api/v1/namespaces/default/configmaps"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@asynccontextmanager
async def watching(
    engine: RunningEngine, query: dict[str, str], accept: str = "application/json"
) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    connector = aiohttp.TCPConnector(ssl=engine.ssl())
    async with (
        aiohttp.ClientSession(engine.url, connector=connector) as session,
        session.get(PATH, params={"watch": "1", **query}, headers={"accept": accept}) as answer,
    ):
        assert answer.status == 200, await answer.text()

        async def events() -> AsyncIterator[dict[str, Any]]:
            async for line in answer.content:
                yield msgspec.json.decode(line)

        yield events()


async def take(events: AsyncIterator[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    return [await asyncio.wait_for(anext(events), 5) for _ in range(count)]


def brief(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(e["type"], e["object"]["metadata"].get("name", "")) for e in events]


async def test_watch_without_a_version_begins_with_what_is_there(engine: RunningEngine) -> None:
    await engine.client.create(CONFIGMAPS, config_map("a"), "default")
    async with watching(engine, {}) as events:
        assert brief(await take(events, 1)) == [("ADDED", "a")]
        await engine.client.patch(CONFIGMAPS, "a", {"data": {"x": "1"}}, "default", kind="merge")
        await engine.client.delete(CONFIGMAPS, "a", "default")
        changed, deleted = await take(events, 2)
        assert (changed["type"], deleted["type"]) == ("MODIFIED", "DELETED")
        versions = [int(e["object"]["metadata"]["resourceVersion"]) for e in (changed, deleted)]
        assert versions[0] < versions[1]
        assert deleted["object"]["data"] == {"x": "1"}


async def test_watch_resumes_after_its_version(engine: RunningEngine) -> None:
    first = await engine.client.create(CONFIGMAPS, config_map("a"), "default")
    await engine.client.create(CONFIGMAPS, config_map("b"), "default")
    async with watching(engine, {"resourceVersion": first["metadata"]["resourceVersion"]}) as events:
        await engine.client.create(CONFIGMAPS, config_map("c"), "default")
        assert brief(await take(events, 2)) == [("ADDED", "b"), ("ADDED", "c")]


async def test_object_that_leaves_the_selection_is_deleted_for_its_watcher(engine: RunningEngine) -> None:
    async with watching(engine, {"labelSelector": "tier=web"}) as events:
        obj = config_map("a")
        await engine.client.create(CONFIGMAPS, obj, "default")
        for tier in ("web", "web2"):
            patch = {"metadata": {"labels": {"tier": tier}}}
            await engine.client.patch(CONFIGMAPS, "a", patch, "default", kind="merge")
        entered, left = await take(events, 2)
        assert (entered["type"], left["type"]) == ("ADDED", "DELETED")
        assert left["object"]["metadata"]["labels"] == {"tier": "web"}


async def test_initial_events_end_with_a_marked_bookmark(engine: RunningEngine) -> None:
    await engine.client.create(CONFIGMAPS, config_map("a"), "default")
    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    async with watching(engine, query) as events:
        added, bookmark = await take(events, 2)
        assert (added["type"], bookmark["type"]) == ("ADDED", "BOOKMARK")
        assert bookmark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_initial_events_from_the_future_ask_for_patience(engine: RunningEngine) -> None:
    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "resourceVersion": "999999"}
    async with watching(engine, query) as events:
        (event,) = [event async for event in events]
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 504, "Timeout")
    assert event["object"]["message"].startswith("Timeout: Too large resource version: 999999, current: ")
    assert event["object"]["details"] == {
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
        "retryAfterSeconds": 1,
    }


async def test_bookmarks_tell_how_far_the_watcher_has_seen(engine: RunningEngine) -> None:
    async with watching(engine, {"allowWatchBookmarks": "true"}) as events:
        engine.api.pipe.bookmark()
        (bookmark,) = await take(events, 1)
        assert bookmark["type"] == "BOOKMARK"
        assert bookmark["object"]["kind"] == "ConfigMap"
        assert int(bookmark["object"]["metadata"]["resourceVersion"]) >= 1


async def test_watch_ends_after_its_timeout(engine: RunningEngine) -> None:
    async with watching(engine, {"timeoutSeconds": "1"}) as events:
        assert [event async for event in events] == []


async def test_watch_from_a_forgotten_version_is_refused(engine: RunningEngine) -> None:
    first = await engine.client.create(CONFIGMAPS, config_map("a"), "default")
    await engine.client.create(CONFIGMAPS, config_map("b"), "default")
    store = engine.api.pipe._store
    await store.compact(store.revision)
    version = first["metadata"]["resourceVersion"]
    for client in (engine.client, engine.api.client("test")):
        with pytest.raises(Expired, match="too old resource version"):
            async for _ in client.watch(CONFIGMAPS, "default", resource_version=version):
                pass
    async with watching(engine, {"resourceVersion": version}) as events:
        (event,) = [event async for event in events]
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")


@pytest.mark.parametrize("include", ["None", "Metadata"])
async def test_tables_are_watched(engine: RunningEngine, include: str) -> None:
    async with watching(engine, {"includeObject": include}, TABLE) as events:
        await engine.client.create(CONFIGMAPS, config_map("a", x="1"), "default")
        (event,) = await take(events, 1)
        assert event["object"]["kind"] == "Table"
        (row,) = event["object"]["rows"]
        assert row["cells"][:2] == ["a", 1]
        assert ("object" in row) == (include == "Metadata")


async def test_a_watched_table_tells_its_columns_once(engine: RunningEngine) -> None:
    def columns(event: dict[str, Any]) -> list[str]:
        return [column["name"] for column in event["object"]["columnDefinitions"] or ()]

    all_three = ["Name", "Data", "Age"]
    await engine.client.create(CONFIGMAPS, config_map("a"), "default")
    version = (await engine.client.list(CONFIGMAPS, "default")).resource_version
    async with (
        watching(engine, {"fieldSelector": "metadata.name=a"}, TABLE) as from_now,
        watching(engine, {"resourceVersion": version, "fieldSelector": "metadata.name=a"}, TABLE) as later,
    ):
        assert [columns(event) for event in await take(from_now, 1)] == [all_three]
        for value in ("1", "2"):
            await engine.client.patch(CONFIGMAPS, "a", {"data": {"x": value}}, "default")
        assert [columns(event) for event in await take(from_now, 2)] == [[], []]
        assert [columns(event) for event in await take(later, 2)] == [all_three, []]
    async with watching(engine, {"resourceVersion": version, "fieldSelector": "metadata.name=a"}, TABLE) as missed:
        assert [columns(event) for event in await take(missed, 2)] == [all_three, []]


async def test_watches_end_when_the_engine_stops(engine: RunningEngine) -> None:
    async with watching(engine, {}) as events:
        engine.api.pipe.close()
        assert [event async for event in events] == []


async def test_slow_watcher_is_dropped_and_the_others_get_everything(engine: RunningEngine) -> None:
    big = "x" * 400_000
    async with watching(engine, {}) as fast, watching(engine, {}):
        for n in range(70):
            await engine.client.create(CONFIGMAPS, config_map(f"a{n}", x=big), "default")
            await take(fast, 1)
            await engine.client.delete(CONFIGMAPS, f"a{n}", "default")
            await take(fast, 1)
        sinks = engine.api.http._watches
        assert len(sinks) == 1
