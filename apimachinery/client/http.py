"""Requests over HTTPS, by aiohttp. The only module of the client that imports it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import aiohttp

from apimachinery.client.errors import ConnectionFailed
from apimachinery.client.transport import (
    DEFAULT_TIMEOUT,
    NO_HEADERS,
    NO_QUERY,
    Query,
    Response,
    StreamResponse,
    WebSocket,
)
from apimachinery.objects.errors import StatusError

CONNECT_TIMEOUT = 10.0
CHUNK = 64 * 1024
MAX_WEBSOCKET_MESSAGE = 16 * 1024 * 1024

AuthHeaders = Callable[[], Awaitable[Mapping[str, str]]]
"""Called before each request: credentials may expire and be renewed meanwhile."""


class HttpTransport:
    """`server` is the base URL, path prefix included. Connections are kept and shared."""

    def __init__(
        self,
        server: str,
        *,
        ssl_context: ssl.SSLContext | None = None,
        token: str = "",
        auth_headers: AuthHeaders | None = None,
        server_hostname: str | None = None,
        user_agent: str = "pilothouse",
        proxy: str | None = None,
    ) -> None:
        self._server = server.rstrip("/")
        self._ssl = ssl_context
        self._server_hostname = server_hostname
        self._auth_headers = auth_headers
        self._proxy = proxy
        self._headers = {"User-Agent": user_agent}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._session: aiohttp.ClientSession | None = None

    def _opened(self) -> aiohttp.ClientSession:
        # Made on first use: a session belongs to the running loop.
        if self._session is None or self._session.closed:
            connector = aiohttp.TCPConnector(ssl=self._ssl if self._ssl is not None else True, limit=0)
            self._session = aiohttp.ClientSession(
                connector=connector, auto_decompress=True, raise_for_status=_raise_refused_handshake
            )
        return self._session

    async def _merged(self, headers: Mapping[str, str]) -> dict[str, str]:
        merged = {**self._headers, **headers}
        if self._auth_headers is not None:
            merged.update(await self._auth_headers())
        return merged

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
        limits = aiohttp.ClientTimeout(total=timeout, sock_connect=CONNECT_TIMEOUT)
        try:
            async with self._opened().request(
                method,
                self._server + path,
                params=query or None,
                headers=await self._merged(headers),
                data=body,
                timeout=limits,
                server_hostname=self._server_hostname,
                proxy=self._proxy,
            ) as answer:
                return Response(answer.status, await answer.read(), _lowered(answer.headers))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._failed(error) from error

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        query: Query = NO_QUERY,
        headers: Mapping[str, str] = NO_HEADERS,
        body: bytes | None = None,
    ) -> AsyncIterator[StreamResponse]:
        limits = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT)
        try:
            answer = await self._opened().request(
                method,
                self._server + path,
                params=query or None,
                headers=await self._merged(headers),
                data=body,
                timeout=limits,
                server_hostname=self._server_hostname,
                proxy=self._proxy,
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._failed(error) from error
        try:
            yield StreamResponse(answer.status, _lowered(answer.headers), self._chunks(answer))
        finally:
            answer.close()

    async def _chunks(self, answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        try:
            async for chunk in answer.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._failed(error) from error

    async def websocket(
        self,
        path: str,
        *,
        query: Query = NO_QUERY,
        headers: Mapping[str, str] = NO_HEADERS,
        subprotocols: Sequence[str] = (),
    ) -> WebSocket:
        try:
            socket = await self._opened().ws_connect(
                self._server + path,
                params=query or None,
                headers=await self._merged(headers),
                protocols=subprotocols,
                max_msg_size=MAX_WEBSOCKET_MESSAGE,
                heartbeat=30,
                server_hostname=self._server_hostname,
                proxy=self._proxy,
                autoping=True,
            )
        except aiohttp.WSServerHandshakeError as error:
            raise StatusError.from_status({"message": error.message}, error.status) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._failed(error) from error
        return _AiohttpWebSocket(socket)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            # One turn lets the TLS connections finish closing before the loop may end.
            await asyncio.sleep(0)
            self._session = None

    def _failed(self, error: BaseException) -> ConnectionFailed:
        cause = str(error) or type(error).__name__
        if isinstance(error, TimeoutError):
            cause = "no answer in time"
        return ConnectionFailed(f"{self._server}: {cause}")


async def _raise_refused_handshake(answer: aiohttp.ClientResponse) -> None:
    """Raise the server's reason: aiohttp's own error for a refused WebSocket comes without the body."""
    if answer.status >= 400 and "upgrade" in answer.request_info.headers:
        raise StatusError.from_status(await answer.read(), answer.status)


class _AiohttpWebSocket:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self.protocol = socket.protocol or ""

    async def send(self, message: bytes) -> None:
        try:
            await self._socket.send_bytes(message)
        except (aiohttp.ClientError, OSError) as error:
            raise ConnectionFailed(f"stream closed: {error}") from error

    async def receive(self) -> bytes | None:
        message = await self._socket.receive()
        if message.type is aiohttp.WSMsgType.BINARY:
            return message.data
        if message.type is aiohttp.WSMsgType.TEXT:
            return str(message.data).encode()
        if message.type is aiohttp.WSMsgType.ERROR:
            raise ConnectionFailed(f"stream broke: {self._socket.exception()}")
        return None

    async def close(self) -> None:
        await self._socket.close()


def _lowered(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
