"""What validating and mutating policies share: which bindings of which policies a request meets, with which parameters.

Source: k8s.io/apiserver/pkg/admission/plugin/policy/generic.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from engine.apiserver.dynamic import rules
from engine.apiserver.guard import Write
from engine.apiserver.registry.kind import Json, Kind

FindParams = Callable[[Json, Json, str], Awaitable[list[Json]]]
"""(paramKind, paramRef, namespace of the request) to the parameters. Raises Misconfigured."""


class Misconfigured(Exception):
    """A policy, or a binding of it, that cannot be applied."""

    def __init__(self, text: str, *, policy: bool = False) -> None:
        super().__init__(f"failed to configure {'policy' if policy else 'binding'}: {text}")
        self.policy = policy


@dataclass(frozen=True, slots=True)
class Invocation:
    """A policy that a request meets through a binding, with one of its parameters."""

    policy: Json
    binding: Json
    kind: Kind
    """As which the policy wants to see the object."""
    params: Json | None

    @property
    def key(self) -> tuple[str, str, str, str]:
        """By which an invocation is the same again."""
        metadata: Json = (self.params or {}).get("metadata") or {}
        names = self.policy["metadata"]["name"], self.binding["metadata"]["name"]
        return (*names, metadata.get("namespace", ""), metadata.get("name", ""))

    @property
    def fails(self) -> bool:
        """Whether what cannot be evaluated is refused."""
        return fails(self.policy)


@dataclass(frozen=True, slots=True)
class Failure:
    """What kept a policy from being applied at all."""

    policy: Json
    binding: Json | None
    text: str


def fails(policy: Json) -> bool:
    """Whether what cannot be evaluated is refused."""
    return policy["spec"].get("failurePolicy", "Fail") != "Ignore"


async def invocations(
    policies: Sequence[Json], bindings: Sequence[Json], write: Write, others: Sequence[Kind], find: FindParams
) -> tuple[list[Invocation], list[Failure]]:
    """All that a request meets, in order of names."""
    found: list[Invocation] = []
    failures: list[Failure] = []
    for policy in policies:
        spec: Json = policy["spec"]
        kind = rules.matched(spec.get("matchConstraints") or {}, write, others)
        if kind is None:
            continue
        for binding in bindings:
            bound: Json = binding["spec"]
            if bound.get("policyName") != policy["metadata"]["name"]:
                continue
            if bound.get("matchResources") and rules.matched(bound["matchResources"], write, others) is None:
                continue
            try:
                params = await _params(spec, bound, write, find)
            except Misconfigured as error:
                if fails(policy):
                    failures.append(Failure(policy, None if error.policy else binding, str(error)))
                continue
            found += [Invocation(policy, binding, kind, param) for param in params]
    return found, failures


async def _params(spec: Json, bound: Json, write: Write, find: FindParams) -> Sequence[Json | None]:
    wanted: Json | None = spec.get("paramKind")
    reference: Json | None = bound.get("paramRef")
    if wanted is None or reference is None:
        return [None]
    params = await find(wanted, reference, write.namespace)
    if not params and reference.get("parameterNotFoundAction") == "Deny":
        raise Misconfigured("no params found for policy binding with `Deny` parameterNotFoundAction")
    return params
