"""A row of a server-side Table, cut down to what the screen needs; shared by kinds, feeds and widgets. Pure data."""

from collections.abc import Mapping
from dataclasses import dataclass, field

Cell = str | int | float | bool | None


class Moment(float):
    """A cell that is a point in time (seconds since the epoch): shown as an age that grows, sorted as a number."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a Table. `priority` 0 is always shown, higher ones only in the wide view."""

    name: str
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0

    @property
    def numeric(self) -> bool:
        return self.type in ("integer", "number")


@dataclass(slots=True, eq=False)
class Row:
    """One object: its identity and its cells, in the order of the Table's columns.

    `uid` is the row's key everywhere; `created` is seconds since the epoch, 0 when the server sent none.
    """

    uid: str
    namespace: str
    name: str
    cells: tuple[Cell, ...]
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    created: float = 0.0
    resource_version: str = ""
    deleting: bool = False
    cluster: str = ""
    """The context it is of, in a table of several clusters."""

    @property
    def key(self) -> str:
        name = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.cluster}: {name}" if self.cluster else name
