"""What a client may send: a request's body and headers, read with bounds on size, time and form."""

from __future__ import annotations

import asyncio
import zlib

from aiohttp import web

from apimachinery.objects.errors import BadRequest, RequestEntityTooLarge, StatusError, UnsupportedMediaType

BODY_LIMIT = 3 << 20
"""Bytes, packed or not."""


async def body_of(request: web.BaseRequest, seconds: float) -> bytes:
    """The body, unpacked. Raises RequestEntityTooLarge, BadRequest, UnsupportedMediaType, StatusError 408."""
    if not request.body_exists:
        return b""
    if (request.content_length or 0) > BODY_LIMIT:
        raise _too_large()
    try:
        async with asyncio.timeout(seconds):
            body = await _whole(request)
    except TimeoutError as error:
        raise StatusError(
            "the body of the request did not arrive in time", code=408, reason="Timeout", details={}
        ) from error
    except web.RequestPayloadError as error:
        raise BadRequest(f"the body of the request cannot be read: {error}") from error
    packing = request.headers.get("content-encoding", "").lower()
    if packing in ("", "identity") or not body:
        return body
    if packing != "gzip":
        raise UnsupportedMediaType(f'the body is encoded as "{packing}"; only gzip is understood')
    return _unpacked(body)


def check_headers(request: web.BaseRequest) -> None:
    """Raises BadRequest for a value that is no text: it could neither be stored nor shown."""
    for name, value in request.raw_headers:
        if not value.isascii():
            try:
                value.decode()
            except UnicodeDecodeError as error:
                raise BadRequest(f"the value of header {name.decode('latin-1')} is not UTF-8") from error


def path_of(raw_path: str) -> str:
    """A path as text, whatever bytes it came as."""
    return raw_path if raw_path.isascii() else raw_path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


async def _whole(request: web.BaseRequest) -> bytes:
    parts: list[bytes] = []
    size = 0
    while chunk := await request.content.readany():
        parts.append(chunk)
        size += len(chunk)
        if size > BODY_LIMIT:
            raise _too_large()
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _unpacked(body: bytes) -> bytes:
    plain = b""
    while body:
        unpacker = zlib.decompressobj(wbits=31)
        try:
            plain += unpacker.decompress(body, BODY_LIMIT + 1 - len(plain))
        except zlib.error as error:
            raise BadRequest(f"the body of the request is not valid gzip: {error}") from error
        if len(plain) > BODY_LIMIT:
            raise _too_large()
        if not unpacker.eof:
            raise BadRequest("the body of the request is not valid gzip: unexpected EOF")
        # A gzip file may have several members.
        body = unpacker.unused_data
    return plain


def _too_large() -> RequestEntityTooLarge:
    return RequestEntityTooLarge(f"Request entity too large: limit is {BODY_LIMIT}")
