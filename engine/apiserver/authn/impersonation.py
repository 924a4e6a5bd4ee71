"""Acting as somebody else: the Impersonate-* headers.

Source: apiserver/pkg/endpoints/filters/impersonation.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote

from apimachinery.objects.errors import InternalError
from engine.apiserver.authn.accounts import PREFIX as ACCOUNT
from engine.apiserver.authz.attributes import Attributes, Authorizer, denied
from engine.apiserver.request import ANONYMOUS, AUTHENTICATED, User

_USER, _GROUP, _UID = "impersonate-user", "impersonate-group", "impersonate-uid"
_EXTRA = "impersonate-extra-"
_UNAUTHENTICATED = "system:unauthenticated"


def impersonated(user: User, headers: Iterable[tuple[str, str]], authorizer: Authorizer) -> User | None:
    """Whom the request speaks for; None when it speaks for itself. Raises Forbidden, InternalError."""
    name, uid = "", ""
    groups: list[str] = []
    extra: dict[str, list[str]] = {}
    for header, value in headers:
        lower = header.lower()
        if not lower.startswith("impersonate-"):
            continue
        if lower == _USER:
            name = value
        elif lower == _GROUP:
            groups.append(value)
        elif lower == _UID:
            uid = value
        elif lower.startswith(_EXTRA):
            extra.setdefault(unquote(lower.removeprefix(_EXTRA)), []).append(value)
    if not name:
        if groups or uid or extra:
            raise InternalError("Internal error occurred: requested impersonation without impersonating a user")
        return None
    for asked in _questions(user, name, groups, uid, extra):
        decision = authorizer.decide(asked)
        if not decision.allowed:
            raise denied(asked, decision.reason)
    frozen = {key: tuple(values) for key, values in extra.items()}
    return User(name, _groups(name, groups), uid, frozen)


def _questions(user: User, name: str, groups: list[str], uid: str, extra: dict[str, list[str]]) -> Iterable[Attributes]:
    if name.startswith(ACCOUNT) and name.count(":") == 3:
        namespace, _, account = name.removeprefix(ACCOUNT).partition(":")
        yield Attributes(user, "impersonate", "", "v1", "serviceaccounts", "", namespace, account)
    else:
        yield Attributes(user, "impersonate", "", "v1", "users", name=name)
    for group in groups:
        yield Attributes(user, "impersonate", "", "v1", "groups", name=group)
    for key, values in extra.items():
        for value in values:
            yield Attributes(user, "impersonate", "authentication.k8s.io", "v1", "userextras", key, name=value)
    if uid:
        yield Attributes(user, "impersonate", "authentication.k8s.io", "v1", "uids", name=uid)


def _groups(name: str, groups: list[str]) -> tuple[str, ...]:
    found = list(groups)
    if not found and name.startswith(ACCOUNT):
        namespace = name.removeprefix(ACCOUNT).partition(":")[0]
        found = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}"]
    if name == ANONYMOUS.name:
        return tuple(found) if _UNAUTHENTICATED in found else (*found, _UNAUTHENTICATED)
    if AUTHENTICATED in found or _UNAUTHENTICATED in found:
        return tuple(found)
    return (*found, AUTHENTICATED)
