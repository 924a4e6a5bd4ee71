"""Discovery and OpenAPI over HTTP: tags, redirections to the newest document, how long a client may keep it."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from email.utils import format_datetime

from engine.apiserver.aggregation.discovery import Joined
from engine.apiserver.request import JSON, Request, Response
from engine.apiserver.schema import documents
from engine.apiserver.schema.discovery import Kinds
from engine.apiserver.schema.documents import Document

# An address that names its content is good for ever, which is a year in HTTP.
_FOR_EVER = timedelta(days=365)


async def describe(request: Request, kinds: Kinds, now: datetime, joined: Joined | None = None) -> Response | None:
    """The document at a path, with what other servers serve; None when there is none. Raises NotAcceptable."""
    if request.path.startswith("/openapi/"):
        # A second's work when it is asked for the first time.
        found = await asyncio.to_thread(_found, request, kinds, joined)
    else:
        found = _found(request, kinds, joined)
    if found is None:
        return None
    if isinstance(found, str):
        return Response(301, b"", "text/plain", {"location": found})
    return _answer(request, found, now)


def _found(request: Request, kinds: Kinds, joined: Joined | None) -> Document | str | None:
    path, host = request.path, request.header("host")
    if joined is not None:
        kinds = joined.ours(kinds)
    found = documents.find(path, request.header("accept"), host, kinds, request.query.get("hash"))
    if joined is None or isinstance(found, str):
        return found
    if found is None or not documents.is_protobuf(found):
        return joined.joined(path, found)
    plain = documents.find(path, JSON, host, kinds)
    whole = joined.joined(path, plain) if isinstance(plain, Document) else None
    return found if whole is None or whole is plain else documents.as_protobuf(whole)


def _answer(request: Request, found: Document, now: datetime) -> Response:
    if found.negotiated:
        return Response(200, found.body, found.content_type)
    headers = {"etag": found.etag, "vary": "Accept"}
    if found.cache_control:
        headers["cache-control"] = found.cache_control
    if "immutable" in found.cache_control:
        headers["expires"] = format_datetime(now + _FOR_EVER, usegmt=True)
    if _has_it(request.header("if-none-match"), found.etag):
        return Response(304, b"", found.content_type, headers)
    return Response(200, found.body, found.content_type, headers)


def _has_it(named: str, etag: str) -> bool:
    tags = {tag.strip().removeprefix("W/") for tag in named.split(",")}
    return etag in tags or "*" in tags
