"""Which objects of a kind a LIST, WATCH or deletecollection is about: the query's selectors, checked. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from apimachinery.objects.errors import BadRequest
from apimachinery.objects.selectors import FieldSelector, Selector, parse_field_selector, parse_label_selector
from engine.apiserver.notes import Notes, notes_of
from engine.apiserver.registry.kind import Kind
from engine.apiserver.request import Query
from engine.store.protocol import Record


@dataclass(frozen=True, slots=True)
class Selection:
    """Objects of one kind in one namespace ("" = all) that both selectors match. Hashable: watches share by it."""

    namespace: str
    labels: Selector
    fields: FieldSelector

    @property
    def everything(self) -> bool:
        """Whether the key prefix alone decides."""
        return self.labels.everything and self.fields.everything

    def prefix(self, kind: Kind) -> str:
        return f"{kind.storage_prefix}{self.namespace}/" if self.namespace else kind.storage_prefix

    def key(self, kind: Kind) -> str:
        """The one key that can match, when the fields name an object; empty otherwise."""
        name = self.fields.required_value("metadata.name")
        if name is None:
            return ""
        if not kind.namespaced:
            return kind.key(None, name)
        namespace = self.namespace or self.fields.required_value("metadata.namespace")
        return kind.key(namespace, name) if namespace else ""

    def matches(self, kind: Kind, record: Record) -> bool:
        return self.everything or notes_of(kind, record).match(kind, self.labels, self.fields)

    def filter(self, kind: Kind, records: Iterable[Record]) -> list[Record]:
        if self.everything:
            return list(records)
        if self.fields.everything:
            matches = self.labels.matches
            return [record for record in records if matches(notes_of(kind, record).labels())]
        return [record for record in records if notes_of(kind, record).match(kind, self.labels, self.fields)]


def selection_of(kind: Kind, namespace: str, name: str, query: Query) -> Selection:
    """The selection that a request asks for. Raises BadRequest."""
    try:
        labels = parse_label_selector(query.get("labelSelector"))
    except ValueError as error:
        raise BadRequest(f"unable to parse requirement: {error}") from error
    try:
        fields = parse_field_selector(query.get("fieldSelector"))
    except ValueError as error:
        raise BadRequest(str(error)) from error
    unknown = None if fields.everything else fields.unknown(_selectable_fields(kind))
    if unknown is not None:
        raise BadRequest(f"field label not supported: {unknown}")
    if name:
        fields = FieldSelector((*fields.terms, ("metadata.name", True, name)))
    return Selection(namespace, labels, fields)


def _selectable_fields(kind: Kind) -> Iterable[str]:
    # The field labels of a kind are those of an object without any content.
    return Notes(b'{"metadata":{"name":"","namespace":""}}').fields(kind)
