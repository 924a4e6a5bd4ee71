"""Progress of work on several machines at once: a live table on a terminal, plain lines elsewhere."""

import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from engine.fleet.progress import StepEvent


@dataclass(slots=True)
class _Row:
    title: str = "Waiting"
    state: str = ""
    began: float = field(default_factory=time.monotonic)
    seconds: float | None = None
    steps: int = 0


class MachineProgress:
    """Give `tell` to whoever reports; machines appear in the order in which they were named."""

    def __init__(self, machines: list[str], console: Console) -> None:
        self._console = console
        self._rows = {machine: _Row() for machine in machines}
        self._spinner = Spinner("dots")
        self._live = Live(get_renderable=self._table, console=console, refresh_per_second=8, transient=False)

    @contextmanager
    def shown(self) -> Generator[None]:
        """While the work goes on."""
        if self._console.is_terminal:
            with self._live:
                yield
        else:
            yield

    @asynccontextmanager
    async def paused(self) -> AsyncGenerator[None]:
        """While a person is asked something."""
        self._live.stop()
        try:
            yield
        finally:
            if self._console.is_terminal:
                self._live.start()

    def tell(self, event: StepEvent) -> None:
        row = self._rows.setdefault(event.machine, _Row())
        row.title, row.state = event.title, event.happening
        if event.happening != "started":
            row.steps += 1
        if not self._console.is_terminal and event.happening != "started":
            self._console.print(plain_line(event), highlight=False, markup=False, soft_wrap=True)

    def end(self, machine: str, message: str, *, well: bool) -> None:
        """The last word on a machine."""
        row = self._rows[machine]
        row.title, row.state = message, "ready" if well else "failed"
        row.seconds = time.monotonic() - row.began

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for machine, row in self._rows.items():
            seconds = time.monotonic() - row.began if row.seconds is None else row.seconds
            table.add_row(
                self._mark(row), Text(machine, style="bold"), Text(row.title), Text(f"{seconds:.0f} s", style="dim")
            )
        return table

    def _mark(self, row: _Row) -> Text | Spinner:
        if row.state == "ready":
            return Text("✓", style="green")
        return Text("✗", style="red") if row.state == "failed" else self._spinner


def plain_line(event: StepEvent) -> str:
    """One line for logs and pipes."""
    if event.happening == "failed":
        return f"{event.machine}: {event.title}: failed after {event.seconds:.1f} s: {event.message}"
    done = "already done" if event.happening == "skipped" else f"done in {event.seconds:.1f} s"
    return f"{event.machine}: {event.title}: {done}"
