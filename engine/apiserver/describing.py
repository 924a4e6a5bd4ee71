"""Discovery and OpenAPI over HTTP: tags, redirections to the newest document, how long a client may keep it."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from email.utils import format_datetime

from engine.apiserver.request import Request, Response
from engine.apiserver.schema import documents
from engine.apiserver.schema.discovery import Kinds
from engine.apiserver.schema.documents import Document

# An address that names its content is good for ever, which is a year in HTTP.
_FOR_EVER = timedelta(days=365)


async def describe(request: Request, kinds: Kinds, now: datetime) -> Response | None:
    """The document at a path; None when there is none. Raises NotAcceptable."""
    arguments = (request.path, request.header("accept"), request.header("host"), kinds, request.query.get("hash"))
    if request.path.startswith("/openapi/"):
        # A second's work when it is asked for the first time.
        found = await asyncio.to_thread(documents.find, *arguments)
    else:
        found = documents.find(*arguments)
    if found is None:
        return None
    if isinstance(found, str):
        return Response(301, b"", "text/plain", {"location": found})
    return _answer(request, found, now)


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
