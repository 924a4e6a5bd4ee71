"""A request's way: route, authorise, read or write, answer. One straight pipe; kinds change it only by their Kind.

Authentication happened where the connection is known (the transport). What happens in a write: see writing.py.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType

import structlog

from apimachinery.aio.clock import Clock
from apimachinery.objects.errors import (
    InternalError,
    MethodNotAllowed,
    NotFound,
    StatusError,
)
from engine.apiserver import connect, options, reading, stored
from engine.apiserver.aggregation.serving import Aggregation
from engine.apiserver.answers import error_response, not_served, warning_headers
from engine.apiserver.authz.attributes import Attributes, Authorizer, denied, of_path, of_route
from engine.apiserver.call import Call
from engine.apiserver.connecting import Connecting
from engine.apiserver.custom import serving
from engine.apiserver.custom.converter import Converter
from engine.apiserver.custom.table import CustomKinds
from engine.apiserver.custom.watching import ConvertedWatch, ConvertingHub
from engine.apiserver.documents import Documents
from engine.apiserver.dynamic.admission import DynamicAdmission
from engine.apiserver.guard import Guard
from engine.apiserver.metrics import Metrics
from engine.apiserver.negotiate import form_of
from engine.apiserver.reach.ways import Ways
from engine.apiserver.registry.kind import Allocator, Context, Kind
from engine.apiserver.removing import Removing
from engine.apiserver.request import Answer, Request, Response, json_response
from engine.apiserver.route import Route, routed
from engine.apiserver.schema import protobuf
from engine.apiserver.selection import selection_of
from engine.apiserver.versions import revision_errors
from engine.apiserver.watching import Hub, Watch, watch_options
from engine.apiserver.writing import Creator, Writing
from engine.store.errors import ClaimTaken, StoreUnavailable
from engine.store.protocol import Record, Store

log = structlog.get_logger(__name__)

Measure = Callable[[str], Awaitable[list[Record]]]
"""All objects of a kind that is measured, in a namespace or all."""
NO_CREATORS: Mapping[tuple[str, str, str], Creator] = MappingProxyType({})


# How often the addresses of a Service are chosen anew when other engines choose the same at the same moment.
_CLAIM_ATTEMPTS = 8


class Pipe:
    """Serves every request. Knows no transport."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        authorizer: Authorizer,
        documents: Documents,
        kinds: CustomKinds,
        dynamic: DynamicAdmission,
        converter: Converter,
        metrics: Metrics,
        measured: Mapping[tuple[str, str], Measure],
        service_ips: Allocator,
        node_ports: Allocator,
        ways: Ways,
        aggregation: Aggregation,
        guards: Sequence[Guard] = (),
        judges: Sequence[Guard] = (),
        creators: Mapping[tuple[str, str, str], Creator] = NO_CREATORS,
    ) -> None:
        self._store = store
        self._clock = clock
        self._authorizer = authorizer
        self._documents = documents
        self._kinds = kinds
        kinds.changed = self._forget
        self._converter = converter
        self._metrics = metrics
        self._measures = measured
        self._service_ips = service_ips
        self._node_ports = node_ports
        self._aggregation = aggregation
        self._connecting = Connecting(store, dynamic, ways)
        self._hubs: dict[tuple[str, str, str], Hub] = {}
        writing = Writing(
            store,
            guards=guards,
            judges=judges,
            creators=creators,
            may_create=self._may_create,
            dynamic=dynamic,
            converter=converter,
            kind_of=kinds.by_resource,
        )
        removing = Removing(store, guards, dynamic, converter)
        self._verbs: dict[str, Callable[[Call], Awaitable[Answer]]] = {
            "get": self._get,
            "list": self._list,
            "watch": self._watch,
            "create": writing.create,
            "update": writing.update,
            "patch": writing.patch,
            "delete": removing.delete,
            "deletecollection": removing.delete_collection,
        }

    async def handle(self, request: Request) -> Answer:
        """The answer to any request; never raises but CancelledError."""
        try:
            return await self._handle(request)
        except StatusError as error:
            return error_response(error)
        except StoreUnavailable as error:
            return error_response(InternalError(str(error)))
        except Exception as error:
            # The edge: whatever we did not foresee is ours to log and the client's to see as a 500.
            log.error("request failed", method=request.method, path=request.path, exc_info=error)
            return error_response(InternalError(f"Internal error occurred: {type(error).__name__}: {error}"))

    async def _handle(self, request: Request) -> Answer:
        route = routed(request)
        if not request.path.startswith("/"):
            raise not_served()
        if route is None:
            self._authorize(of_path(request.user, request.method, request.path))
            return self._aggregation.forward(request) or await self._documents.answer(request)
        self._authorize(of_route(request.user, route, request.query))
        elsewhere = self._aggregation.forward(request)
        if elsewhere is not None:
            return elsewhere
        if route.subresource in connect.CONNECTED:
            return await self._connect(request, route)
        await request.load()
        if request.body and request.header("content-type").startswith(protobuf.MEDIA_TYPE):
            request = request.with_json(protobuf.to_json(request.body))
        await self._fresh(request.query.get("resourceVersion"))
        for _ in range(_CLAIM_ATTEMPTS):
            try:
                call = self._call(request, route)
                answer = await self._counted(route, self._verbs[route.verb](call))
            except ClaimTaken:
                # Another engine was faster with the same address or port; by now we know, and choose or refuse anew.
                continue
            if call.context.warnings and isinstance(answer, Response):
                answer.headers = {**warning_headers(call.context.warnings), **answer.headers}
            return answer
        raise InternalError("the addresses and ports that were chosen are taken again and again by others; try again")

    def passes_on(self, request: Request) -> bool:
        """Whether somebody else will answer, as far as the path tells."""
        if request.path.startswith("/pilothouse/nodes/") or self._aggregation.serves(request.path):
            return True
        if "/proxy" not in request.path:
            return False
        try:
            route = routed(request)
        except StatusError:
            return False
        return route is not None and not route.group and route.subresource == "proxy"

    async def _fresh(self, version: str) -> None:
        """Wait until we know what any engine acknowledged, unless the client is content with what is at hand."""
        if not version or (not revision_errors(version) and int(version) > self._store.revision):
            await self._store.barrier()

    def _authorize(self, asked: Attributes) -> None:
        """Raises Forbidden."""
        decision = self._authorizer.decide(asked)
        if not decision.allowed:
            raise denied(asked, decision.reason)

    def _may_create(self, call: Call) -> None:
        self._authorize(of_route(call.request.user, replace(call.route, verb="create"), call.request.query))

    async def _connect(self, request: Request, route: Route) -> Answer:
        if route.verb == "get" and route.subresource in connect.COMMANDS:
            # A WebSocket starts with GET; it takes the right to POST, as the same thing did before there were any.
            self._authorize(of_route(request.user, replace(route, verb="create"), request.query))
        await self._fresh("")
        return await self._counted(route, self._connecting.answer(request, route, self._context(request)))

    async def _counted(self, route: Route, work: Awaitable[Answer]) -> Answer:
        started = time.perf_counter()
        try:
            answer = await work
        except StatusError as error:
            self._metrics.count(route, error.code, time.perf_counter() - started)
            raise
        code = answer.status if isinstance(answer, Response) else 200
        self._metrics.count(route, code, time.perf_counter() - started)
        return answer

    def _context(self, request: Request, *, dry_run: bool = False) -> Context:
        user = request.user
        return Context(
            now=self._clock.now(),
            user=user.name,
            groups=user.groups,
            uid=user.uid,
            extra=user.extra,
            audit=request.audit,
            dry_run=dry_run,
            lookup=partial(stored.lookup, self._store),
            find=partial(stored.find, self._store),
            service_ips=self._service_ips,
            node_ports=self._node_ports,
        )

    def _call(self, request: Request, route: Route) -> Call:
        kind = self._kinds.by_resource(route.group, route.version, route.plural)
        sub = kind.subresources.get(route.subresource) if kind is not None and route.subresource else None
        if kind is None or (route.subresource and sub is None):
            raise not_served()
        verbs = kind.verbs if sub is None else sub.verbs
        misplaced = sub is None and route.verb == "create" and route.name
        if misplaced or route.verb not in verbs:
            raise MethodNotAllowed("the server does not allow this method on the requested resource")
        context = self._context(request, dry_run=options.dry_run(request))
        if kind.definition:
            serving.check(self._kinds.definition(kind), route)
        if kind.warning:
            context.warnings.append(kind.warning)
        form = form_of(request.header("accept"), request.query, watch=route.verb == "watch")
        reading.check_partial(kind, form, route.verb)
        return Call(request, route, kind, sub, form, context, options.field_validation(request))

    # Reading.

    async def _get(self, call: Call) -> Answer:
        sub = call.subresource
        if call.route.subresource == "log":
            return connect.log_of(stored.existing(self._store, call), call.request.query)
        if call.kind.measured:
            return await self._measured(call)
        if sub is not None and sub.project is not None:
            whole = await self._converter.existing(self._store, call)
            return json_response(sub.project(whole))
        kind, form, query, now = call.kind, call.form, call.request.query, call.now
        return await self._converter.reading(
            kind, self._store, lambda store: reading.get(kind, store, call.key, form=form, query=query, now=now)
        )

    async def _list(self, call: Call) -> Answer:
        if call.kind.measured:
            return await self._measured(call)
        selection = selection_of(call.kind, call.route.namespace, "", call.request.query)
        kind, form, query, now = call.kind, call.form, call.request.query, call.now
        return await self._converter.reading(
            kind, self._store, lambda store: reading.list_(kind, store, selection, form=form, query=query, now=now)
        )

    async def _watch(self, call: Call) -> Answer:
        wanted = watch_options(call.request.query, call.kind)
        selection = selection_of(call.kind, call.route.namespace, call.route.name, call.request.query)
        loop = asyncio.get_running_loop()
        hub = self.hub(call.kind)
        if isinstance(hub, ConvertingHub):
            return ConvertedWatch(hub, selection, call.form, wanted, loop.call_later)
        return Watch(hub, selection, call.form, wanted, loop.call_later)

    async def _measured(self, call: Call) -> Answer:
        """Objects that are measured, not stored."""
        kind, route = call.kind, call.route
        selection = selection_of(kind, route.namespace, route.name, call.request.query)
        records = await self._measures[kind.group, kind.plural](route.namespace)
        found = selection.filter(kind, records)
        if not route.name:
            return reading.list_of(kind, found, b"{}", call.form, call.now)
        if not found:
            # Measures of things bear the things' names; they call themselves by their own.
            resource = kind.plural if kind.singular else kind.kind.lower()
            raise NotFound.of(resource, route.name, group=kind.group)
        return reading.one(kind, found[0], call.form, call.now)

    # Watches.

    def hub(self, kind: Kind) -> Hub:
        name = (kind.group, kind.version, kind.plural)
        hub = self._hubs.get(name)
        if hub is None:
            if kind.conversion is None:
                hub = Hub(kind, self._store, self._clock)
            else:
                hub = ConvertingHub(kind, self._store, self._clock, self._converter)
            self._hubs[name] = hub
        return hub

    def watches(self) -> Iterator[tuple[dict[str, str], float]]:
        """How many watch each kind, for metrics."""
        for (group, version, plural), hub in self._hubs.items():
            yield {"verb": "WATCH", "group": group, "version": version, "resource": plural}, hub.watching

    def objects(self) -> Iterator[tuple[dict[str, str], float]]:
        """How many objects there are of each kind, for metrics."""
        for kind in self._kinds.kinds():
            if kind.stored_as is None and not kind.measured:
                yield {"group": kind.group, "resource": kind.plural}, self._store.count(kind.storage_prefix)

    def _forget(self, kind: Kind) -> None:
        """A kind is served no more, or otherwise than before: whoever watches it asks again."""
        hub = self._hubs.pop((kind.group, kind.version, kind.plural), None)
        if hub is not None:
            hub.close()

    def bookmark(self) -> None:
        """Send bookmarks to all watches that want them."""
        for hub in self._hubs.values():
            hub.bookmark()

    def close(self) -> None:
        """End all watches."""
        for hub in self._hubs.values():
            hub.close()
        self._hubs.clear()
