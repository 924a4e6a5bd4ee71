"""Verbs that write: create, update, patch, and the scheduler's binding.

A write: decode and check fields → defaults and admission → strategy and validation → store (compare-and-swap, durable)
→ answer. Watchers hear of it from the store.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from apimachinery.objects.errors import AlreadyExists, BadRequest, Conflict, Invalid, MethodNotAllowed, NotFound
from apimachinery.objects.field import invalid
from engine.apiserver import admission, binding, deletion, options, ownership, reading, stored, wire
from engine.apiserver.admission import limitranges
from engine.apiserver.admission.quotas import Quotas
from engine.apiserver.answers import success, warning_headers
from engine.apiserver.call import Call
from engine.apiserver.custom.converter import Converter
from engine.apiserver.dynamic.admission import DynamicAdmission
from engine.apiserver.fieldmanagement.versions import Served
from engine.apiserver.guard import Guard, Write
from engine.apiserver.registry import strategy
from engine.apiserver.registry.core.binding import BINDING
from engine.apiserver.registry.core.pod import POD
from engine.apiserver.registry.kind import Kind, Subresource
from engine.apiserver.registry.metadata import generate_name
from engine.apiserver.request import Answer, Response, json_response
from engine.apiserver.schema import decode as schema
from engine.apiserver.schema import patching
from engine.store.errors import KeyExists, KeyMissing, RevisionMismatch
from engine.store.protocol import Record, Store

Json = dict[str, Any]
Revise = Callable[[Json], Json]
Creator = Callable[[Call, Json], Awaitable[Json]]
"""Answers a POST that stores nothing of its kind: a review, a token. Gets the decoded body. Raises StatusError."""

# How often a generated name may collide before we say so.
_NAME_ATTEMPTS = 8


class Writing:
    """The verbs that write to one store."""

    def __init__(
        self,
        store: Store,
        *,
        guards: Sequence[Guard],
        judges: Sequence[Guard],
        creators: Mapping[tuple[str, str, str], Creator],
        may_create: Callable[[Call], None],
        dynamic: DynamicAdmission,
        converter: Converter,
        kind_of: Callable[[str, str, str], Kind | None],
    ) -> None:
        """`kind_of`: by group, version and plural. `guards` look at what was sent, `judges` at what will be stored.

        `may_create` raises Forbidden for those who may change an object by PUT or apply, but not create one.
        """
        self._store = store
        self._may_create = may_create
        self._guards = guards
        self._judges = judges
        self._creators = creators
        self._dynamic = dynamic
        self._converter = converter
        self._kind_of = kind_of
        self._quotas = Quotas(store)

    async def create(self, call: Call) -> Answer:
        options.check(call.request.query, "create")
        if call.route.subresource == "binding" or call.kind is BINDING:
            return await self._bind(call)
        creator = self._creators.get((call.kind.group, call.kind.plural, call.route.subresource))
        if creator is not None:
            posted = self._decoded(call)
            if call.subresource is not None:
                await self._admit_posted(call, posted)
            answer = await creator(call, posted)
            return json_response(answer, 201, warning_headers(call.context.warnings))
        if call.subresource is not None:
            raise MethodNotAllowed("the server does not allow this method on the requested resource")
        obj = self._decoded(call)
        record = await self._store_new(call, obj)
        return await self._written(call, record, 201)

    async def update(self, call: Call) -> Answer:
        options.check(call.request.query, "update")
        sub = call.subresource

        def put(old: Json) -> Json:
            sent = self._decoded(call)
            _check_name(call, sent)
            if sub is not None and sub.absorb is not None:
                return _absorbed(sub, old, sent)
            self._check_unconditional(call, sent)
            return sent

        if sub is None and call.kind.allow_create_on_update and self._store.latest(call.key) is None:
            return await self._written(call, await self._store_new(call, self._decoded(call)), 201)
        return await self._written(call, await self._store_changed(call, put), 200)

    async def patch(self, call: Call) -> Answer:
        kind_of_patch = patching.patch_kind(call.request.header("content-type"), strategic=call.kind.decoder is None)
        sub = call.subresource

        def patched(old: Json) -> Json:
            if sub is not None and sub.project is not None and sub.absorb is not None:
                return _absorbed(sub, old, self._patched(call, kind_of_patch, sub.project(old)))
            return self._patched(call, kind_of_patch, old)

        options.check(call.request.query, "patch", apply=kind_of_patch == "apply")
        if kind_of_patch == "apply":
            return await self._apply(call)
        return await self._written(call, await self._store_changed(call, patched), 200)

    async def _apply(self, call: Call) -> Answer:
        if call.subresource is None and self._store.latest(call.key) is None:
            # Whoever creates it in the meantime leaves us something to apply to.
            with suppress(AlreadyExists):
                created = ownership.applied(call, None, None)
                return await self._written(call, await self._store_new(call, created, applied=True), 201)
        return await self._written(call, await self._store_changed(call, None), 200)

    async def _bind(self, call: Call) -> Answer:
        sent = self._decoded(call)
        binding.check(sent)
        await self._admit_posted(call, sent)
        name = call.route.name or sent.get("metadata", {}).get("name", "")
        key = POD.key(call.route.namespace, name)
        while True:
            record = self._store.latest(key)
            if record is None:
                raise NotFound.of(POD.plural, name)
            value = stored.value(POD, binding.bind(stored.read(POD, record), sent, call.context))
            try:
                if not call.context.dry_run:
                    await self._store.update(key, value, record.revision)
            except (RevisionMismatch, KeyMissing):
                continue
            return json_response(success(None, 201), 201, warning_headers(call.context.warnings))

    # The steps.

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
        new, problems = patching.apply_patch(kind_of_patch, old, call.request.body, call.type_meta)
        decoded, warnings = schema.decode_patched(new, call.type_meta, problems, validation=call.validation)
        call.context.warnings[:] = warnings
        _check_name(call, decoded)
        return decoded

    async def _store_new(self, call: Call, obj: Json, *, applied: bool = False) -> Record:
        kind, context, namespace = call.kind, call.context, call.route.namespace
        if call.route.verb != "create":
            self._may_create(call)
        named = bool(obj.get("metadata", {}).get("name"))
        strategy.admit_create(kind, obj, namespace if kind.namespaced else None, context)
        metadata: Json = obj["metadata"]
        admission.check_namespace(kind, namespace, metadata.get("name", ""), context)
        self._guard(call, metadata.get("name", ""), obj, None)
        if not self._dynamic.idle:
            await self._mutated(call, obj, None)
        limitranges.admit(kind, obj, context)
        if not applied:
            ownership.record_create(call, obj)
        try:
            strategy.prepare_create(kind, obj, context)
            await self._judge(self._write(call, metadata.get("name", ""), obj, None))
            await self._quotas.charge(kind, obj, None, context)
            record = await self._insert_named(call, obj, named=named)
        except BaseException:
            context.rolled_back()
            raise
        if context.dry_run:
            context.rolled_back()
        else:
            context.committed()
        return record

    async def _insert_named(self, call: Call, obj: Json, *, named: bool) -> Record:
        """Insert; under another generated name when the first is taken, unless the client `named` the object itself.

        Raises AlreadyExists.
        """
        metadata: Json = obj["metadata"]
        base = metadata.get("generateName", "")
        attempts = _NAME_ATTEMPTS if base and not named else 1
        while True:
            try:
                return await self._insert(call, obj)
            except KeyExists:
                attempts -= 1
                if not attempts:
                    refused = AlreadyExists.generated if base else AlreadyExists.of
                    raise refused(call.kind.plural, metadata["name"], group=call.kind.group) from None
                metadata["name"] = generate_name(base)

    async def _insert(self, call: Call, obj: Json) -> Record:
        key = call.kind.key(call.route.namespace, obj["metadata"]["name"])
        value = await self._converter.value(call.kind, obj)
        if not call.context.dry_run:
            return await self._store.create(key, value)
        if self._store.latest(key) is not None:
            raise KeyExists(key)
        return Record(key, value, 0)

    async def _store_changed(self, call: Call, revise: Revise | None) -> Record:
        """Read, revise, check, compare and swap; again when somebody else was faster and the client did not mind.

        Without `revise` it is an apply.
        """
        kind, context = call.kind, call.context
        versions = ownership.versions_of(call, self._kind_of, self._converter)
        while True:
            record = self._store.latest(call.key)
            if record is None:
                raise NotFound.of(kind.plural, call.route.name, group=kind.group)
            old, current = await self._converter.read_twice(kind, record)
            if revise is not None:
                new = revise(current)
            else:
                new = await versions.settled(partial(ownership.applied, call, versions, current))
            named_revision = self._check_identity(call, new, old, record)
            for obj in (new, old):
                obj["metadata"].pop("resourceVersion", None)
            try:
                await self._prepare_change(call, new, old, None if revise is None else versions)
                await self._quotas.charge(kind, new, old, context, subresource=call.route.subresource)
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

    async def _prepare_change(self, call: Call, new: Json, old: Json, versions: Served | None) -> None:
        """`versions`: where the owners of what changed are yet to be told; an apply has done so."""
        kind, sub, context = call.kind, call.subresource, call.context
        entries = new["metadata"].pop("managedFields", None)
        if sub is not None and sub.absorb is None:
            if not self._dynamic.idle:
                await self._mutated(call, new, old)
            strategy.prepare_subresource(kind, sub, new, old, context)
            self._guard(call, call.route.name, new, old)
        else:
            strategy.admit_update(kind, new, old, call.route.namespace if kind.namespaced else None, context)
            self._guard(call, call.route.name, new, old)
            if not self._dynamic.idle:
                await self._mutated(call, new, old)
            strategy.prepare_update(kind, new, old, context)
        if sub is not None and sub.project is not None:
            await self._judge(self._write(call, call.route.name, sub.project(new), sub.project(old)))
        else:
            await self._judge(self._write(call, call.route.name, new, old))
        if versions is not None:
            await versions.settled(partial(ownership.record_update, call, versions, new, old, entries))
        elif entries:
            new["metadata"]["managedFields"] = entries

    async def _mutated(self, call: Call, obj: Json, old: Json | None) -> None:
        """Let webhooks change an admitted object, in place; what they left is brought into stored form."""

        sub, name = call.subresource, obj["metadata"].get("name", "")
        if sub is not None and sub.project is not None and sub.absorb is not None and old is not None:
            # What is sent there is a view: hooks see that, and what they change of it is written through it.
            view = sub.project(obj)
            if await self._dynamic.mutate(self._write(call, name, view, sub.project(old))):
                sub.absorb(obj, view)
            return

        def tidy(changed: Json) -> None:
            decoded, _ = schema.decode_patched(dict(changed), call.parent_type, validation="Ignore")
            changed.clear()
            changed.update(decoded)
            call.kind.set_defaults(changed)

        def readmit(changed: Json) -> None:
            if old is None:
                call.kind.admit(changed, call.context)

        await self._dynamic.mutate(self._write(call, name, obj, old), tidy, readmit)

    async def _admit_posted(self, call: Call, posted: Json) -> None:
        """Ask hooks about what is sent to a path below an object and is stored nowhere: an eviction, a binding."""
        if not self._dynamic.idle:
            write = self._write(call, call.route.name, posted, None)
            await self._dynamic.mutate(write)
            await self._dynamic.validate(write)

    def _write(self, call: Call, name: str, new: Json, old: Json | None) -> Write:
        route = call.route
        meta = call.type_meta
        own = call.subresource is None or not call.subresource.kind
        return Write(
            call.request.user,
            call.kind,
            route.subresource,
            route.namespace,
            name,
            new,
            old,
            call.context,
            object_type=None if own else (meta.group, meta.version, meta.kind),
        )

    async def _judge(self, write: Write) -> None:
        for judge in self._judges:
            judge.check(write)
        if not self._dynamic.idle:
            await self._dynamic.validate(write)

    def _guard(self, call: Call, name: str, new: Json, old: Json | None) -> None:
        write = self._write(call, name, new, old)
        for guard in self._guards:
            guard.check(write)

    async def _swap(self, call: Call, record: Record, new: Json, old: Json) -> Record:
        kind, value = call.kind, await self._converter.value(call.kind, new)
        if call.context.dry_run:
            return Record(record.key, wire.with_revision(value, record.revision), record.revision)
        if deletion.finished(kind, new):
            revision = await self._store.delete(record.key, record.revision)
            kind.after_delete(new, call.context)
            return Record(record.key, wire.with_revision(value, revision), revision)
        if new == old and self._store.get(record.key) is record and _as_stored(kind, value, record):
            return record
        return await self._store.update(record.key, value, record.revision)

    def _check_identity(self, call: Call, new: Json, old: Json, record: Record) -> bool:
        """Whether the client named the revision it builds on. Raises Conflict when that is not the current one."""
        kind, metadata = call.kind, new.setdefault("metadata", {})
        uid, current_uid = metadata.get("uid"), old["metadata"].get("uid")
        if uid and uid != current_uid:
            detail = (
                f"StorageError: invalid object, Code: 4, Key: {record.key}, ResourceVersion: 0, AdditionalErrorMsg:"
                f" Precondition failed: UID in precondition: {uid}, UID in object meta: {current_uid}"
            )
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

    async def _written(self, call: Call, record: Record, status: int) -> Response:
        sub = call.subresource
        headers = warning_headers(call.context.warnings)
        if sub is not None and sub.project is not None:
            return json_response(sub.project(await self._converter.read(call.kind, record)), status, headers)
        shown = await self._converter.shown(call.kind, record)
        response = reading.one(call.kind, shown, call.form, call.now, status)
        response.headers = headers
        return response


def _check_name(call: Call, sent: Json) -> None:
    """An object says of itself where it is. Raises BadRequest."""
    metadata, asked = sent.get("metadata") or {}, call.route
    name, namespace = metadata.get("name", ""), metadata.get("namespace", "")
    if not name:
        raise BadRequest(
            f"the name of the object ({asked.name} based on URL) was undeterminable: name must be provided"
        )
    if name != asked.name:
        raise BadRequest(f"the name of the object ({name}) does not match the name on the URL ({asked.name})")
    if asked.namespace and namespace and namespace != asked.namespace:
        raise BadRequest(
            f"the namespace of the object ({namespace}) does not match the namespace on the request ({asked.namespace})"
        )


def _as_stored(kind: Kind, value: bytes, record: Record) -> bool:
    """Whether writing the object would change no byte: one that was stored in another version is written anew."""
    return kind.stored_as is None or wire.with_revision(value, record.revision) == record.value


def _absorbed(sub: Subresource, old: Json, view: Json) -> Json:
    if sub.absorb is not None:
        sub.absorb(old, view)
    return old
