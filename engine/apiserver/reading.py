"""Answers to GET and LIST: bytes from the store, put together in the form that the client asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from apimachinery.objects.errors import NotAcceptable, NotFound
from engine.apiserver import tables
from engine.apiserver.negotiate import Form
from engine.apiserver.notes import notes_of, value_of, values_of
from engine.apiserver.registry.kind import Kind
from engine.apiserver.request import Query, Response
from engine.apiserver.selection import Selection
from engine.apiserver.versions import ListPage, continue_token, list_error, page_of, revision_of, too_large
from engine.store.errors import StoreError
from engine.store.protocol import Listing, Reader, Record


def check_partial(kind: Kind, form: Form, verb: str) -> None:
    """Metadata of one object is no list, nor the other way round. Raises NotAcceptable."""
    if form.shape != "partial" or form.of_list == (verb == "list"):
        return
    package = kind.group.partition(".")[0] or "core"
    go_type = "*unstructured.Unstructured" if kind.definition else f"*{package}.{kind.kind}"
    if form.of_list:
        raise NotAcceptable(
            f"you requested PartialObjectMetadataList, but the requested object is not a list ({go_type})"
        )
    raise NotAcceptable(f"you requested PartialObjectMetadata, but the requested object is a list ({go_type}List)")


def get(kind: Kind, store: Reader, key: str, *, form: Form, query: Query, now: float) -> Response:
    """Raises NotFound, Timeout."""
    version = revision_of(query.get("resourceVersion"))
    if version > store.revision:
        raise too_large(version, store.revision)
    record = store.get(key)
    if record is None:
        raise NotFound.of(kind.plural, key.rpartition("/")[2], group=kind.group)
    if form.shape == "object":
        return Response(200, value_of(kind, record))
    return one(kind, record, form, now)


def one(kind: Kind, record: Record, form: Form, now: float, status: int = 200) -> Response:
    """A single object in any form."""
    notes = notes_of(kind, record)
    if form.shape == "table":
        metadata = b'{"resourceVersion":"%d"}' % record.revision
        return Response(status, b"", pieces=tables.table(kind, [notes], now, form, metadata))
    return Response(status, tables.partial(notes, form.version) if form.shape == "partial" else notes.value)


def list_(kind: Kind, store: Reader, selection: Selection, *, form: Form, query: Query, now: float) -> Response:
    """Raises BadRequest, Invalid, Expired, Timeout."""
    page = page_of(query)
    records, revision, token, remaining = _page(kind, store, selection, page)
    return list_of(kind, records, _list_metadata(revision, token, remaining), form, now)


def list_of(kind: Kind, records: Sequence[Record], metadata: bytes, form: Form, now: float) -> Response:
    """A list of these objects in any form; `metadata` is the JSON of the list's own."""
    if form.shape == "table":
        rows = [notes_of(kind, record) for record in records]
        return Response(200, b"", pieces=tables.table(kind, rows, now, form, metadata))
    if form.shape == "partial":
        items = [tables.partial(notes_of(kind, record), form.version) for record in records]
        return list_answer("PartialObjectMetadataList", f"meta.k8s.io/{form.version}", metadata, items)
    values = values_of(kind, records)
    return list_answer(f"{kind.kind}List", kind.api_version, metadata, values)


def list_answer(kind: str, api_version: str, metadata: bytes, items: Sequence[bytes]) -> Response:
    """A list object around items that are bytes already."""
    head = b'{"kind":"%b","apiVersion":"%b","metadata":%b,"items":[' % (kind.encode(), api_version.encode(), metadata)
    pieces = [b","] * (2 * len(items) + 1)
    pieces[1::2] = items
    pieces[0] = head
    # Commas stand between items; the one after the last gives way to the tail.
    if items:
        pieces[-1] = b"]}"
    else:
        pieces.append(b"]}")
    return Response(200, b"", pieces=pieces)


def _page(
    kind: Kind, store: Reader, selection: Selection, page: ListPage
) -> tuple[Sequence[Record], int, str, int | None]:
    """(records, revision, continue token, how many remain: None when only filtering would tell)."""
    try:
        if page.at_least > store.revision:
            raise too_large(page.at_least, store.revision)
        single = selection.key(kind)
        if single and not page.revision and not page.start_after:
            record = store.get(single)
            found = selection.filter(kind, [record] if record is not None else [])
            return found, store.revision, "", None
        return _scan(kind, store, selection, page)
    except StoreError as error:
        raise list_error(error, page) from error


def _scan(
    kind: Kind, store: Reader, selection: Selection, page: ListPage
) -> tuple[Sequence[Record], int, str, int | None]:
    prefix = selection.prefix(kind)
    start_after = f"{kind.storage_prefix}{page.start_after}" if page.start_after else ""

    def listing(limit: int) -> Listing:
        return store.list(prefix, limit=limit, start_after=start_after, revision=page.revision)

    if selection.everything:
        found = listing(page.limit)
        token = _token(kind, found.revision, found.records[-1]) if found.remaining else ""
        return found.records, found.revision, token, found.remaining
    found = listing(0)
    matching = selection.filter(kind, found.records)
    if not page.limit or len(matching) <= page.limit:
        return matching, found.revision, "", None
    shown = matching[: page.limit]
    return shown, found.revision, _token(kind, found.revision, shown[-1]), None


def _token(kind: Kind, revision: int, last: Record) -> str:
    return continue_token(revision, last.key[len(kind.storage_prefix) :])


def _list_metadata(revision: int, token: str, remaining: int | None) -> bytes:
    metadata: dict[str, Any] = {"resourceVersion": str(revision)}
    if token:
        metadata["continue"] = token
        if remaining is not None:
            metadata["remainingItemCount"] = remaining
    return msgspec.json.encode(metadata)
