"""All kinds that the API serves, in the order of discovery, and the ways to look one up."""

from __future__ import annotations

from engine.apiserver.registry.core.configmap import CONFIG_MAP
from engine.apiserver.registry.core.namespace import NAMESPACE
from engine.apiserver.registry.kind import Kind

KINDS: tuple[Kind, ...] = (CONFIG_MAP, NAMESPACE)

_BY_RESOURCE = {(kind.group, kind.version, kind.plural): kind for kind in KINDS}
_BY_KIND = {(kind.group, kind.version, kind.kind): kind for kind in KINDS}


def by_resource(group: str, version: str, plural: str) -> Kind | None:
    """Find the kind behind a path."""
    return _BY_RESOURCE.get((group, version, plural))


def by_kind(group: str, version: str, kind: str) -> Kind | None:
    """Find a kind by what an object says of itself."""
    return _BY_KIND.get((group, version, kind))


def by_group_resource(group: str, plural: str) -> Kind | None:
    """Find a kind whatever its version: the first one served."""
    return next((kind for kind in KINDS if (kind.group, kind.plural) == (group, plural)), None)


def group_versions() -> tuple[tuple[str, str], ...]:
    """All (group, version) pairs served, in the order of discovery."""
    return tuple(dict.fromkeys((kind.group, kind.version) for kind in KINDS))
