"""Users named by client certificates of our CA."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.apiserver.request import ANONYMOUS, AUTHENTICATED, User


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
    return User(name, (*groups, AUTHENTICATED)) if name else ANONYMOUS
