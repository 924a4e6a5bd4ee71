"""All that runs, of six kinds, as rows of one table. Pure."""

from apimachinery.objects import resources as known
from apimachinery.objects.resources import Resource
from tui.kinds.health import ails
from tui.rows import Column, Moment, Row

KINDS: tuple[Resource, ...] = (
    known.DEPLOYMENTS,
    known.STATEFULSETS,
    known.DAEMONSETS,
    known.REPLICASETS,
    known.PODS,
    known.SERVICES,
)
COLUMNS = (
    Column("Kind"),
    Column("Namespace"),
    Column("Name"),
    Column("Status"),
    Column("Ready"),
    Column("Age"),
)
OK, DEGRADED = "OK", "DEGRADED"


def row_of(resource: Resource, columns: tuple[Column, ...], row: Row) -> Row:
    """A row of the kind's own table as one of all. A pod keeps its word, others are OK or DEGRADED."""
    at = {column.name: str(cell) for column, cell in zip(columns, row.cells, strict=False)}
    ready = at.get("Ready", "")
    if "/" not in ready and "Desired" in at:
        ready = f"{ready}/{at['Desired']}"
    status = at["Status"] if "Status" in at else DEGRADED if _short(ready) or ails(resource, columns, row) else OK
    kind = resource.singular or resource.kind.lower()
    return Row(
        uid=row.uid,
        namespace=row.namespace,
        name=row.name,
        cells=(kind, row.namespace, row.name, status, ready, Moment(row.created)),
        labels=row.labels,
        created=row.created,
        resource_version=row.resource_version,
        deleting=row.deleting,
    )


def _short(ready: str) -> bool:
    have, slash, want = ready.partition("/")
    return bool(slash) and have.isdigit() and want.isdigit() and int(have) < int(want)
