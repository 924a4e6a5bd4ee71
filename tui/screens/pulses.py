"""Pulses: how the whole cluster fares, at a glance. Counts by state, what is used, the latest warnings."""

from collections.abc import Sequence

from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Static

from apimachinery.objects.meta import parse_time
from apimachinery.objects.resources import EVENTS, NODES, Resource
from tui import amounts
from tui.ages import human_duration
from tui.document import EMPTY, Document, Line, Span
from tui.feeds.metrics import MetricsFeed
from tui.feeds.objects import ObjectFeed
from tui.feeds.state import FeedState, Phase
from tui.feeds.tables import TableFeed
from tui.graphs import area
from tui.kinds.health import KINDS, Health, health
from tui.kinds.lens import JSON
from tui.rows import Column, Row
from tui.screens.base import ClusterScreen
from tui.target import PAGES, Target, View
from tui.tones import Tone
from tui.widgets.hints import Hint
from tui.widgets.table import VirtualTable
from tui.widgets.textview import TextView

COLUMNS = (
    Column("Kind"),
    Column("Total", "integer"),
    Column("Well", "integer"),
    Column("Waits", "integer"),
    Column("Ill", "integer"),
)
REFRESH = 0.5
LONG = 14
"""Kinds with longer names go by their short ones."""
WARNINGS = 200


class _Count:
    """One kind, counted live."""

    def __init__(self, screen: "PulsesScreen", resource: Resource) -> None:
        session = screen.session
        self.resource = resource
        self.changed = False
        self.rows: dict[str, Row] = {}
        self.columns: tuple[Column, ...] = ()
        namespace = session.namespace if resource.namespaced else None
        self.feed = TableFeed(
            session.transport, resource.path(namespace), clock=session.clock, on_pending=self._pending,
            on_state=screen.state_of if resource.plural == "pods" else lambda _: None,
        )  # fmt: skip

    def _pending(self) -> None:
        self.changed = True

    def take(self) -> bool:
        """Take in what came; False when nothing did."""
        batch = self.feed.take() if self.changed else None
        self.changed = False
        if batch is None:
            return False
        if batch.columns is not None:
            self.columns = batch.columns
            self.rows.clear()
        for uid in batch.removed:
            self.rows.pop(uid, None)
        self.rows.update((row.uid, row) for row in batch.upserts)
        return True

    def row(self) -> Row | None:
        """None for a kind that is not served, or not to us."""
        if self.feed.state.phase is Phase.REFUSED or not self.columns:
            return None
        counted = health(self.resource, self.columns, self.rows.values())
        short = self.resource.short_names[:1] if len(self.resource.plural) > LONG else ()
        word = short[0] if short else self.resource.plural
        cells = (word, counted.total, counted.well, counted.waiting, counted.ill)
        return Row(self.resource.qualified, "", self.resource.plural, cells)

    def health(self) -> Health:
        return health(self.resource, self.columns, self.rows.values())


class PulsesScreen(ClusterScreen):
    def body(self) -> Sequence[Widget]:
        self.table = VirtualTable(now=self.session.now, tone=self._tone)
        self.graphs = TextView([])
        self.warnings = TextView([])
        self.graphs.can_focus = False
        return [
            Horizontal(
                Vertical(self.table, classes="pulses-kinds"),
                Vertical(self.graphs, classes="pulses-graphs"),
                classes="pulses-top",
            ),
            Static("LATEST WARNINGS", classes="pulses-title"),
            self.warnings,
        ]

    def main_widget(self) -> Widget:
        return self.table

    def on_mount(self) -> None:
        session = self.session
        self._counts = [_Count(self, session.aliases.refined(kind)) for kind in KINDS]
        self._events = ObjectFeed(
            session.transport, EVENTS, session.namespace, clock=session.clock, field_selector="type=Warning",
            on_change=self._events_changed,
        )  # fmt: skip
        self._metrics = MetricsFeed(
            session.client, NODES, clock=session.clock, wanted=lambda: list(self._metrics.usage),
            on_change=self._measured,
        )  # fmt: skip
        self._stale_events = True
        super().on_mount()
        self.table.set_columns(COLUMNS)
        self.table.show_placeholder([(("Counting …", Tone.MUTED),)])
        for count in self._counts:
            self.run_worker(count.feed.run(), group="feed", name=f"pulse {count.resource.plural}")
        self.run_worker(self._events.run(), group="feed", name="pulse events")
        self.run_worker(self._metrics.run(), group="feed", name="pulse metrics")
        self.set_interval(REFRESH, self._refresh)
        self._draw_graphs()

    def reconnect(self) -> None:
        for count in self._counts:
            count.feed.reconnect_now()
        self._events.reconnect_now()

    def state_of(self, state: FeedState) -> None:
        self.set_state(state)

    def _refresh(self) -> None:
        if not self.is_current:
            return
        changed = [count for count in self._counts if count.take()]
        if changed:
            rows = [row for count in self._counts if (row := count.row()) is not None]
            kept = {row.uid for row in rows}
            gone = [row.uid for row in self.table.model.rows() if row.uid not in kept]
            self.table.apply([_placed(number, row) for number, row in enumerate(rows)], gone, first=True)
            self.tell()
        if self._stale_events:
            self._stale_events = False
            self.warnings.show(warning_lines(self._events.objects, self.session.now(), self.size.width - 4))

    def tick(self) -> None:
        self.table.repaint()
        self._stale_events = True

    def on_resize(self) -> None:
        self._draw_graphs()
        self._stale_events = True

    # what is used

    def _measured(self) -> None:
        self.session.history.add(self._metrics.usage, self._metrics.budgets)
        self._draw_graphs()

    def _draw_graphs(self) -> None:
        if not self.shown:
            return
        history, width = self.session.history, max(10, self.graphs.size.width - 4)
        if not history.cpu:
            self.graphs.show([(("CPU and memory: this cluster serves no metrics (metrics.k8s.io)", Tone.FAINT),)])
            return
        lines: list[Line] = []
        cpu = (amounts.cores(int(history.cpu[-1])), amounts.cores(history.cpu_total))
        memory = (amounts.size(history.memory[-1]), amounts.size(history.memory_total))
        for word, (used, total), values in (("CPU", cpu, history.cpu), ("Memory", memory, history.memory)):
            share = amounts.percent(used, total)
            tone = _share_tone(share or 0)
            lines.append(
                ((f"{word}  ", Tone.HEADING), (str(share or used), tone), (f"  {used} of {total}", Tone.MUTED))
            )
            lines += [((line, tone),) for line in area(list(values), width, 4, total or max(values) * 1.2)]
            lines += [(("─" * width, Tone.FAINT),), EMPTY]
        self.graphs.show(lines)

    # warnings

    def _events_changed(self) -> None:
        self._stale_events = True

    # what is said

    def _tone(self, row: Row, column: Column, text: str) -> Tone:
        ill, waits = row.cells[4], row.cells[3]
        match column.name:
            case "Ill":
                return Tone.BAD if ill else Tone.FAINT
            case "Waits":
                return Tone.WARN if waits else Tone.FAINT
            case "Well":
                return Tone.FAINT if text == "0" else Tone.OK
            case _:
                return Tone.FAINT if text == "0" else Tone.TEXT

    def own_crumbs(self, *, first: bool) -> list[str]:
        scope = [self.session.namespace or "all namespaces"] if first else []
        return [*scope, "pulses"]

    def notes(self) -> Sequence[Span]:
        counts = [count.health() for count in self._counts if count.columns]
        ill = sum(count.ill for count in counts)
        waiting = sum(count.waiting for count in counts)
        if not counts:
            return ()
        if not ill and not waiting:
            return [("all is well", Tone.OK)]
        return [
            (f"{ill} ill", Tone.BAD if ill else Tone.FAINT),
            (f"  {waiting} waiting", Tone.WARN if waiting else Tone.FAINT),
        ]

    def hints(self) -> Sequence[Hint]:
        return [
            Hint("⏎", "go there", "enter"),
            Hint("0", "all namespaces", "all_namespaces"),
            Hint("n", "namespace", "namespace"),
            Hint(":", "go to", "command"),
            Hint("?", "help", "help"),
        ]

    def action_enter(self) -> None:
        self.table.action_activate()

    def on_virtual_table_activated(self, event: VirtualTable.Activated) -> None:
        resource = next(c.resource for c in self._counts if c.resource.qualified == event.row.uid)
        namespace = self.session.namespace if resource.namespaced else None
        self.conductor.go_to(Target(resource=resource, namespace=namespace))

    def action_all_namespaces(self) -> None:
        super().action_all_namespaces()
        self.conductor.go_to(PAGES[View.PULSES])


def _placed(number: int, row: Row) -> Row:
    """Rows stand in the order of the kinds, not of their names."""
    return Row(row.uid, f"{number:02}", row.name, row.cells)


def _share_tone(share: float) -> Tone:
    return Tone.BAD if share >= 90 else Tone.WARN if share >= 75 else Tone.OK


def warning_lines(events: Sequence[JSON], now: float, width: int) -> list[Line]:
    """Newest first, one line each."""
    seen = sorted(((_seen(event), event) for event in events), key=lambda one: one[0], reverse=True)[:WARNINGS]
    if not seen:
        return [(("None.", Tone.MUTED),)]
    doc = Document()
    rows: list[list[Span]] = []
    for when, event in seen:
        about = event.get("involvedObject") or event.get("regarding") or {}
        count = event.get("count") or (event.get("series") or {}).get("count") or 1
        what = f"{str(about.get('kind', '')).lower()}/{about.get('name', '')}"
        message = " ".join(str(event.get("message") or event.get("note") or "").split())
        rows.append(
            [
                (human_duration(now - when) if when else "", Tone.MUTED),
                (f"{count}x" if count > 1 else "", Tone.MUTED),
                (str(event.get("reason", "")), Tone.WARN),
                (what, Tone.KEY),
                (message[: max(20, width)], Tone.TEXT),
            ]
        )
    doc.table(("AGO", "TIMES", "REASON", "ABOUT", "MESSAGE"), rows, indent=0)
    return doc.lines


def _seen(event: JSON) -> float:
    series = event.get("series") or {}
    text = series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
    text = text or (event.get("metadata") or {}).get("creationTimestamp")
    return parse_time(text).timestamp() if text else 0.0
