"""Which lens a kind is seen through."""

from apimachinery.objects.resources import Resource
from tui.kinds import (
    configmaps,
    customkinds,
    daemonsets,
    deployments,
    events,
    generic,
    jobs,
    namespaces,
    nodes,
    pods,
    replicasets,
    rules,
    secrets,
    services,
    statefulsets,
)
from tui.kinds.lens import Lens

_LENSES = {
    (one.resource.group, one.resource.plural): one
    for one in (
        configmaps.LENS,
        customkinds.LENS,
        *rules.LENSES,
        daemonsets.LENS,
        deployments.LENS,
        events.LENS,
        jobs.CRON_JOB,
        jobs.JOB,
        namespaces.LENS,
        nodes.LENS,
        pods.LENS,
        replicasets.LENS,
        secrets.LENS,
        services.LENS,
        statefulsets.LENS,
    )
}


def lens_for(resource: Resource) -> Lens:
    """The kind's own lens, or the one made of the server's columns."""
    return _LENSES.get((resource.group, resource.plural)) or generic.lens(resource)


def lenses() -> tuple[Lens, ...]:
    """Every lens that is made for one kind."""
    return tuple(_LENSES.values())
