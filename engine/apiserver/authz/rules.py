"""PolicyRules: what they allow, and whether some of them cover others. Pure.

Source: pkg/apis/rbac/v1/evaluation_helpers.go, component-helpers/auth/rbac/validation/policy_comparator.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product

import msgspec

ALL = "*"


class PolicyRule(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What may be done to which resources, or to which paths."""

    verbs: tuple[str, ...] = ()
    api_groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    resource_names: tuple[str, ...] = ()
    non_resource_urls: tuple[str, ...] = msgspec.field(name="nonResourceURLs", default=())

    def concerns(self, verb: str, group: str, resource: str) -> bool:
        """Whether it allows this for objects of some name. `resource` is `pods` or `pods/log`."""
        return (
            (ALL in self.verbs or verb in self.verbs)
            and (ALL in self.api_groups or group in self.api_groups)
            and _resource_matches(self.resources, resource)
        )

    def allows_path(self, verb: str, path: str) -> bool:
        return (ALL in self.verbs or verb in self.verbs) and any(_covers_path(p, path) for p in self.non_resource_urls)

    def __str__(self) -> str:
        parts = (
            ("APIGroups", self.api_groups),
            ("Resources", self.resources),
            ("NonResourceURLs", self.non_resource_urls),
            ("ResourceNames", self.resource_names),
            ("Verbs", self.verbs),
        )
        return "{" + ", ".join(f"{name}:{quoted(values)}" for name, values in parts if values) + "}"


Rules = Sequence[PolicyRule]

EVERYTHING = (
    PolicyRule(verbs=(ALL,), api_groups=(ALL,), resources=(ALL,)),
    PolicyRule(verbs=(ALL,), non_resource_urls=(ALL,)),
)


def quoted(values: Iterable[str]) -> str:
    """A list of strings as Go's %q prints it."""
    return "[" + " ".join(f'"{value}"' for value in values) + "]"


def uncovered(held: Rules, wanted: Rules) -> list[PolicyRule]:
    """What `wanted` allows and `held` does not, put together again so that people can read it."""
    missing = [one for rule in wanted for one in _atoms(rule) if not any(_covers(owner, one) for owner in held)]
    return _compacted(missing)


def _resource_matches(resources: Sequence[str], wanted: str) -> bool:
    if ALL in resources or wanted in resources:
        return True
    slash = wanted.find("/")
    return slash >= 0 and f"*{wanted[slash:]}" in resources


def _covers_path(rule: str, path: str) -> bool:
    return rule in (ALL, path) or (rule.endswith(ALL) and path.startswith(rule.rstrip(ALL)))


def _atoms(rule: PolicyRule) -> Iterator[PolicyRule]:
    """A rule taken apart into rules of one verb and one thing each."""
    for verb, group, resource in product(rule.verbs, rule.api_groups, rule.resources):
        if not rule.resource_names:
            yield PolicyRule((verb,), (group,), (resource,))
        for name in rule.resource_names:
            yield PolicyRule((verb,), (group,), (resource,), (name,))
    for verb, url in product(rule.verbs, rule.non_resource_urls):
        yield PolicyRule(verbs=(verb,), non_resource_urls=(url,))


def _covers(owner: PolicyRule, atom: PolicyRule) -> bool:
    verb = atom.verbs[0]
    if atom.non_resource_urls:
        return owner.allows_path(verb, atom.non_resource_urls[0])
    if not owner.concerns(verb, atom.api_groups[0], atom.resources[0]):
        return False
    return not owner.resource_names or (bool(atom.resource_names) and atom.resource_names[0] in owner.resource_names)


def _compacted(atoms: Iterable[PolicyRule]) -> list[PolicyRule]:
    """Rules about the same thing joined into one with all their verbs."""
    verbs: dict[PolicyRule, list[str]] = {}
    for atom in atoms:
        bare = msgspec.structs.replace(atom, verbs=())
        known = verbs.setdefault(bare, [])
        if atom.verbs[0] not in known:
            known.append(atom.verbs[0])
    return [msgspec.structs.replace(bare, verbs=tuple(found)) for bare, found in verbs.items()]
