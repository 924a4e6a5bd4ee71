"""Names for kinds as people type them: plural, singular, short, qualified. Pure; made from discovery."""

from collections.abc import Iterable, Iterator

from apimachinery.objects import resources as known
from apimachinery.objects.resources import Resource

BUILT_IN: tuple[tuple[Resource, tuple[str, ...]], ...] = (
    (known.PODS, ("po", "pod")),
    (known.DEPLOYMENTS, ("deploy", "dp", "deployment")),
    (known.REPLICASETS, ("rs", "replicaset")),
    (known.NODES, ("no", "node")),
    (known.SERVICES, ("svc", "service")),
    (known.EVENTS, ("ev", "event")),
    (known.NAMESPACES, ("ns", "namespace")),
    (known.CONFIGMAPS, ("cm", "configmap")),
    (known.SECRETS, ("sec", "secret")),
)
"""Understood before discovery has answered, and k9s's own short names after."""


class Aliases:
    """Resolves a name to a kind. Where groups share a name, the earlier of discovery (the preferred one) wins."""

    def __init__(self, discovered: Iterable[Resource] = ()) -> None:
        self._by_name: dict[str, Resource] = {}
        self._resources: dict[tuple[str, str], Resource] = {}
        found = [resource for resource in discovered if _listable(resource)]
        for resource in found:
            self._resources.setdefault((resource.group, resource.plural), resource)
        for resource, names in BUILT_IN:
            actual = self._resources.setdefault((resource.group, resource.plural), resource)
            for name in (resource.plural, *names):
                self._by_name.setdefault(name, actual)
        for resource in self._resources.values():
            for name in _names(resource):
                self._by_name.setdefault(name, resource)

    def resolve(self, name: str) -> Resource | None:
        return self._by_name.get(name.lower())

    def refined(self, resource: Resource) -> Resource:
        """The same kind as discovery knows it (subresources, verbs)."""
        return self._resources.get((resource.group, resource.plural), resource)

    def complete(self, prefix: str) -> list[str]:
        """Names that begin with `prefix`, plurals first, shortest first."""
        lowered = prefix.lower()
        plurals = [resource.plural for resource in self._resources.values()]
        first = sorted((name for name in set(plurals) if name.startswith(lowered)), key=lambda n: (len(n), n))
        rest = sorted((n for n in self._by_name if n.startswith(lowered) and n not in first), key=lambda n: (len(n), n))
        return first + rest

    def names(self) -> list[str]:
        """Every name that is understood."""
        return list(self._by_name)

    def names_of(self, resource: Resource) -> list[str]:
        """The names that lead to this kind and no other, plural first."""
        found = [name for name, one in self._by_name.items() if one is resource]
        return sorted(found, key=lambda name: (name != resource.plural, "." in name, len(name), name))

    def resources(self) -> list[Resource]:
        return sorted(self._resources.values(), key=lambda resource: (resource.plural, resource.group))


def _names(resource: Resource) -> Iterator[str]:
    yield resource.plural
    if resource.singular:
        yield resource.singular
    yield resource.kind.lower()
    yield from resource.short_names
    yield resource.qualified


def _listable(resource: Resource) -> bool:
    return not resource.verbs or "list" in resource.verbs
