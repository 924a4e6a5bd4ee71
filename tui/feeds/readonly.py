"""Read-only mode where it cannot be forgotten: below every screen, at the transport."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager

from apimachinery.client.transport import (
    DEFAULT_TIMEOUT,
    NO_HEADERS,
    NO_QUERY,
    Query,
    Response,
    StreamResponse,
    Transport,
    WebSocket,
)
from apimachinery.objects.errors import Forbidden

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_QUESTIONS = ("/apis/authorization.k8s.io/v1/selfsubject", "/apis/authentication.k8s.io/v1/selfsubject")
"""Asked by POST, and kept nowhere: what we may do, and who we are."""


class ReadOnlyTransport:
    """Lets reads through and refuses the rest, exec and attach included: they change what runs."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Query = NO_QUERY,
        headers: Mapping[str, str] = NO_HEADERS,
        body: bytes | None = None,
        timeout: float | None = DEFAULT_TIMEOUT,
    ) -> Response:
        if not _is_read(method, path):
            raise _refused(method, path)
        return await self._inner.request(method, path, query=query, headers=headers, body=body, timeout=timeout)

    def stream(
        self,
        method: str,
        path: str,
        *,
        query: Query = NO_QUERY,
        headers: Mapping[str, str] = NO_HEADERS,
        body: bytes | None = None,
    ) -> AbstractAsyncContextManager[StreamResponse]:
        if not _is_read(method, path):
            raise _refused(method, path)
        return self._inner.stream(method, path, query=query, headers=headers, body=body)

    async def websocket(
        self,
        path: str,
        *,
        query: Query = NO_QUERY,
        headers: Mapping[str, str] = NO_HEADERS,
        subprotocols: Sequence[str] = (),
    ) -> WebSocket:
        del query, headers, subprotocols
        raise _refused("CONNECT", path)

    async def close(self) -> None:
        await self._inner.close()


def _is_read(method: str, path: str) -> bool:
    return method in _READS or (method == "POST" and path.startswith(_QUESTIONS))


def _refused(method: str, path: str) -> Forbidden:
    return Forbidden(f"this session is read-only: {method} {path} was not sent")
