"""Verbs that delete: one object, or all that a selection chooses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from apimachinery.aio.tasks import finished
from apimachinery.objects.errors import NotFound
from engine.apiserver import admission, deletion, options, reading, wire
from engine.apiserver.answers import success
from engine.apiserver.call import Call
from engine.apiserver.custom.converter import Converter
from engine.apiserver.deletion import DeleteRequest
from engine.apiserver.dynamic.admission import DynamicAdmission
from engine.apiserver.guard import Guard, Write
from engine.apiserver.notes import value_of
from engine.apiserver.request import Answer, json_response
from engine.apiserver.selection import selection_of
from engine.apiserver.versions import page_of
from engine.store.errors import KeyMissing, RevisionMismatch
from engine.store.protocol import Record, Store

_AT_ONCE = 16
"""Objects of a collection that are deleted at the same time, so that the store writes them together; others get their
turn in between."""


class Removing:
    """The verbs that delete from one store."""

    def __init__(self, store: Store, guards: Sequence[Guard], dynamic: DynamicAdmission, converter: Converter) -> None:
        self._store = store
        self._guards = guards
        self._dynamic = dynamic
        self._converter = converter

    async def delete(self, call: Call) -> Answer:
        request = options.delete_request(call.request)
        admission.check_delete(call.kind, call.route.name)
        record, gone = await self.remove(call, call.key, call.route.name, request)
        if not gone or call.kind.returns_deleted:
            return reading.one(call.kind, await self._converter.shown(call.kind, record), call.form, call.now)
        # Metadata is the same in all versions.
        metadata = wire.decode(record)["metadata"]
        details = {"name": metadata["name"], "kind": call.kind.plural, "uid": metadata.get("uid", "")}
        if call.kind.group:
            details["group"] = call.kind.group
        return json_response(success(details))

    async def delete_collection(self, call: Call) -> Answer:
        request = options.delete_request(call.request)
        selection = selection_of(call.kind, call.route.namespace, "", call.request.query)
        page = page_of(call.request.query)
        chosen = await self._converter.reading(
            call.kind,
            self._store,
            lambda store: selection.filter(call.kind, store.list(selection.prefix(call.kind)).records),
        )
        chosen = chosen[: page.limit or None]
        removed: list[Record] = []
        for start in range(0, len(chosen), _AT_ONCE):
            some = (self._remove_chosen(call, record.key, request) for record in chosen[start : start + _AT_ONCE])
            removed += [record for record in await finished(some) if record is not None]
        metadata = b'{"resourceVersion":"%d"}' % self._store.revision
        values = [value_of(call.kind, await self._converter.shown(call.kind, record)) for record in removed]
        return reading.list_answer(f"{call.kind.kind}List", call.kind.api_version, metadata, values)

    async def _remove_chosen(self, call: Call, key: str, request: DeleteRequest) -> Record | None:
        """None when somebody else was first."""
        # What is noted for after the write is of one object, and several are under way.
        own = replace(call, context=replace(call.context, on_commit=[], on_rollback=[]))
        try:
            return (await self.remove(own, key, key.rpartition("/")[2], request))[0]
        except NotFound:
            return None

    async def remove(self, call: Call, key: str, name: str, request: DeleteRequest) -> tuple[Record, bool]:
        """The object as it is after the deletion took effect, and whether it is gone."""
        kind, context = call.kind, call.context
        while True:
            record = self._store.latest(key)
            if record is None:
                raise NotFound.of(kind.plural, name, group=kind.group)
            obj = await self._converter.read(kind, record)
            for guard in self._guards:
                guard.check(Write(call.request.user, kind, "", call.route.namespace, name, None, obj, context))
            if not self._dynamic.idle:
                asked = Write(call.request.user, kind, "", call.route.namespace, name, None, obj, context)
                await self._dynamic.mutate(asked)
                await self._dynamic.validate(asked)
            deletion.check_preconditions(kind, obj, request, record.revision)
            outcome = deletion.mark(kind, obj, request, context)
            if outcome == "unchanged" or request.dry_run:
                return record, outcome == "gone"
            try:
                value = await self._converter.value(kind, obj)
                if outcome == "marked":
                    return await self._store.update(key, value, record.revision), False
                revision = await self._store.delete(key, record.revision)
            except (RevisionMismatch, KeyMissing):
                continue
            kind.after_delete(obj, context)
            context.committed()
            return Record(key, wire.with_revision(value, revision), revision), True
