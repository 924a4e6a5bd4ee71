"""Static tokens out of a file."""

from __future__ import annotations

import csv
import hmac
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

from engine.apiserver.request import AUTHENTICATED, User


class TokenFile:
    """A CSV file of `token,user,uid[,"group1,group2"]`, as upstream's --token-auth-file."""

    def __init__(self, users: Mapping[str, User]) -> None:
        self._users = users

    @classmethod
    def load(cls, path: Path) -> TokenFile:
        users: dict[str, User] = {}
        for row in csv.reader(StringIO(path.read_text())):
            if len(row) >= 3:
                groups = tuple(group for group in (row[3].split(",") if len(row) > 3 else ()) if group)
                users[row[0]] = User(row[1], (*groups, AUTHENTICATED), row[2])
        return cls(users)

    def user(self, token: str) -> User | None:
        for known, user in self._users.items():
            if hmac.compare_digest(known.encode(), token.encode()):
                return user
        return None
