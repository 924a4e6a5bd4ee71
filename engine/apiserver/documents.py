"""What is not an object: health, version, metrics, discovery, OpenAPI."""

from __future__ import annotations

import platform
from collections.abc import Awaitable, Callable
from functools import partial

from apimachinery.aio.clock import Clock, SystemClock
from apimachinery.objects.errors import ServiceUnavailable
from engine.apiserver import health
from engine.apiserver.aggregation.discovery import Joined
from engine.apiserver.answers import not_served
from engine.apiserver.describing import describe
from engine.apiserver.dressing import indented
from engine.apiserver.health import Health
from engine.apiserver.registry.catalog import KINDS
from engine.apiserver.registry.kind import Kind
from engine.apiserver.request import Answer, Backend, Forward, Request, Response, json_response
from engine.apiserver.schema.documents import root_paths

VERSION = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.0+pilothouse",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "2026-01-01T00:00:00Z",
    "goVersion": "none",
    "compiler": "cpython",
    "platform": f"{platform.system().lower()}/{platform.machine()}",
}

_NODES = "/pilothouse/nodes/"


async def _no_machine(node: str) -> Backend:
    raise ServiceUnavailable(f'node "{node}" is not connected')


class Documents:
    """Answers for paths that hold no objects."""

    def __init__(self, kinds: Callable[[], tuple[Kind, ...]] = lambda: KINDS, clock: Clock | None = None) -> None:
        self._kinds = kinds
        self._clock = clock or SystemClock()
        self.health = Health()
        self.actions: dict[str, Callable[[], Awaitable[Response]]] = {}
        """What an administrator may ask of this very engine by a POST, by path."""
        self.joined: Joined | None = None
        """Puts what other servers serve into the documents."""
        self.to_agent: Callable[[str], Awaitable[Backend]] = _no_machine
        """The way to a machine's agent: for other engines, while we hold the links."""
        self.pages: dict[str, Callable[[], Response]] = {
            "": self._root,
            "/version": lambda: indented(json_response(VERSION)),
        }
        """Further documents by their paths."""

    async def answer(self, request: Request) -> Answer:
        """Raises StatusError 404 for a path that nobody serves."""
        action = self.actions.get(request.path) if request.method == "POST" else None
        if action is not None:
            return await action()
        if request.path.startswith(_NODES):
            node, _, path = request.path.removeprefix(_NODES).partition("/")
            return Forward(find=partial(self.to_agent, node), path=f"/{path}", query=request.query.text)
        top = request.path.split("/")[1]
        if top in health.PATHS:
            return self.health.answer(request)
        page = self.pages.get(request.path.rstrip("/"))
        if page is not None:
            return page()
        found = await describe(request, self._kinds(), self._clock.now(), self.joined)
        if found is None:
            raise not_served()
        return found

    def _root(self) -> Response:
        paths = {*root_paths(self._kinds()), *self.health.paths(), *self.pages} - {""}
        if self.joined is not None:
            paths |= self.joined.paths()
        return indented(json_response({"paths": sorted(paths)}))
