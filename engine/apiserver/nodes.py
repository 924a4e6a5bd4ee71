"""What the agents of machines answer by themselves: logs to a client, documents to the engine.

Knows how to reach a node only through `NodeConnections`.
"""

from __future__ import annotations

import aiohttp
from aiohttp import web

from apimachinery.objects.errors import InternalError, ServiceUnavailable, StatusError
from engine.apiserver.reach.backends import NodeConnections, NodeEndpoint
from engine.apiserver.request import NodeLog

_CONNECT_TIMEOUT = 10.0
_FETCH_TIMEOUT = aiohttp.ClientTimeout(total=8.0)


class NoConnections:
    """What holds while no links to machines run."""

    async def endpoint(self, node_name: str) -> NodeEndpoint:
        raise ServiceUnavailable(f'node "{node_name}" is not connected')


class NodeProxy:
    """Use as an async context manager."""

    def __init__(self, connections: NodeConnections) -> None:
        self.connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> NodeProxy:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT)
        # One connection per stream: a stream lives as long as somebody looks at it.
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        self._session = aiohttp.ClientSession(
            timeout=timeout, connector=connector, auto_decompress=False, raise_for_status=_raise_refusal
        )
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def fetch(self, node: str, path: str) -> bytes:
        """What the node's agent answers to a GET. Raises StatusError."""
        endpoint, session = await self._reach(node)
        try:
            async with session.get(endpoint.base_url + path, ssl=endpoint.ssl, timeout=_FETCH_TIMEOUT) as answer:
                return await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _unreachable(node, error) from error

    async def endpoint(self, node_name: str) -> NodeEndpoint:
        """Where the node's agent answers. Raises ServiceUnavailable."""
        return await self.connections.endpoint(node_name)

    async def serve(self, request: web.BaseRequest, log: NodeLog) -> web.StreamResponse:
        """Raises StatusError before anything has been answered."""
        if not log.node:
            return web.Response(body=b"", content_type="text/plain")
        endpoint, session = await self._reach(log.node)
        try:
            async with session.get(endpoint.base_url + log.path, params=log.query.pairs, ssl=endpoint.ssl) as source:
                response = web.StreamResponse(headers={"content-type": "text/plain"})
                response.enable_chunked_encoding()
                await response.prepare(request)
                async for chunk in source.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
                return response
        except aiohttp.ClientError as error:
            raise _unreachable(log.node, error) from error

    async def _reach(self, node: str) -> tuple[NodeEndpoint, aiohttp.ClientSession]:
        if self._session is None:
            raise InternalError("the node proxy is not running")
        return await self.connections.endpoint(node), self._session


async def _raise_refusal(answer: aiohttp.ClientResponse) -> None:
    """Raise what the agent says."""
    if answer.status >= 400:
        raise StatusError.from_status(await answer.read(), answer.status)


def _unreachable(node: str, error: Exception) -> ServiceUnavailable:
    return ServiceUnavailable(f'error dialing backend: node "{node}" cannot be reached: {error}')
