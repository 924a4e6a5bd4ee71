"""Exec, attach, port-forward and the proxies: judged by admission as CONNECT, then passed on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from apimachinery.objects.errors import NotFound
from engine.apiserver import connect, stored
from engine.apiserver.answers import not_served
from engine.apiserver.dynamic.admission import DynamicAdmission
from engine.apiserver.guard import Write
from engine.apiserver.reach.locating import backend_path
from engine.apiserver.reach.ways import Ways
from engine.apiserver.registry import catalog
from engine.apiserver.registry.kind import Context, Json, Kind
from engine.apiserver.request import Answer, Backend, Forward, Request, Response
from engine.apiserver.route import Route
from engine.store.protocol import Store


class Connecting:
    """Answers for the subresources in `connect.CONNECTED`."""

    def __init__(self, store: Store, dynamic: DynamicAdmission, ways: Ways) -> None:
        self._store = store
        self._dynamic = dynamic
        self._ways = ways

    async def answer(self, request: Request, route: Route, context: Context) -> Answer:
        """Raises StatusError."""
        kind = catalog.by_resource(route.group, route.version, route.plural)
        options = connect.options_of(route.plural, route.subresource, request.query, route.rest)
        if kind is None or route.group or options is None or kind.namespaced is not bool(route.namespace):
            raise not_served()
        if route.subresource == "proxy":
            await self._admit(kind, route, options, request, context)
            return self._proxied(request, route, options.get("path", ""))
        pod = stored.lookup(self._store, "", "pods", route.namespace, route.name)
        if pod is None:
            raise NotFound.of("pods", route.name)
        await self._admit(kind, route, options, request, context)
        call = connect.to_agent(pod, route.subresource, options)
        return Forward(
            find=partial(self._ways.to_agent, call.node),
            path=call.path,
            query=call.query.text,
            only_upgrades=True,
            error_text=f'error dialing backend: node "{call.node}" cannot be reached',
        )

    async def _admit(self, kind: Kind, route: Route, options: Json, request: Request, context: Context) -> None:
        write = Write(
            request.user,
            kind,
            route.subresource,
            route.namespace,
            route.name,
            new=options,
            old=None,
            context=context,
            connects=True,
        )
        await self._dynamic.connect(write)

    def _proxied(self, request: Request, route: Route, rest: str) -> Answer:
        path = backend_path(rest.removeprefix("/"), request.path)
        if not path and request.method in ("GET", "HEAD"):
            query = f"?{request.query.text}" if request.query.text else ""
            return Response(301, b"", headers={"location": f"{request.path}/{query}"})
        return Forward(
            find=self._finder(route),
            path=path,
            query=request.query.text,
            prepend=request.path.removesuffix(path) if request.path.endswith(path) else _before(request.path, route),
        )

    def _finder(self, route: Route) -> Callable[[], Awaitable[Backend]]:
        if route.plural == "nodes":
            return partial(self._ways.to_node, route.name)
        to = self._ways.to_pod if route.plural == "pods" else self._ways.to_service
        return partial(to, route.namespace, route.name)


def _before(path: str, route: Route) -> str:
    """The path up to the backend's own, where that was cleaned and is no longer its end."""
    return path.removesuffix(route.rest).removesuffix("/")
