"""Calls to webhooks: HTTPS, a certificate that must fit, and an end to waiting."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Callable
from functools import lru_cache

import aiohttp

from engine.apiserver.registry.kind import Json

FindService = Callable[[str, str, int], str | None]
"""(namespace, name, port) to `https://host:port` through which the engine reaches a Service; None when it cannot."""


class CallFailed(Exception):
    """A webhook did not answer, or not with 200."""


def no_services(_namespace: str, _name: str, _port: int) -> str | None:
    """The engine stands outside of the machines' network: it reaches no Service by itself."""
    return None


class Caller:
    """Posts reviews. `find_service` says how to reach a Service in the cluster."""

    def __init__(self, find_service: FindService = no_services) -> None:
        self._find_service = find_service

    async def post(self, client: Json, body: bytes, timeout: float) -> bytes:
        """The body of the answer. Raises CallFailed."""
        url, server_name = self._address(client)
        shown = f'Post "{url}?timeout={timeout:g}s"'
        try:
            async with asyncio.timeout(timeout), aiohttp.ClientSession() as session:
                asked = session.post(
                    url,
                    params={"timeout": f"{timeout:g}s"},
                    data=body,
                    headers={"content-type": "application/json", "accept": "application/json"},
                    ssl=_trust(client.get("caBundle") or ""),
                    server_hostname=server_name or None,
                    allow_redirects=False,
                )
                async with asked as answer:
                    content = await answer.read()
                    if answer.status != 200:
                        raise CallFailed(f"the server rejected our request: {answer.status} {answer.reason}")
                    return content
        except TimeoutError as error:
            raise CallFailed(f"failed to call webhook: {shown}: context deadline exceeded") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise CallFailed(f"failed to call webhook: {shown}: {error}") from error

    def _address(self, client: Json) -> tuple[str, str]:
        """The URL, and the name that the certificate must have where the URL does not say it."""
        if client.get("url"):
            return client["url"], ""
        service: Json = client["service"]
        name, namespace = service["name"], service["namespace"]
        base = self._find_service(namespace, name, service.get("port") or 443)
        if base is None:
            raise CallFailed(
                f'failed to call webhook: service "{name}" in namespace "{namespace}" cannot be reached from the'
                " engine; use clientConfig.url"
            )
        return f"{base}{service.get('path') or '/'}", f"{name}.{namespace}.svc"


@lru_cache(64)
def _trust(bundle: str) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=base64.b64decode(bundle).decode() if bundle else None)
