"""Requests of a registered group and version, passed on to the server behind its Service.

We tell it who asks in headers, and prove that it is we by a certificate of an authority made for nothing else.
Source: kube-aggregator/pkg/apiserver/handler_proxy.go, client-go/transport (SetAuthProxyHeaders).
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import AsyncIterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from urllib.parse import quote

import aiohttp

from apimachinery.objects.errors import StatusError
from engine.apiserver.aggregation.table import APIService, APIServices
from engine.apiserver.reach import forwarding
from engine.apiserver.reach.ways import Ways
from engine.apiserver.request import Answer, Backend, Forward, Request, User, text_response

# What may stand in the name of a header besides letters and digits, "%" aside.
_TOKEN = "!#$&'*+-.^_`|~"
_OPENAPI_V3 = "/openapi/v3/apis/"


@dataclass(frozen=True, slots=True)
class FrontProxy:
    """The certificate by which servers know that a request comes from us, in files."""

    certificate: Path
    key: Path


class Aggregation:
    """`forward` answers for what others serve."""

    def __init__(self, services: APIServices, ways: Ways, identity: FrontProxy | None) -> None:
        self.services = services
        self._ways = ways
        self._identity = identity

    def forward(self, request: Request) -> Answer | None:
        """The answer to a request of a registered group and version; None for all others."""
        service = self._asked(request.path)
        if service is None:
            return None
        if not service.available:
            return text_response("service unavailable\n", 503)
        return self._to(service, request.path, request.query.text, request.user)

    def serves(self, path: str) -> bool:
        """Whether requests of this path are for others."""
        return self._asked(path) is not None

    def exchange(
        self, service: APIService, path: str, accept: str, user: User
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """A GET of our own. The context raises StatusError."""
        body: AsyncIterable[bytes] | None = None
        return forwarding.exchange(self._to(service, path, "", user), "GET", [("Accept", accept)], body)

    def _asked(self, path: str) -> APIService | None:
        if not self.services.remote():
            return None
        if path.startswith(_OPENAPI_V3):
            path = path.removeprefix("/openapi/v3")
        if not path.startswith("/apis/"):
            return None
        parts = path.split("/", 4)
        return self.services.serving(parts[2], parts[3]) if len(parts) > 3 else None

    def _to(self, service: APIService, path: str, query: str, user: User) -> Forward:
        return Forward(
            find=partial(self._find, service),
            path=path,
            query=query,
            headers=identity_headers(user),
            prepend="",
            refuse_redirects=True,
            for_user=True,
            plain_errors=True,
        )

    async def _find(self, service: APIService) -> Backend:
        spec, reference = service.spec, service.spec.service
        if reference is None:
            raise StatusError("service unavailable", code=503)
        try:
            trust = _trust(spec.ca_bundle, self._identity, insecure=spec.insecure_skip_tls_verify)
        except (ValueError, OSError) as error:
            raise StatusError(f"{service.name}: caBundle: {error}", code=500) from error
        return await self._ways.to_service_port(reference.namespace, reference.name, reference.port, trust)


def identity_headers(user: User) -> tuple[tuple[str, str], ...]:
    """Who asks, for a server that trusts our word."""
    fields = [("X-Remote-User", user.name)]
    if user.uid:
        fields.append(("X-Remote-Uid", user.uid))
    fields += [("X-Remote-Group", group) for group in user.groups]
    fields += [
        (f"X-Remote-Extra-{quote(name, safe=_TOKEN)}", value) for name, values in user.extra.items() for value in values
    ]
    return tuple(fields)


@lru_cache(64)
def _trust(bundle: str, identity: FrontProxy | None, *, insecure: bool) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=base64.b64decode(bundle).decode() if bundle else None)
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if identity is not None:
        context.load_cert_chain(identity.certificate, identity.key)
    return context
