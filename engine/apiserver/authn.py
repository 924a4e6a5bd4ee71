"""Who is asking: a client certificate of our CA, or a bearer token; neither is the anonymous user."""

from __future__ import annotations

import csv
import hmac
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from apimachinery.objects.errors import Unauthorized
from engine.apiserver.request import ANONYMOUS, User

_AUTHENTICATED = "system:authenticated"


def user_of_certificate(peer: Mapping[str, Any]) -> User:
    """The user that a verified certificate names, given as ssl's getpeercert() shows it."""
    name = ""
    groups: list[str] = []
    for part in peer.get("subject", ()):
        for key, value in part:
            if key == "commonName":
                name = value
            elif key == "organizationName":
                groups.append(value)
    return User(name, (*groups, _AUTHENTICATED)) if name else ANONYMOUS


class TokenFile:
    """Static tokens: a CSV file of `token,user,uid[,"group1,group2"]`, as upstream's --token-auth-file."""

    def __init__(self, users: Mapping[str, User]) -> None:
        self._users = users

    @classmethod
    def load(cls, path: Path) -> TokenFile:
        users: dict[str, User] = {}
        for row in csv.reader(StringIO(path.read_text())):
            if len(row) >= 3:
                groups = tuple(group for group in (row[3].split(",") if len(row) > 3 else ()) if group)
                users[row[0]] = User(row[1], (*groups, _AUTHENTICATED), row[2])
        return cls(users)

    def user(self, token: str) -> User | None:
        for known, user in self._users.items():
            if hmac.compare_digest(known.encode(), token.encode()):
                return user
        return None


class Authenticator:
    """Asks each way in turn: the certificate, then the token."""

    def __init__(self, tokens: TokenFile) -> None:
        self._tokens = tokens

    def identify(self, peer: Mapping[str, Any] | None, authorization: str) -> User:
        """Raises Unauthorized when a token is given that nobody knows."""
        if peer:
            return user_of_certificate(peer)
        if not authorization:
            return ANONYMOUS
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return ANONYMOUS
        user = self._tokens.user(token.strip())
        if user is None:
            raise Unauthorized("Unauthorized")
        return user
