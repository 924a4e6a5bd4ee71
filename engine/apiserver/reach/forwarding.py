"""Requests passed on to a backend, and its answers back: bodies flow, upgrades become plain bytes both ways.

Source: k8s.io/apimachinery/pkg/util/proxy (UpgradeAwareHandler).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterable, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from apimachinery.aio import upgraded
from apimachinery.aio.tasks import TaskScope
from apimachinery.objects.errors import BadRequest, InternalError, ServiceUnavailable, StatusError
from engine.apiserver.reach import headers
from engine.apiserver.reach.backends import Connector, body_of, opened
from engine.apiserver.request import Backend, Forward

T = TypeVar("T")
_LIVENESS = 15.0
"""How often it is looked whether a client that waits is still there."""
_UPGRADE_SECONDS = 30.0
_LARGEST_UPGRADE_BODY = 1 << 20
_BODYLESS = frozenset({204, 304})
_REDIRECTED = "the backend attempted to redirect this request, which is not permitted"
_QUIET = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
"""Headers that the client library would add by itself."""


@asynccontextmanager
async def exchange(
    forward: Forward,
    method: str,
    fields: Iterable[tuple[str, str]],
    body: AsyncIterable[bytes] | bytes | None,
) -> AsyncGenerator[aiohttp.ClientResponse]:
    """One request and its answer, whose body is still to come. Raises ServiceUnavailable."""
    backend = await forward.find()
    session = aiohttp.ClientSession(
        connector=Connector(backend),
        auto_decompress=False,
        skip_auto_headers=_QUIET,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
    )
    async with session:
        try:
            answer = await session.request(
                method,
                _url(backend, forward),
                headers=CIMultiDict([*fields, *forward.headers]),
                data=body,
                allow_redirects=False,
            )
        except (aiohttp.ClientError, OSError, StatusError, ValueError) as error:
            raise _unreached(forward, error) from error
        async with answer:
            yield answer


async def serve(request: web.BaseRequest, forward: Forward) -> web.StreamResponse:
    """Raises StatusError before anything has been answered."""
    if headers.is_upgrade(request.headers.items()):
        return await _while_connected(request, _upgrade(request, forward))
    if forward.only_upgrades:
        raise BadRequest("Upgrade request required")
    return await _while_connected(request, _relay(request, forward))


async def _relay(request: web.BaseRequest, forward: Forward) -> web.StreamResponse:
    fields = _onward(request, forward, upgrade=False)
    body = request.content if request.body_exists else None
    async with exchange(forward, request.method, fields, body) as answer:
        if forward.refuse_redirects and 300 <= answer.status < 400 and "location" in answer.headers:
            return web.Response(status=502, text=_REDIRECTED)
        back = CIMultiDict(headers.back(answer.headers.items()))
        if forward.prepend is not None and "location" in back:
            back["Location"] = headers.link(
                back["Location"], host=answer.url.authority, asked_host=request.host, prepend=forward.prepend
            )
        response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=back)
        bodyless = request.method == "HEAD" or answer.status in _BODYLESS
        if not bodyless and "content-length" not in back:
            response.enable_chunked_encoding()
        try:
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
        except (aiohttp.ClientError, ConnectionError, ssl.SSLError):
            # Either side left amid the answer: what the client has must look cut off, not whole.
            if request.transport is not None:
                request.transport.abort()
        return response


async def _upgrade(request: web.BaseRequest, forward: Forward) -> web.StreamResponse:
    backend = await forward.find()
    try:
        async with asyncio.timeout(_UPGRADE_SECONDS):
            there = await opened(backend)
    except (StatusError, OSError, TimeoutError) as error:
        raise _unreached(forward, error) from error
    try:
        async with asyncio.timeout(_UPGRADE_SECONDS):
            status, reason, fields = await _asked_to_upgrade(request, forward, backend, there)
            if 200 <= status < 400:
                raise InternalError(f"invalid upgrade response: status code {status}")
            if status != 101:
                body = await body_of(there[0], fields)
                kept = [(n, v) for n, v in headers.back(fields) if n.lower() != "content-length"]
                return web.Response(status=status, reason=reason, body=body, headers=CIMultiDict(kept))
        head = upgraded.head_of(f"HTTP/1.1 101 {reason}", fields)
        async with upgraded.taken_over(request, head) as client:
            await upgraded.join(client, there)
        return upgraded.gone()
    except (OSError, TimeoutError, ValueError) as error:
        raise _unreached(forward, error) from error
    finally:
        there[1].close()


async def _asked_to_upgrade(
    request: web.BaseRequest, forward: Forward, backend: Backend, there: upgraded.Pipe
) -> tuple[int, str, list[tuple[str, str]]]:
    body = b""
    if request.body_exists:
        body = await request.content.read(_LARGEST_UPGRADE_BODY)
    fields = [*_onward(request, forward, upgrade=True), *forward.headers]
    there[1].write(upgraded.head_of(f"{request.method} {_url(backend, forward).raw_path_qs} HTTP/1.1", fields) + body)
    return await upgraded.read_head(there[0])


def _onward(request: web.BaseRequest, forward: Forward, *, upgrade: bool) -> headers.Pairs:
    kept = headers.onward(request.headers.items(), request.remote or "", upgrade=upgrade)
    if forward.for_user:
        kept = [(name, value) for name, value in kept if not name.lower().startswith(headers.REMOTE_PREFIX)]
    if forward.prepend is not None:
        kept = [(name, value) for name, value in kept if name.lower() != "x-forwarded-uri"]
        kept.append(("X-Forwarded-Uri", f"{forward.prepend}{forward.path}"))
    return kept


def _url(backend: Backend, forward: Forward) -> URL:
    query = f"?{forward.query}" if forward.query else ""
    return URL(f"{backend.scheme}://{backend.authority}{backend.prefix}{forward.path or '/'}{query}", encoded=True)


def _unreached(forward: Forward, error: Exception) -> StatusError:
    if isinstance(error, StatusError):
        cause = error.message
    elif isinstance(error, aiohttp.ServerDisconnectedError):
        cause = "EOF"
    elif isinstance(error, TimeoutError):
        cause = "context deadline exceeded"
    else:
        cause = str(error) or type(error).__name__
    return ServiceUnavailable(f"{forward.error_text}: {cause}")


async def _while_connected(request: web.BaseRequest, work: Coroutine[Any, Any, T]) -> T:
    """Do the work unless the client leaves."""
    async with TaskScope("forward") as scope:
        task = scope.spawn("relay", work)
        while not task.done() and request.transport is not None and not request.transport.is_closing():
            await asyncio.wait((task,), timeout=_LIVENESS)
        if task.done():
            return task.result()
    raise ConnectionResetError("client went away")
