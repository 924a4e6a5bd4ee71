"""The columns that tell what is used: next to the server's own. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tui.amounts import cores, memory, percent
from tui.rows import Cell, Column, Row
from tui.tones import Tone


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Thousandths of a core, and bytes; `containers` by name for a pod."""

    cpu: int
    memory: int
    containers: Mapping[str, "Usage"] = field(default_factory=dict[str, "Usage"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What a pod asked for and may use at most, or what a machine has for pods (as both). 0 is nothing said."""

    cpu_request: int = 0
    cpu_limit: int = 0
    memory_request: int = 0
    memory_limit: int = 0


POD_COLUMNS = (
    Column("CPU", "number", description="Processor time used now, in thousandths of a core", priority=1),
    Column("MEM", "number", description="Memory in use now", priority=1),
    Column("%CPU/R", "number", description="CPU in percent of what was requested", priority=1),
    Column("%CPU/L", "number", description="CPU in percent of the limit", priority=1),
    Column("%MEM/R", "number", description="Memory in percent of what was requested", priority=1),
    Column("%MEM/L", "number", description="Memory in percent of the limit", priority=1),
)
NODE_COLUMNS = (
    Column("CPU", "number", description="Processor time used now, in thousandths of a core", priority=1),
    Column("%CPU", "number", description="CPU in percent of what the machine has for pods", priority=1),
    Column("MEM", "number", description="Memory in use now", priority=1),
    Column("%MEM", "number", description="Memory in percent of what the machine has for pods", priority=1),
)
NAMES = frozenset(column.name for column in (*POD_COLUMNS, *NODE_COLUMNS))
NOTHING = Budget()
WARN_PERCENT, BAD_PERCENT = 75, 90


def pod_cells(usage: Usage | None, budget: Budget | None) -> tuple[Cell, ...]:
    if usage is None:
        return (None,) * len(POD_COLUMNS)
    budget = budget or NOTHING
    return (
        cores(usage.cpu),
        memory(usage.memory),
        percent(usage.cpu, budget.cpu_request),
        percent(usage.cpu, budget.cpu_limit),
        percent(usage.memory, budget.memory_request),
        percent(usage.memory, budget.memory_limit),
    )


def node_cells(usage: Usage | None, budget: Budget | None) -> tuple[Cell, ...]:
    if usage is None:
        return (None,) * len(NODE_COLUMNS)
    budget = budget or NOTHING
    return (
        cores(usage.cpu),
        percent(usage.cpu, budget.cpu_limit),
        memory(usage.memory),
        percent(usage.memory, budget.memory_limit),
    )


def tone(column: Column, text: str) -> Tone:
    """Of a cell in one of these columns. What passes a limit, or comes near it, stands out."""
    if not column.name.startswith("%"):
        return Tone.MUTED
    share = int(text[:-1]) if text[:-1].isdigit() else 0
    if share >= BAD_PERCENT and not column.name.endswith("/R"):
        return Tone.BAD
    return Tone.WARN if share >= (WARN_PERCENT if not column.name.endswith("/R") else 100) else Tone.MUTED


class UsageColumns:
    """Puts the columns before the age, where they are looked for, and takes them out again."""

    def __init__(self, *, of_pods: bool) -> None:
        self._extra = POD_COLUMNS if of_pods else NODE_COLUMNS
        self._cells = pod_cells if of_pods else node_cells
        self._at = 0
        self.shown = False

    def columns(self, own: Sequence[Column]) -> tuple[Column, ...]:
        """The server's columns with ours among them, once `shown`."""
        names = [column.name for column in own]
        self._at = names.index("Age") if "Age" in names else len(names)
        return (*own[: self._at], *self._extra, *own[self._at :]) if self.shown else tuple(own)

    def row(self, own: Row, usage: Usage | None, budget: Budget | None) -> Row:
        """A server's row with our cells in it."""
        if not self.shown:
            return own
        cells = (*own.cells[: self._at], *self._cells(usage, budget), *own.cells[self._at :])
        return replace(own, cells=cells)

    def own(self, row: Row) -> Row:
        """The server's row again."""
        if not self.shown:
            return row
        return replace(row, cells=(*row.cells[: self._at], *row.cells[self._at + len(self._extra) :]))
