"""Which FlowSchema a request belongs to. Pure.

Source: apiserver/pkg/util/flowcontrol/rule.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from engine.apiserver.request import User

_ACCOUNT = "system:serviceaccount:"


class _Named(msgspec.Struct, frozen=True):
    name: str = ""
    namespace: str = ""


class _Subject(msgspec.Struct, frozen=True, rename="camel"):
    kind: str = ""
    user: _Named | None = None
    group: _Named | None = None
    service_account: _Named | None = None

    def fits(self, user: User) -> bool:
        match self.kind:
            case "User":
                return self.user is not None and self.user.name in ("*", user.name)
            case "Group":
                return self.group is not None and (self.group.name == "*" or self.group.name in user.groups)
            case "ServiceAccount" if self.service_account is not None:
                account = self.service_account
                owned = f"{_ACCOUNT}{account.namespace}:"
                return user.name.startswith(owned) and account.name in ("*", user.name.removeprefix(owned))
            case _:
                return False


class _ResourceRule(msgspec.Struct, frozen=True, rename="camel"):
    verbs: tuple[str, ...] = ()
    api_groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    cluster_scope: bool = False
    namespaces: tuple[str, ...] = ()

    def fits(self, asked: Asked) -> bool:
        return (
            _has(self.verbs, asked.verb)
            and _has(self.resources, asked.resource)
            and _has(self.api_groups, asked.group)
            and (_has(self.namespaces, asked.namespace) if asked.namespace else self.cluster_scope)
        )


class _PathRule(msgspec.Struct, frozen=True):
    verbs: tuple[str, ...] = ()
    urls: tuple[str, ...] = msgspec.field(default=(), name="nonResourceURLs")

    def fits(self, asked: Asked) -> bool:
        return _has(self.verbs, asked.verb) and any(_leads_to(url, asked.path) for url in self.urls)


class _Rule(msgspec.Struct, frozen=True, rename="camel"):
    subjects: tuple[_Subject, ...] = ()
    resource_rules: tuple[_ResourceRule, ...] = ()
    non_resource_rules: tuple[_PathRule, ...] = ()

    def fits(self, asked: Asked) -> bool:
        if not any(subject.fits(asked.user) for subject in self.subjects):
            return False
        rules: Iterable[_ResourceRule | _PathRule] = self.resource_rules if asked.resource else self.non_resource_rules
        return any(rule.fits(asked) for rule in rules)


class _Name(msgspec.Struct, frozen=True):
    name: str = ""
    uid: str = ""


class _Method(msgspec.Struct, frozen=True):
    type: str = ""


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    priority_level_configuration: _Name = _Name()
    matching_precedence: int = 1000
    distinguisher_method: _Method | None = None
    rules: tuple[_Rule, ...] = ()


class _Condition(msgspec.Struct, frozen=True):
    type: str = ""
    status: str = ""


class _Status(msgspec.Struct, frozen=True):
    conditions: tuple[_Condition, ...] = ()


class FlowSchema(msgspec.Struct, frozen=True):
    """A FlowSchema as it decides."""

    metadata: _Name = _Name()
    spec: _Spec = _Spec()
    status: _Status = _Status()

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def level(self) -> str:
        """The name of its priority level."""
        return self.spec.priority_level_configuration.name

    @property
    def rank(self) -> tuple[int, str]:
        """Schemas are asked in this order."""
        return self.spec.matching_precedence, self.name

    @property
    def told(self) -> str:
        """Whether its status says that it has no level: `True`, `False`, or nothing."""
        return next((each.status for each in self.status.conditions if each.type == "Dangling"), "")

    def fits(self, asked: Asked) -> bool:
        return any(rule.fits(asked) for rule in self.spec.rules)

    def distinguisher(self, asked: Asked) -> str:
        """What tells one flow of this schema from another: requests of one flow wait behind each other."""
        method = self.spec.distinguisher_method
        match "" if method is None else method.type:
            case "ByUser":
                return asked.user.name
            case "ByNamespace":
                return asked.namespace
            case _:
                return ""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as schemas see it. No `resource`: it is for `path`, which is empty otherwise."""

    user: User
    verb: str
    path: str = ""
    group: str = ""
    resource: str = ""
    """`pods` or `pods/log`."""
    namespace: str = ""


def _has(listed: tuple[str, ...], value: str) -> bool:
    return "*" in listed or value in listed


def _leads_to(url: str, path: str) -> bool:
    if url in ("*", path):
        return True
    # Upstream takes `/healthz` for the folder as well.
    return path.startswith(url.removesuffix("*").removesuffix("/") + "/")
