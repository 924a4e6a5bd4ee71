"""A request's way: route, authorise, read or write, answer. One straight pipe; kinds change it only by their Kind.

A write: decode and check fields → defaults and admission → strategy and validation → store (compare-and-swap, durable)
→ answer. Watchers hear of it from the store. Authentication happened where the connection is known (the transport).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from apimachinery.aio.clock import Clock
from apimachinery.objects.errors import (
    AlreadyExists,
    BadRequest,
    Conflict,
    InternalError,
    Invalid,
    MethodNotAllowed,
    NotFound,
    StatusError,
)
from apimachinery.objects.field import invalid
from engine.apiserver import admission, binding, connect, deletion, options, reading, wire
from engine.apiserver.answers import error_response, not_served, success, warning_headers
from engine.apiserver.authz import Authorizer, denied, denied_path
from engine.apiserver.deletion import DeleteRequest
from engine.apiserver.documents import Documents
from engine.apiserver.negotiate import Form, form_of
from engine.apiserver.notes import value_of
from engine.apiserver.registry import catalog, strategy
from engine.apiserver.registry.kind import Allocator, Context, Kind, Subresource
from engine.apiserver.registry.metadata import generate_name
from engine.apiserver.request import Answer, Request, Response, json_response
from engine.apiserver.route import Route, parse
from engine.apiserver.schema import decode as schema
from engine.apiserver.schema import patching, protobuf
from engine.apiserver.selection import selection_of
from engine.apiserver.versions import page_of
from engine.apiserver.watching import Hub, Watch, watch_options
from engine.store.errors import KeyExists, KeyMissing, RevisionMismatch, StoreUnavailable
from engine.store.protocol import Record, Store

log = structlog.get_logger(__name__)

Json = dict[str, Any]
Revise = Callable[[Json], Json]

# How often a generated name may collide before we say so.
_NAME_ATTEMPTS = 8


@dataclass(slots=True)
class Call:
    """One request on its way, with what has been found out about it."""

    request: Request
    route: Route
    kind: Kind
    subresource: Subresource | None
    form: Form
    context: Context
    validation: schema.FieldValidation

    @property
    def key(self) -> str:
        return self.kind.key(self.route.namespace, self.route.name)

    @property
    def type_meta(self) -> schema.TypeMeta:
        """The type that the body has: the kind's own, or the subresource's."""
        sub, kind = self.subresource, self.kind
        if sub is None or not sub.kind:
            return schema.TypeMeta(kind.group, kind.version, kind.kind)
        return schema.TypeMeta(kind.group if sub.group is None else sub.group, sub.version or kind.version, sub.kind)


class Pipe:
    """Serves every request. Knows no transport."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        authorizer: Authorizer,
        documents: Documents,
        service_ips: Allocator,
        node_ports: Allocator,
    ) -> None:
        self._store = store
        self._clock = clock
        self._authorizer = authorizer
        self._documents = documents
        self._service_ips = service_ips
        self._node_ports = node_ports
        self._hubs: dict[tuple[str, str, str], Hub] = {}
        self._verbs: dict[str, Callable[[Call], Awaitable[Answer]]] = {
            "get": self._get,
            "list": self._list,
            "watch": self._watch,
            "create": self._create,
            "update": self._update,
            "patch": self._patch,
            "delete": self._delete,
            "deletecollection": self._delete_collection,
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
        route = parse(request.method, request.path, request.query)
        if route is None:
            if not self._authorizer.allows_path(request.user, request.method, request.path):
                raise denied_path(request.user, request.method, request.path)
            return await self._documents.answer(request)
        if not self._authorizer.allows(request.user, route):
            raise denied(request.user, route)
        if request.body and request.header("content-type").startswith(protobuf.MEDIA_TYPE):
            request = request.with_json(protobuf.to_json(request.body))
        return await self._verbs[route.verb](self._call(request, route))

    def _call(self, request: Request, route: Route) -> Call:
        kind = catalog.by_resource(route.group, route.version, route.plural)
        sub = kind.subresources.get(route.subresource) if kind is not None and route.subresource else None
        if kind is None or (route.subresource and sub is None):
            raise not_served()
        verbs = kind.verbs if sub is None else sub.verbs
        misplaced = sub is None and route.verb == "create" and route.name
        if misplaced or (route.verb not in verbs and route.subresource not in connect.STREAMS):
            raise MethodNotAllowed("the server does not allow this method on the requested resource")
        user = request.user
        context = Context(
            now=self._clock.now(),
            user=user.name,
            groups=user.groups,
            dry_run=options.dry_run(request),
            lookup=self._lookup,
            service_ips=self._service_ips,
            node_ports=self._node_ports,
        )
        form = form_of(request.header("accept"), request.query)
        if route.name:
            admission.check_node(user, kind, route, route.name, context)
        return Call(request, route, kind, sub, form, context, options.field_validation(request))

    # Reading.

    async def _get(self, call: Call) -> Answer:
        sub = call.subresource
        if call.route.subresource in connect.STREAMS:
            return connect.to_node(self._existing(call), call.route.subresource, call.request.query)
        if not call.request.query.get("resourceVersion"):
            await self._store.barrier()
        now = call.context.now.timestamp()
        if sub is not None and sub.project is not None:
            return reading.answer(msgspec.json.encode(sub.project(self._existing(call))), call.form)
        return reading.get(call.kind, self._store, call.key, form=call.form, query=call.request.query, now=now)

    async def _list(self, call: Call) -> Answer:
        if not call.request.query.get("resourceVersion"):
            await self._store.barrier()
        selection = selection_of(call.kind, call.route.namespace, "", call.request.query)
        now = call.context.now.timestamp()
        return reading.list_(call.kind, self._store, selection, form=call.form, query=call.request.query, now=now)

    async def _watch(self, call: Call) -> Answer:
        wanted = watch_options(call.request.query)
        selection = selection_of(call.kind, call.route.namespace, call.route.name, call.request.query)
        loop = asyncio.get_running_loop()
        return Watch(self.hub(call.kind), selection, call.form, wanted, loop.call_later)

    # Writing.

    async def _create(self, call: Call) -> Answer:
        if call.route.subresource in connect.STREAMS:
            return connect.to_node(self._existing(call), call.route.subresource, call.request.query)
        if call.route.subresource == "binding":
            return await self._bind(call)
        if call.subresource is not None:
            raise MethodNotAllowed("the server does not allow this method on the requested resource")
        obj = self._decoded(call)
        record = await self._store_new(call, obj)
        return self._written(call, record, 201)

    async def _update(self, call: Call) -> Answer:
        sub = call.subresource

        def put(old: Json) -> Json:
            sent = self._decoded(call)
            name = sent.get("metadata", {}).get("name", "")
            if name != call.route.name:
                if not name:
                    raise BadRequest("name must be provided")
                raise BadRequest(
                    f"the name of the object ({name}) does not match the name on the URL ({call.route.name})"
                )
            if sub is not None and sub.absorb is not None:
                return _absorbed(sub, old, sent)
            self._check_unconditional(call, sent)
            return sent

        if sub is None and call.kind.allow_create_on_update and self._store.latest(call.key) is None:
            return self._written(call, await self._store_new(call, self._decoded(call)), 201)
        return self._written(call, await self._store_changed(call, put), 200)

    async def _patch(self, call: Call) -> Answer:
        kind_of_patch = patching.patch_kind(call.request.header("content-type"))
        sub = call.subresource

        def patched(old: Json) -> Json:
            if sub is not None and sub.project is not None and sub.absorb is not None:
                return _absorbed(sub, old, self._patched(call, kind_of_patch, sub.project(old)))
            return self._patched(call, kind_of_patch, old)

        if kind_of_patch == "apply" and sub is None and self._store.latest(call.key) is None:
            created = self._decoded(call, "application/yaml")
            created.setdefault("metadata", {}).setdefault("name", call.route.name)
            return self._written(call, await self._store_new(call, created), 201)
        return self._written(call, await self._store_changed(call, patched), 200)

    async def _delete(self, call: Call) -> Answer:
        request = options.delete_request(call.request)
        admission.check_delete(call.kind, call.route.name)
        record, gone = await self._remove(call, call.key, call.route.name, request)
        if not gone or call.kind.returns_deleted:
            return reading.one(call.kind, record, call.form, call.context.now.timestamp())
        metadata = self._read(call.kind, record)["metadata"]
        details = {"name": metadata["name"], "kind": call.kind.plural, "uid": metadata.get("uid", "")}
        if call.kind.group:
            details["group"] = call.kind.group
        return json_response(success(details))

    async def _delete_collection(self, call: Call) -> Answer:
        request = options.delete_request(call.request)
        selection = selection_of(call.kind, call.route.namespace, "", call.request.query)
        page = page_of(call.request.query)
        chosen = selection.filter(call.kind, self._store.list(selection.prefix(call.kind)).records)
        removed: list[Record] = []
        for record in chosen[: page.limit or None]:
            name = record.key.rpartition("/")[2]
            try:
                removed.append((await self._remove(call, record.key, name, request))[0])
            except NotFound:
                continue
        metadata = b'{"resourceVersion":"%d"}' % self._store.revision
        values = [value_of(call.kind, record) for record in removed]
        return reading.list_answer(f"{call.kind.kind}List", call.kind.api_version, metadata, values, call.form)

    # The steps of a write.

    def _decoded(self, call: Call, content_type: str = "") -> Json:
        obj, warnings = schema.decode(
            call.request.body,
            call.type_meta,
            validation=call.validation,
            content_type=content_type or call.request.header("content-type") or "application/json",
        )
        call.context.warnings[:] = warnings
        return obj

    def _patched(self, call: Call, kind_of_patch: patching.PatchKind, old: Json) -> Json:
        if kind_of_patch == "apply":
            # Fields that the applier stops sending stay: ownership of fields is not recorded yet.
            sent = self._decoded(call, "application/yaml")
            sent.get("metadata", {}).pop("resourceVersion", None)
            new = patching.apply_patch("strategic", old, msgspec.json.encode(sent), call.type_meta)
        else:
            new = patching.apply_patch(kind_of_patch, old, call.request.body, call.type_meta)
        decoded, warnings = schema.decode_patched(new, call.type_meta, validation=call.validation)
        call.context.warnings[:] = warnings
        return decoded

    async def _store_new(self, call: Call, obj: Json) -> Record:
        kind, context, namespace = call.kind, call.context, call.route.namespace
        if obj.get("metadata", {}).get("resourceVersion"):
            raise BadRequest("resourceVersion should not be set on objects to be created")
        strategy.admit_create(kind, obj, namespace if kind.namespaced else None, context)
        metadata: Json = obj["metadata"]
        admission.check_namespace(kind, namespace, metadata.get("name", ""), context)
        admission.check_node(call.request.user, kind, call.route, metadata.get("name", ""), context)
        try:
            strategy.prepare_create(kind, obj, context)
            record = await self._insert_named(call, obj)
        except BaseException:
            context.rolled_back()
            raise
        if context.dry_run:
            context.rolled_back()
        else:
            context.committed()
        return record

    async def _insert_named(self, call: Call, obj: Json) -> Record:
        """Insert; under another generated name when the first is taken. Raises AlreadyExists."""
        metadata: Json = obj["metadata"]
        attempts = _NAME_ATTEMPTS if metadata.get("generateName") else 1
        while True:
            try:
                return await self._insert(call, obj)
            except KeyExists:
                attempts -= 1
                if not attempts:
                    raise AlreadyExists.of(call.kind.plural, metadata["name"], group=call.kind.group) from None
                metadata["name"] = generate_name(metadata["generateName"])

    async def _insert(self, call: Call, obj: Json) -> Record:
        key = call.kind.key(call.route.namespace, obj["metadata"]["name"])
        value = self._stored(call.kind, obj)
        if not call.context.dry_run:
            return await self._store.create(key, value)
        if self._store.latest(key) is not None:
            raise KeyExists(key)
        return Record(key, value, 0)

    async def _store_changed(self, call: Call, revise: Revise, key: str = "") -> Record:
        """Read, revise, check, compare and swap; again when somebody else was faster and the client did not mind."""
        kind, context = call.kind, call.context
        key = key or call.key
        while True:
            record = self._store.latest(key)
            if record is None:
                raise NotFound.of(kind.plural, call.route.name, group=kind.group)
            old = self._read(kind, record)
            new = revise(self._read(kind, record))
            named_revision = self._check_identity(call, new, old, record)
            for obj in (new, old):
                obj["metadata"].pop("resourceVersion", None)
            try:
                self._prepare_change(call, new, old)
                changed = await self._swap(call, record, new, old)
            except (RevisionMismatch, KeyMissing):
                context.rolled_back()
                if named_revision:
                    raise Conflict.modified(kind.plural, call.route.name, group=kind.group) from None
                continue
            except BaseException:
                context.rolled_back()
                raise
            if context.dry_run:
                context.rolled_back()
            else:
                context.committed()
            return changed

    def _prepare_change(self, call: Call, new: Json, old: Json) -> None:
        kind, sub, context = call.kind, call.subresource, call.context
        if sub is not None and sub.absorb is None:
            strategy.prepare_subresource(kind, sub, new, old, context)
            return
        strategy.admit_update(kind, new, old, call.route.namespace if kind.namespaced else None, context)
        strategy.prepare_update(kind, new, old, context)

    async def _swap(self, call: Call, record: Record, new: Json, old: Json) -> Record:
        kind = call.kind
        if call.context.dry_run:
            return Record(record.key, wire.with_revision(self._stored(kind, new), record.revision), record.revision)
        if deletion.finished(kind, new):
            revision = await self._store.delete(record.key, record.revision)
            kind.after_delete(new, call.context)
            return Record(record.key, wire.with_revision(self._stored(kind, new), revision), revision)
        if new == old and self._store.get(record.key) is record:
            return record
        return await self._store.update(record.key, self._stored(kind, new), record.revision)

    def _check_identity(self, call: Call, new: Json, old: Json, record: Record) -> bool:
        """Whether the client named the revision it builds on. Raises Conflict when that is not the current one."""
        kind, metadata = call.kind, new.setdefault("metadata", {})
        uid, current_uid = metadata.get("uid"), old["metadata"].get("uid")
        if uid and uid != current_uid:
            detail = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {current_uid}"
            raise Conflict.of(kind.plural, call.route.name, detail, group=kind.group)
        version = metadata.get("resourceVersion")
        if version and version != str(record.revision):
            raise Conflict.modified(kind.plural, call.route.name, group=kind.group)
        return bool(version) and call.route.verb == "update"

    def _check_unconditional(self, call: Call, sent: Json) -> None:
        if sent.get("metadata", {}).get("resourceVersion") or call.kind.allow_unconditional_update:
            return
        error = invalid("metadata.resourceVersion", 0, "must be specified for an update")
        raise Invalid.of(call.kind.kind, call.kind.group, call.route.name, [error])

    async def _remove(self, call: Call, key: str, name: str, request: DeleteRequest) -> tuple[Record, bool]:
        """The object as it is after the deletion took effect, and whether it is gone."""
        kind, context = call.kind, call.context
        while True:
            record = self._store.latest(key)
            if record is None:
                raise NotFound.of(kind.plural, name, group=kind.group)
            obj = self._read(kind, record)
            deletion.check_preconditions(kind, obj, request, record.revision)
            outcome = deletion.mark(kind, obj, request, context)
            if outcome == "unchanged" or request.dry_run:
                return record, outcome == "gone"
            try:
                if outcome == "marked":
                    return await self._store.update(key, self._stored(kind, obj), record.revision), False
                revision = await self._store.delete(key, record.revision)
            except (RevisionMismatch, KeyMissing):
                continue
            kind.after_delete(obj, context)
            context.committed()
            return Record(key, wire.with_revision(self._stored(kind, obj), revision), revision), True

    async def _bind(self, call: Call) -> Answer:
        sent = self._decoded(call)
        binding.check(sent)
        while True:
            record = self._store.latest(call.key)
            if record is None:
                raise NotFound.of(call.kind.plural, call.route.name)
            value = self._stored(call.kind, binding.bind(self._read(call.kind, record), sent, call.context))
            try:
                if not call.context.dry_run:
                    await self._store.update(call.key, value, record.revision)
            except (RevisionMismatch, KeyMissing):
                continue
            return json_response(success(None, 201), 201, warning_headers(call.context.warnings))

    # Between bytes and objects.

    def _existing(self, call: Call) -> Json:
        record = self._store.get(call.key)
        if record is None:
            raise NotFound.of(call.kind.plural, call.route.name, group=call.kind.group)
        return self._read(call.kind, record)

    def _read(self, kind: Kind, record: Record) -> Json:
        obj = wire.decode(record)
        if kind.stored_as is not None:
            kind.from_storage(obj)
            obj["kind"], obj["apiVersion"] = kind.kind, kind.api_version
        return obj

    def _stored(self, kind: Kind, obj: Json) -> bytes:
        if kind.stored_as is not None:
            obj = msgspec.json.decode(msgspec.json.encode(obj))
            kind.to_storage(obj)
            stored = catalog.by_resource(*kind.stored_as)
            if stored is None:
                raise InternalError(f"no kind stores {kind.group_resource}")
            obj["kind"], obj["apiVersion"] = stored.kind, stored.api_version
        return wire.encode(obj)

    def _written(self, call: Call, record: Record, status: int) -> Response:
        sub = call.subresource
        headers = warning_headers(call.context.warnings)
        if sub is not None and sub.project is not None:
            return json_response(sub.project(self._read(call.kind, record)), status, headers)
        response = reading.one(call.kind, record, call.form, call.context.now.timestamp(), status)
        response.headers = headers
        return response

    def _lookup(self, group: str, plural: str, namespace: str, name: str) -> Json | None:
        kind = catalog.by_group_resource(group, plural)
        record = self._store.latest(kind.key(namespace, name)) if kind is not None else None
        return self._read(kind, record) if kind is not None and record is not None else None

    # Watches.

    def hub(self, kind: Kind) -> Hub:
        name = (kind.group, kind.version, kind.plural)
        hub = self._hubs.get(name)
        if hub is None:
            hub = self._hubs[name] = Hub(kind, self._store, self._clock)
        return hub

    def bookmark(self) -> None:
        """Send bookmarks to all watches that want them."""
        for hub in self._hubs.values():
            hub.bookmark()

    def close(self) -> None:
        """End all watches."""
        for hub in self._hubs.values():
            hub.close()
        self._hubs.clear()


def _absorbed(sub: Subresource, old: Json, view: Json) -> Json:
    if sub.absorb is not None:
        sub.absorb(old, view)
    return old
