"""ID tokens of an OpenID Connect provider: people sign in there, and the token says here who they are.

Source: k8s.io/apiserver/plugin/pkg/authenticator/token/oidc. The provider's keys are fetched in the background; a token
signed with one that is not known yet has them fetched again, and is refused meanwhile.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import ssl
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import structlog

from apimachinery.aio.clock import Clock
from engine.apiserver.authn.jose import BadToken
from engine.apiserver.request import AUTHENTICATED, User

log = structlog.get_logger(__name__)

_DISCOVERY = ".well-known/openid-configuration"
_FRESH = 3600.0
_AGAIN = 10.0
"""Seconds between two looks at the provider, however many unknown keys are met."""
_TIMEOUT = 10.0


class OidcSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """As upstream's flags --oidc-*."""

    issuer_url: str
    client_id: str
    ca_file: Path | None = None
    username_claim: str = "sub"
    username_prefix: str = ""
    """Empty: the issuer and `#`, but for the claim `email`; `-`: none."""
    groups_claim: str = ""
    groups_prefix: str = ""
    required_claims: dict[str, str] = {}
    signing_algs: tuple[str, ...] = ("RS256",)

    @property
    def prefix(self) -> str:
        """What stands before each user's name."""
        if self.username_prefix:
            return "" if self.username_prefix == "-" else self.username_prefix
        return "" if self.username_claim == "email" else f"{self.issuer_url}#"


class OidcTokens:
    """Knows one provider. `run` keeps its keys fresh."""

    def __init__(self, settings: OidcSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._keys: Mapping[str, Any] = {}
        self._unknown = asyncio.Event()

    def issued(self, token: str) -> bool:
        """Whether a token says that it comes from this provider."""
        return _unverified(token).get("iss") == self._settings.issuer_url

    def user(self, token: str) -> User:
        """Whom a token stands for. Raises BadToken."""
        import jwt

        settings = self._settings
        try:
            key_id = jwt.get_unverified_header(token).get("kid", "")
            key = self._keys.get(key_id)
            if key is None:
                self._unknown.set()
                raise BadToken("oidc: verify token: failed to verify signature: no key of the provider matches")
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=list(settings.signing_algs),
                audience=settings.client_id,
                issuer=settings.issuer_url,
                options={"require": ["exp"], "verify_iat": False},
            )
        except (jwt.PyJWTError, TypeError, ValueError) as error:
            raise BadToken(f"oidc: verify token: {error}") from error
        return self._user(claims)

    def _user(self, claims: Mapping[str, Any]) -> User:
        settings = self._settings
        name: Any = claims.get(settings.username_claim)
        if not isinstance(name, str) or not name:
            raise BadToken(f'oidc: parse username claims "{settings.username_claim}": claim not present')
        if settings.username_claim == "email" and claims.get("email_verified", True) is not True:
            raise BadToken("oidc: email not verified")
        for claim, wanted in settings.required_claims.items():
            if claim not in claims:
                raise BadToken(f"oidc: required claim {claim} not present in ID token")
            if claims[claim] != wanted:
                raise BadToken(f"oidc: required claim {claim} value does not match")
        given: Any = claims.get(settings.groups_claim, []) if settings.groups_claim else []
        groups: Any = [given] if isinstance(given, str) else given
        if not isinstance(groups, list) or not all(isinstance(group, str) for group in list[Any](groups)):
            raise BadToken(f'oidc: parse groups claim "{settings.groups_claim}": it holds no names')
        named = (f"{settings.groups_prefix}{group}" for group in list[Any](groups))
        return User(f"{settings.prefix}{name}", (*named, AUTHENTICATED))

    async def run(self) -> None:
        """Work for ever."""
        while True:
            self._unknown.clear()
            try:
                self._keys = await self._fetched()
            except (aiohttp.ClientError, OSError, ValueError, KeyError, TimeoutError) as error:
                log.warning("cannot fetch the keys of the OpenID provider; trying again", error=str(error))
                await self._clock.sleep(_AGAIN)
                continue
            await self._clock.sleep(_AGAIN)
            with suppress(TimeoutError):
                async with asyncio.timeout(_FRESH):
                    await self._unknown.wait()

    async def _fetched(self) -> Mapping[str, Any]:
        import jwt

        trust = ssl.create_default_context(cafile=self._settings.ca_file)
        limit = aiohttp.ClientTimeout(total=_TIMEOUT)
        async with aiohttp.ClientSession(timeout=limit, connector=aiohttp.TCPConnector(ssl=trust)) as session:
            issuer = self._settings.issuer_url
            found = await _json(session, f"{issuer.rstrip('/')}/{_DISCOVERY}")
            if found.get("issuer") != issuer:
                raise ValueError(f"the provider calls itself {found.get('issuer')!r}, not {issuer!r}")
            listed = await _json(session, found["jwks_uri"])
        try:
            return {key.get("kid", ""): jwt.PyJWK(key).key for key in listed.get("keys", ()) if _signs(key)}
        except jwt.PyJWTError as error:
            raise ValueError(f"a key of the provider cannot be read: {error}") from error


def _signs(key: Mapping[str, Any]) -> bool:
    return key.get("use", "sig") == "sig" and key.get("kty") in ("RSA", "EC")


async def _json(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    async with session.get(url) as answer:
        answer.raise_for_status()
        return msgspec.json.decode(await answer.read(), type=dict[str, Any])


def _unverified(token: str) -> Mapping[str, Any]:
    """What a token claims, for choosing who is to verify it."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)), type=dict[str, Any])
    except (binascii.Error, ValueError):
        return {}
