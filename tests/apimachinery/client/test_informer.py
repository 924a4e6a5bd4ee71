"""Informer and client against a small server behind the Transport seam: a list, a log of changes, watches on it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from apimachinery.aio.tasks import TaskScope
from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.client.informer import Informer
from apimachinery.client.transport import Response, StreamResponse
from apimachinery.objects.errors import Expired, NotFound
from apimachinery.objects.meta import Object
from apimachinery.objects.resources import CONFIGMAPS


class OneKindServer:
    """Serves configmaps: lists with revisions, watches from one, both as bytes cut at odd places."""

    def __init__(self) -> None:
        self.objects: dict[str, dict] = {}
        self.changes: list[tuple[int, str, dict]] = []
        self.revision = 1
        self.compacted = 0
        self.lists = 0
        self.down = False
        self._changed = asyncio.Event()

    def put(self, name: str, uid: str = "u", **labels: str) -> None:
        self.revision += 1
        kind = "MODIFIED" if name in self.objects else "ADDED"
        self.objects[name] = {
            "metadata": {"name": name, "namespace": "ns", "uid": uid, "labels": labels, "resourceVersion": str(self.revision)}
        }  # fmt: skip
        self._tell(kind, self.objects[name])

    def remove(self, name: str) -> None:
        self.revision += 1
        gone = self.objects.pop(name)
        gone["metadata"]["resourceVersion"] = str(self.revision)
        self._tell("DELETED", gone)

    def _tell(self, kind: str, obj: dict) -> None:
        self.changes.append((self.revision, kind, obj))
        self.wake()

    def wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def request(self, method, path, *, query=(), headers=None, body=None, timeout=None) -> Response:
        if self.down:
            raise ConnectionFailed("down")
        if path.endswith("/missing"):
            return Response(404, msgspec.json.encode(NotFound.of("configmaps", "missing").to_status()))
        self.lists += 1
        document = {"metadata": {"resourceVersion": str(self.revision)}, "items": list(self.objects.values())}
        return Response(200, msgspec.json.encode(document))

    @asynccontextmanager
    async def stream(self, method, path, *, query=(), headers=None, body=None):
        if self.down:
            raise ConnectionFailed("down")
        start = int(dict(query)["resourceVersion"])
        yield StreamResponse(200, {}, self._events(start))

    async def _events(self, start: int) -> AsyncIterator[bytes]:
        if start < self.compacted:
            error = {"type": "ERROR", "object": Expired("too old resource version").to_status()}
            yield msgspec.json.encode(error) + b"\n"
            return
        sent = start
        while not self.down:
            changed = self._changed
            for revision, kind, obj in self.changes:
                if revision > sent:
                    line = msgspec.json.encode({"type": kind, "object": obj}) + b"\n"
                    yield line[:7]
                    yield line[7:]
                    sent = revision
            await changed.wait()
        raise ConnectionFailed("down")

    async def close(self) -> None: ...


@pytest.fixture
def server() -> OneKindServer:
    return OneKindServer()


@asynccontextmanager
async def running(server: OneKindServer):
    informer = Informer(
        Client(server), CONFIGMAPS, view=Object, indexers={"app": lambda o: [o.metadata.labels.get("app", "")]}
    )
    seen: list[tuple[str | None, str | None]] = []
    informer.on_change(
        lambda old, new: seen.append((old and old.metadata.resource_version, new and new.metadata.resource_version))
    )
    async with TaskScope("test") as scope:
        scope.spawn("informer", informer.run())
        await asyncio.wait_for(informer.synced.wait(), 2)
        yield informer, seen


async def until(condition) -> None:
    async with asyncio.timeout(3):
        while not condition():
            await asyncio.sleep(0.005)


async def test_informer_follows_what_changes(server: OneKindServer):
    server.put("a", app="x")
    async with running(server) as (informer, seen):
        assert informer.get("ns/a") is informer.get("a", "ns")
        server.put("b", app="y")
        server.put("a", app="y")
        await until(lambda: len(informer.by_index("app", "y")) == 2)
        assert informer.by_index("app", "x") == []
        server.remove("b")
        await until(lambda: len(informer) == 1)
        assert seen == [(None, "2"), (None, "3"), ("2", "4"), ("5", None)]
        assert server.lists == 1


async def test_informer_lists_again_when_its_revision_is_gone(server: OneKindServer):
    server.put("a")
    server.put("b")
    async with running(server) as (informer, seen):
        server.down = True
        server.wake()
        await until(lambda: not informer.connected)
        server.remove("a")
        server.put("b", uid="another")
        server.compacted = server.revision
        server.down = False
        await until(lambda: informer.get("ns/a") is None and informer.get("ns/b").metadata.uid == "another")
        # The replaced object is told as one that went and one that came, never as a change of the first.
        assert seen[-3:] == [("2", None), ("3", None), (None, "5")]


async def test_informer_resumes_without_listing_when_the_server_comes_back(server: OneKindServer):
    async with running(server) as (informer, _):
        server.down = True
        server.wake()
        await until(lambda: not informer.connected)
        server.put("late")
        server.down = False
        await until(lambda: informer.get("ns/late") is not None)
        assert server.lists == 1


async def test_errors_of_the_server_are_raised_as_themselves(server: OneKindServer):
    with pytest.raises(NotFound, match='configmaps "missing" not found'):
        await Client(server).get(CONFIGMAPS, "missing", "ns")
