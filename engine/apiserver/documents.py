"""What is not an object: health, version, metrics, discovery, OpenAPI."""

from __future__ import annotations

import platform
from collections.abc import Awaitable, Callable

from apimachinery.aio.clock import Clock, SystemClock
from engine.apiserver import health
from engine.apiserver.answers import not_served
from engine.apiserver.describing import describe
from engine.apiserver.dressing import indented
from engine.apiserver.health import Health
from engine.apiserver.registry.catalog import KINDS
from engine.apiserver.registry.kind import Kind
from engine.apiserver.request import Answer, Request, Response, Upgrade, json_response
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
# The first part of an agent's path, and the stream it serves.
_STREAMS = {"containerLogs": "log", "exec": "exec", "attach": "attach", "portForward": "portforward"}


def _agent_call(request: Request) -> Upgrade:
    """What another engine asks of an agent through us, who hold the link to it. Raises StatusError 404."""
    node, _, path = request.path.removeprefix(_NODES).partition("/")
    stream = _STREAMS.get(path.partition("/")[0])
    if request.method != "GET" or stream is None:
        raise not_served()
    return Upgrade(node, f"/{path}", request.query, stream)


class Documents:
    """Answers for paths that hold no objects."""

    def __init__(self, kinds: Callable[[], tuple[Kind, ...]] = lambda: KINDS, clock: Clock | None = None) -> None:
        self._kinds = kinds
        self._clock = clock or SystemClock()
        self.health = Health()
        self.actions: dict[str, Callable[[], Awaitable[Response]]] = {}
        """What an administrator may ask of this very engine by a POST, by path."""
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
            return _agent_call(request)
        top = request.path.split("/")[1]
        if top in health.PATHS:
            return self.health.answer(request)
        page = self.pages.get(request.path.rstrip("/"))
        if page is not None:
            return page()
        found = await describe(request, self._kinds(), self._clock.now())
        if found is None:
            raise not_served()
        return found

    def _root(self) -> Response:
        paths = {*root_paths(self._kinds()), *self.health.paths(), *self.pages} - {""}
        return indented(json_response({"paths": sorted(paths)}))
