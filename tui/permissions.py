"""What the server lets this user do: asked once per namespace, so that keys can say it before they are pressed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from apimachinery.aio.clock import Clock
from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import StatusError
from apimachinery.objects.resources import Resource

FRESH = 300.0
"""Seconds for which an answer is believed."""
_REVIEWS = "/apis/authorization.k8s.io/v1"


class Rule(msgspec.Struct, frozen=True, rename="camel"):
    verbs: tuple[str, ...] = ()
    api_groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    resource_names: tuple[str, ...] = ()

    def covers(self, verb: str, group: str, resource: str, name: str) -> bool:
        subresource = resource.partition("/")[2]
        wanted = {resource, "*"} | ({f"*/{subresource}"} if subresource else set())
        return (
            bool({verb, "*"} & set(self.verbs))
            and bool({group, "*"} & set(self.api_groups))
            and bool(wanted & set(self.resources))
            and (not self.resource_names or not name or name in self.resource_names)
        )


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    resource_rules: tuple[Rule, ...] | None = None
    incomplete: bool = False


class _Review(msgspec.Struct, frozen=True):
    status: _Status = _Status()


class _Allowed(msgspec.Struct, frozen=True):
    allowed: bool = False
    reason: str = ""


class _AccessReview(msgspec.Struct, frozen=True):
    status: _Allowed = _Allowed()


@dataclass(frozen=True, slots=True)
class Rules:
    """`incomplete`: the server could not tell everything; what is not among them may still be allowed."""

    rules: Sequence[Rule] = ()
    incomplete: bool = True

    def may(self, verb: str, group: str, resource: str, name: str = "") -> bool:
        """False only when it is sure."""
        return self.incomplete or any(rule.covers(verb, group, resource, name) for rule in self.rules)


UNKNOWN = Rules()


class Permissions:
    def __init__(self, client: Client, *, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._known: dict[str, tuple[float, Rules]] = {}

    def known(self, namespace: str | None) -> Rules:
        """What is known by now; everything may be allowed as long as nothing is."""
        return self._known.get(namespace or "default", (0.0, UNKNOWN))[1]

    async def learn(self, namespace: str | None) -> Rules:
        """Ask for the rules in a namespace, unless they were told lately."""
        where = namespace or "default"
        kept = self._known.get(where)
        if kept is not None and self._clock.monotonic() - kept[0] < FRESH:
            return kept[1]
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": where}}
        try:
            answer = await self._post("selfsubjectrulesreviews", body)
            status = msgspec.json.decode(answer, type=_Review).status
            rules = Rules(status.resource_rules or (), status.incomplete)
        except (StatusError, ConnectionFailed, msgspec.MsgspecError):
            return UNKNOWN
        self._known[where] = (self._clock.monotonic(), rules)
        return rules

    async def allowed(self, verb: str, resource: Resource, namespace: str | None, *, subresource: str = "") -> bool:
        """The server's own word on one thing; True when it gives none."""
        attributes = {"verb": verb, "group": resource.group, "resource": resource.plural, "namespace": namespace or ""}
        if subresource:
            attributes["subresource"] = subresource
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        try:
            answer = await self._post("selfsubjectaccessreviews", body)
            return msgspec.json.decode(answer, type=_AccessReview).status.allowed
        except (StatusError, ConnectionFailed, msgspec.MsgspecError):
            return True

    async def _post(self, review: str, body: Mapping[str, object]) -> bytes:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        return await self._client.call("POST", f"{_REVIEWS}/{review}", headers=headers, body=msgspec.json.encode(body))
