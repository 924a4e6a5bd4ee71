"""Asks the webhooks that convert between versions, and remembers what they made of what is stored.

Reading stays a plain function: it gets a view of the store that knows the converted records; what the view does not
know yet is converted all at once, and the reading done again.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Self, TypeVar

from apimachinery.aio.tasks import TaskScope
from apimachinery.objects.errors import NotFound
from engine.apiserver import stored, wire
from engine.apiserver.call import Call
from engine.apiserver.custom.conversion import BadConversion, Conversion, answer_of, question
from engine.apiserver.custom.structural import copied
from engine.apiserver.dynamic.calling import Caller, CallFailed
from engine.apiserver.notes import Notes
from engine.apiserver.registry.kind import Json, Kind
from engine.store.protocol import Listing, Reader, Record, Store

T = TypeVar("T")

_SECONDS = 30.0
_REMEMBERED = 20_000


class Unconverted(Exception):
    """Records that a view was asked for and does not know yet."""

    def __init__(self, records: Sequence[Record]) -> None:
        super().__init__(f"{len(records)} records")
        self.records = records


class View:
    """A store as a kind sees it: see Reader. Raises Unconverted."""

    def __init__(self, kind: Kind, store: Reader, shown: dict[Record, Record]) -> None:
        self._kind = kind
        self._store = store
        self._shown = shown

    @property
    def revision(self) -> int:
        return self._store.revision

    def get(self, key: str) -> Record | None:
        record = self._store.get(key)
        return None if record is None else self._all([record])[0]

    def list(self, prefix: str, *, limit: int = 0, start_after: str = "", revision: int = 0) -> Listing:
        found = self._store.list(prefix, limit=limit, start_after=start_after, revision=revision)
        return Listing(self._all(found.records), found.revision, found.remaining)

    def _all(self, records: Sequence[Record]) -> list[Record]:
        waiting = [record for record in records if record not in self._shown]
        if waiting:
            raise Unconverted(waiting)
        return [self._shown[record] for record in records]


class Converter:
    """Between the versions that objects are stored in and those they are asked for. Plain kinds pass through."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self.scope = TaskScope("conversion")
        """Where watches that convert have their tasks."""

    async def __aenter__(self) -> Self:
        await self.scope.__aenter__()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.scope.__aexit__(None, None, None)

    async def reading(self, kind: Kind, store: Store, answer: Callable[[Reader], T]) -> T:
        """What `answer` makes of the store as the kind shows it. Raises StatusError when a webhook fails."""
        if kind.conversion is None:
            return answer(store)
        shown: dict[Record, Record] = {}
        view = View(kind, store, shown)
        while True:
            try:
                return answer(view)
            except Unconverted as missing:
                shown.update(zip(missing.records, await self.records(kind, missing.records), strict=True))

    async def records(self, kind: Kind, records: Sequence[Record]) -> list[Record]:
        """Durable records as the kind shows them, known ones without asking. Raises StatusError."""
        conversion: Conversion | None = kind.conversion
        if conversion is None:
            return list(records)
        known = conversion.known
        found = [known.get((record.key, record.revision, kind.api_version)) for record in records]
        waiting = [record for record, have in zip(records, found, strict=True) if have is None]
        made = iter(await self._shown(kind, waiting) if waiting else ())
        complete = [have if have is not None else next(made) for have in found]
        for record in complete:
            name = (record.key, record.revision, kind.api_version)
            known[name] = record
            known.move_to_end(name)
        while len(known) > _REMEMBERED:
            known.popitem(last=False)
        return complete

    async def shown(self, kind: Kind, record: Record) -> Record:
        """A record of a write, durable or not, as the kind shows it. Raises StatusError."""
        return record if kind.conversion is None else (await self._shown(kind, [record]))[0]

    async def read(self, kind: Kind, record: Record) -> Json:
        """A record as a whole object of the kind; the caller owns it. Raises StatusError."""
        if kind.conversion is None:
            return stored.read(kind, record)
        return (await self._objects(kind, kind.conversion, [record]))[0]

    async def read_twice(self, kind: Kind, record: Record) -> tuple[Json, Json]:
        """As `read`, with a second object that shares nothing with the first."""
        if kind.conversion is None:
            return stored.read(kind, record), stored.read(kind, record)
        first = await self.read(kind, record)
        return first, copied(first)

    async def existing(self, store: Store, call: Call) -> Json:
        """The object that a request names, as it is now. Raises NotFound, StatusError."""
        record = store.get(call.key)
        if record is None:
            raise NotFound.of(call.kind.plural, call.route.name, group=call.kind.group)
        return await self.read(call.kind, record)

    async def value(self, kind: Kind, obj: Json) -> bytes:
        """An object's bytes for the store. Raises StatusError."""
        conversion: Conversion | None = kind.conversion
        if conversion is None or kind.stored_as is None:
            return stored.value(kind, obj)
        return wire.encode((await self._asked(conversion, [copied(obj)], kind.stored_as[1]))[0])

    async def between(self, source: Kind, target: Kind, obj: Json) -> Json:
        """An object of one kind as another shows it that has the same storage. Raises StatusError."""
        conversion: Conversion | None = source.conversion
        obj = copied(obj)
        if conversion is not None:
            return (await self._asked(conversion, [obj], target.version))[0]
        if source.stored_as is not None:
            source.to_storage(obj)
        obj["kind"], obj["apiVersion"] = target.kind, target.api_version
        if target.stored_as is not None:
            target.from_storage(obj)
            obj["kind"], obj["apiVersion"] = target.kind, target.api_version
        return obj

    async def _shown(self, kind: Kind, records: Sequence[Record]) -> list[Record]:
        shown: list[Record] = []
        objects = await self._objects(kind, kind.conversion, records)
        for record, obj in zip(records, objects, strict=True):
            converted = Record(record.key, wire.with_revision(wire.encode(obj), record.revision), record.revision)
            converted.notes = Notes(converted.value, kind)
            shown.append(converted)
        return shown

    async def _objects(self, kind: Kind, conversion: Conversion, records: Sequence[Record]) -> list[Json]:
        objects = [wire.decode(record) for record in records]
        for obj in objects:
            conversion.shaping(obj).read(obj)
        return await self._asked(conversion, objects, kind.version)

    async def _asked(self, conversion: Conversion, objects: list[Json], version: str) -> list[Json]:
        """The objects in another version; those that have it already are left alone."""
        wanted = f"{conversion.group}/{version}"
        others = [obj for obj in objects if obj["apiVersion"] != wanted]
        if not others:
            return objects
        uid = str(uuid.uuid4())
        body, review = question(conversion, others, wanted, uid)
        try:
            answer = await self._caller.post(conversion.client, body, _SECONDS)
            made = answer_of(answer, review, uid, others, wanted)
        except CallFailed as error:
            text = str(error).removeprefix("failed to call webhook: ")
            raise conversion.failed(others[0]["apiVersion"], f"failed: {text}") from error
        except BadConversion as error:
            raise conversion.failed(others[0]["apiVersion"], str(error)) from error
        for obj in made:
            conversion.shapings[version].coerce(obj)
        converted = iter(made)
        return [obj if obj["apiVersion"] == wanted else next(converted) for obj in objects]
