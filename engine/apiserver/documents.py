"""What is not an object: health, version, metrics, discovery, OpenAPI."""

from __future__ import annotations

import platform
from collections.abc import Awaitable, Callable
from functools import partial

from apimachinery.objects.errors import ServiceUnavailable
from engine.apiserver.aggregation.discovery import Joined
from engine.apiserver.answers import not_served
from engine.apiserver.registry.catalog import KINDS
from engine.apiserver.registry.kind import Kind
from engine.apiserver.request import Answer, Backend, Forward, Request, Response, json_response, text_response
from engine.apiserver.schema import documents

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

Check = Callable[[], str]
"""Empty when well, else what is wrong."""


_NODES = "/pilothouse/nodes/"


async def _no_machine(node: str) -> Backend:
    raise ServiceUnavailable(f'node "{node}" is not connected')


class Documents:
    """Answers for paths that hold no objects."""

    def __init__(self, kinds: Callable[[], tuple[Kind, ...]] = lambda: KINDS) -> None:
        self._kinds = kinds
        self.checks: dict[str, Check] = {}
        self.actions: dict[str, Callable[[], Awaitable[Response]]] = {}
        """What an administrator may ask of this very engine by a POST, by path."""
        self.ready = False
        self.joined: Joined | None = None
        """Puts what other servers serve into the documents."""
        self.to_agent: Callable[[str], Awaitable[Backend]] = _no_machine
        """The way to a machine's agent: for other engines, while we hold the links."""
        self.pages: dict[str, Callable[[], Response]] = {}
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
        if top in ("healthz", "livez", "readyz"):
            return self._health(top, request)
        if top == "version":
            return json_response(VERSION)
        page = self.pages.get(request.path.rstrip("/"))
        if page is not None:
            return page()
        found = self._discovery(request)
        if found is None:
            raise not_served()
        return found

    def _health(self, which: str, request: Request) -> Response:
        failing = {name: problem for name, check in self.checks.items() if (problem := check())}
        if which == "readyz" and not self.ready:
            failing["poststarthook"] = "not finished"
        if failing or request.query.flag("verbose"):
            names = ["ping", *self.checks]
            lines = [f"[-]{name} failed: {problem}" for name, problem in failing.items()]
            lines += [f"[+]{name} ok" for name in names if name not in failing]
            lines.append(f"{which} check {'failed' if failing else 'passed'}")
            return text_response("\n".join(lines) + "\n", 500 if failing else 200)
        return text_response("ok")

    def _discovery(self, request: Request) -> Response | None:
        kinds, joined = self._kinds(), self.joined
        if joined is not None:
            kinds = joined.ours(kinds)
        found = documents.find(request.path, request.header("accept"), request.header("host"), kinds)
        if joined is not None:
            found = joined.joined(request.path, found)
        if found is None:
            return None
        headers = {"ETag": found.etag, "Vary": found.vary}
        if request.header("if-none-match") == found.etag:
            return Response(304, b"", found.content_type, headers)
        return Response(200, found.body, found.content_type, headers)
