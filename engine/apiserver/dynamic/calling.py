"""Calls to webhooks: HTTPS, a certificate that must fit, and an end to waiting."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Awaitable, Callable
from functools import lru_cache

import aiohttp

from apimachinery.objects.errors import ServiceUnavailable, StatusError
from engine.apiserver.reach.backends import Connector
from engine.apiserver.registry.kind import Json
from engine.apiserver.request import Backend

ToService = Callable[[str, str, int, ssl.SSLContext], Awaitable[Backend]]
"""(namespace, name, port, trust) to a ready endpoint behind a Service. Raises StatusError."""


class CallFailed(Exception):
    """A webhook did not answer, or not with 200."""


async def no_services(namespace: str, name: str, _port: int, _trust: ssl.SSLContext) -> Backend:
    """The engine stands outside of the machines' network: it reaches no Service by itself."""
    raise ServiceUnavailable(f'service "{name}" in namespace "{namespace}" cannot be reached from the engine')


class Caller:
    """Posts reviews of any sort to the server that a `clientConfig` names; `to_service` leads to Services."""

    def __init__(self, to_service: ToService = no_services) -> None:
        self._to_service = to_service

    async def post(self, client: Json, body: bytes, timeout: float) -> bytes:
        """The body of the answer. Raises CallFailed."""
        url = _url(client)
        shown = f'Post "{url}{"&" if "?" in url else "?"}timeout={timeout:g}s"'
        try:
            async with asyncio.timeout(timeout), await self._session(client) as session:
                asked = session.post(
                    url,
                    params={"timeout": f"{timeout:g}s"},
                    data=body,
                    headers={"content-type": "application/json", "accept": "application/json"},
                    allow_redirects=False,
                )
                async with asked as answer:
                    content = await answer.read()
                    if answer.status != 200:
                        raise CallFailed(f"the server rejected our request: {answer.status} {answer.reason}")
                    return content
        except TimeoutError as error:
            raise CallFailed(f"failed to call webhook: {shown}: context deadline exceeded") from error
        except (aiohttp.ClientError, OSError, ValueError, StatusError) as error:
            raise CallFailed(f"failed to call webhook: {shown}: {error}") from error

    async def _session(self, client: Json) -> aiohttp.ClientSession:
        trust = _trust(client.get("caBundle") or "")
        if client.get("url"):
            return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust))
        service: Json = client["service"]
        backend = await self._to_service(service["namespace"], service["name"], service.get("port") or 443, trust)
        return aiohttp.ClientSession(connector=Connector(backend))


def _url(client: Json) -> str:
    if client.get("url"):
        return client["url"]
    service: Json = client["service"]
    host = f"{service['name']}.{service['namespace']}.svc:{service.get('port') or 443}"
    return f"https://{host}{service.get('path') or '/'}"


@lru_cache(64)
def _trust(bundle: str) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=base64.b64decode(bundle).decode() if bundle else None)
