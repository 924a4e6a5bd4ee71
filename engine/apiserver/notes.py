"""What we read out of a record, kept beside it: labels, selectable fields, table row, metadata.

A record never changes, so each of these is worked out at most once, and only when somebody asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from apimachinery.objects.selectors import FieldSelector, Selector
from engine.apiserver import wire
from engine.apiserver.registry.kind import Column, Kind, Since
from engine.apiserver.registry.views import Metadata, age, name
from engine.store.protocol import Record

Row = tuple[bytes | Since, ...]
"""A table row's cells as JSON, cut where an ageing cell has to be filled in."""


class _Named(msgspec.Struct, frozen=True):
    name: str = ""
    namespace: str = ""
    labels: dict[str, str] | None = None


class _Labelled(msgspec.Struct, frozen=True):
    metadata: _Named


class _Metadata(msgspec.Struct, frozen=True):
    metadata: msgspec.Raw


class PlainRow(msgspec.Struct, frozen=True):
    """The table view of kinds that name no columns of their own."""

    metadata: Metadata


PLAIN_COLUMNS = (Column(name="Name", format="name", cell=name), Column(name="Age", cell=age))

# No other field comes before it (see wire.py).
_METADATA = b'"metadata":'
_labelled = msgspec.json.Decoder(_Labelled).decode
_metadata = msgspec.json.Decoder(_Metadata).decode
_NO_LABELS: Mapping[str, str] = {}


class Notes:
    """See the module; every property is lazy."""

    __slots__ = ("_fields", "_labels", "_metadata_end", "_row", "_value", "shown_by")

    def __init__(self, value: bytes, shown_by: Kind | None = None) -> None:
        self._value = value
        self.shown_by = shown_by
        """The kind that shows the record in another shape than it is stored in."""
        self._labels: Mapping[str, str] | None = None
        self._fields: Mapping[str, str] | None = None
        self._row: Row | None = None
        self._metadata_end = 0

    @property
    def value(self) -> bytes:
        """The whole object as this kind shows it."""
        return self._value

    def labels(self) -> Mapping[str, str]:
        if self._labels is None:
            self._labels = _labelled(self._value).metadata.labels or _NO_LABELS
        return self._labels

    def fields(self, kind: Kind) -> Mapping[str, str]:
        if self._fields is None:
            named = _labelled(self._value).metadata
            self._fields = {"metadata.name": named.name, "metadata.namespace": named.namespace}
            if kind.field_view is not None:
                self._fields.update(kind.field_labels(msgspec.json.decode(self._value, type=kind.field_view)))
        return self._fields

    def metadata(self) -> bytes:
        """The metadata object's JSON. Only where it ends is kept: it is a slice of what is there already."""
        value = self._value
        start = value.index(_METADATA) + len(_METADATA)
        if not self._metadata_end:
            self._metadata_end = start + len(bytes(_metadata(value).metadata))
        return value[start : self._metadata_end]

    def row(self, kind: Kind) -> Row:
        if self._row is None:
            self._row = _row(kind, self._value)
        return self._row

    def match(self, kind: Kind, labels: Selector, fields: FieldSelector) -> bool:
        return (labels.everything or labels.matches(self.labels())) and (
            fields.everything or fields.matches(self.fields(kind))
        )


def notes_of(kind: Kind, record: Record) -> Notes:
    """A record as `kind` reads it."""
    notes = record.notes
    if kind.stored_as is not None:
        if notes is None or notes.shown_by is not kind:
            notes = record.notes = Notes(_converted(kind, record), kind)
        return notes
    if notes is None or notes.shown_by is not None:
        notes = record.notes = Notes(record.value)
    return notes


def value_of(kind: Kind, record: Record) -> bytes:
    """A record's bytes as `kind` shows them."""
    return record.value if kind.stored_as is None else notes_of(kind, record).value


def values_of(kind: Kind, records: Sequence[Record]) -> list[bytes]:
    """The same of many."""
    if kind.stored_as is None:
        return [record.value for record in records]
    return [notes_of(kind, record).value for record in records]


def _converted(kind: Kind, record: Record) -> bytes:
    obj = wire.decode(record)
    kind.from_storage(obj)
    obj["kind"], obj["apiVersion"] = kind.kind, kind.api_version
    converted = wire.with_revision(wire.encode(obj), record.revision)
    # Most often it is stored as it is shown: then the bytes are there already.
    return record.value if converted == record.value else converted


def _row(kind: Kind, value: bytes) -> Row:
    view = msgspec.json.decode(value, type=kind.table_view or PlainRow)
    parts: list[bytes | Since] = []
    run: list[bytes] = []
    for position, column in enumerate(kind.columns or PLAIN_COLUMNS):
        if position:
            run.append(b",")
        cell = column.cell(view)
        if isinstance(cell, Since):
            parts += (b"".join(run), cell)
            run = []
        else:
            run.append(msgspec.json.encode(cell))
    parts.append(b"".join(run))
    return tuple(parts)
