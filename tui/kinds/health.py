"""How a whole cluster fares: rows of each kind counted by the colour that their table gives them. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from apimachinery.objects import resources as known
from apimachinery.objects.resources import Resource
from tui.kinds.catalog import lens_for
from tui.rows import Column, Row
from tui.tones import Tone

KINDS: tuple[Resource, ...] = (
    known.NODES,
    known.PODS,
    known.DEPLOYMENTS,
    known.STATEFULSETS,
    known.DAEMONSETS,
    known.JOBS,
    known.CRONJOBS,
    known.PERSISTENTVOLUMECLAIMS,
    known.HORIZONTALPODAUTOSCALERS,
    known.SERVICES,
    known.NAMESPACES,
)


@dataclass(frozen=True, slots=True)
class Health:
    """Of one kind: how many there are, how many are on their way, how many are not well."""

    total: int = 0
    waiting: int = 0
    ill: int = 0

    @property
    def well(self) -> int:
        return self.total - self.waiting - self.ill


_WORDS = frozenset({"Status", "Phase"})
_COUNTS = frozenset({"Ready", "Completions"})


def health(resource: Resource, columns: tuple[Column, ...], rows: Iterable[Row]) -> Health:
    """A row's word decides; where that is well, or there is none, its count of ready parts."""
    tone = lens_for(resource).tone
    words = [(index, column) for index, column in enumerate(columns) if column.name in _WORDS]
    counts = [(index, column) for index, column in enumerate(columns) if column.name in _COUNTS]
    total = waiting = ill = 0
    for row in rows:
        total += 1
        said = {tone(row, column, str(row.cells[index])) for index, column in words}
        counted = {tone(row, column, str(row.cells[index])) for index, column in counts}
        if Tone.BAD in said or (not words and Tone.BAD in counted):
            ill += 1
        elif row.deleting or Tone.WARN in said or counted & {Tone.WARN, Tone.BAD}:
            waiting += 1
    return Health(total, waiting, ill)


def ails(resource: Resource, columns: tuple[Column, ...], row: Row) -> bool:
    """Whether a row is one to look at when only what is not well is wanted."""
    names = {column.name for column in columns}
    if names & (_WORDS | _COUNTS):
        return health(resource, columns, [row]).well == 0
    tone = lens_for(resource).tone
    return any(
        tone(row, column, str(cell)) in (Tone.BAD, Tone.WARN) for column, cell in zip(columns, row.cells, strict=False)
    )
