"""Each way to say who one is, asked in turn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apimachinery.aio.clock import Clock
from apimachinery.objects.errors import Unauthorized
from engine.apiserver.authn.accounts import AccountTokens
from engine.apiserver.authn.certificates import user_of_certificate
from engine.apiserver.authn.jose import BadToken
from engine.apiserver.authn.oidc import OidcTokens
from engine.apiserver.authn.tokenfile import TokenFile
from engine.apiserver.request import ANONYMOUS, User


class Authenticator:
    """The certificate, then the token: a static one, a person's from elsewhere, or a service account's."""

    def __init__(
        self, tokens: TokenFile, accounts: AccountTokens, clock: Clock, people: OidcTokens | None = None
    ) -> None:
        """`people`: those who sign in with an OpenID provider."""
        self._tokens = tokens
        self._accounts = accounts
        self._clock = clock
        self._people = people

    def identify(self, peer: Mapping[str, Any] | None, authorization: str) -> User:
        """Raises Unauthorized when a token is given that nobody knows."""
        if peer:
            return user_of_certificate(peer)
        if not authorization:
            return ANONYMOUS
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            return ANONYMOUS
        user = self._tokens.user(token)
        if user is not None:
            return user
        try:
            if self._people is not None and self._people.issued(token):
                return self._people.user(token)
            return self._accounts.user(token, self._clock.now())[0]
        except BadToken as error:
            raise Unauthorized("Unauthorized") from error

    def review(self, token: str, audiences: tuple[str, ...]) -> tuple[User, tuple[str, ...]]:
        """Whom a token stands for and for which of the audiences. Raises BadToken."""
        user = self._tokens.user(token)
        if user is not None:
            return user, audiences or (self._accounts.issuer,)
        if self._people is not None and self._people.issued(token):
            return self._people.user(token), audiences or (self._accounts.issuer,)
        return self._accounts.user(token, self._clock.now(), audiences)
