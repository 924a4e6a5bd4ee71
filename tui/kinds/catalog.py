"""Which lens a kind is seen through."""

from apimachinery.objects.resources import Resource
from tui.kinds import (
    configmaps,
    deployments,
    events,
    generic,
    namespaces,
    nodes,
    pods,
    replicasets,
    secrets,
    services,
)
from tui.kinds.lens import Lens

_LENSES = {
    (one.resource.group, one.resource.plural): one
    for one in (
        configmaps.LENS,
        deployments.LENS,
        events.LENS,
        namespaces.LENS,
        nodes.LENS,
        pods.LENS,
        replicasets.LENS,
        secrets.LENS,
        services.LENS,
    )
}


def lens_for(resource: Resource) -> Lens:
    """The kind's own lens, or the one made of the server's columns."""
    return _LENSES.get((resource.group, resource.plural)) or generic.lens(resource)
