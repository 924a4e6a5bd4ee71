"""The containers of one pod, live: into their logs, or a shell."""

from collections.abc import Sequence
from dataclasses import replace

from textual.widget import Widget

from apimachinery.objects.resources import PODS
from tui import usagecells
from tui.document import Span
from tui.feeds.metrics import MetricsFeed, container_budget
from tui.feeds.objects import ObjectFeed
from tui.feeds.state import FeedState
from tui.kinds import containers, pods
from tui.kinds.lens import JSON, Action
from tui.rows import Column, Row
from tui.screens.acting import READ_ONLY
from tui.screens.base import ClusterScreen
from tui.screens.keys import ACTION_KEYS
from tui.target import PAGES, Target, View
from tui.tones import Tone
from tui.usagecells import UsageColumns
from tui.widgets.filterexpr import parse_filter
from tui.widgets.hints import Hint
from tui.widgets.table import VirtualTable


class ContainersScreen(ClusterScreen):
    BINDINGS = [
        ACTION_KEYS[Action.LOGS].binding("logs"),
        ACTION_KEYS[Action.PREVIOUS].binding("previous"),
        ACTION_KEYS[Action.SHELL].binding("shell"),
        ACTION_KEYS[Action.FORWARD].binding("forward"),
        ACTION_KEYS[Action.FORWARDS].binding("forwards"),
        ACTION_KEYS[Action.ATTACH].binding("pod_work('attach')"),
        ACTION_KEYS[Action.DEBUG].binding("pod_work('debug')"),
        ACTION_KEYS[Action.TRANSFER].binding("pod_work('transfer')"),
        ACTION_KEYS[Action.DESCRIBE].binding("describe"),
        ACTION_KEYS[Action.YAML].binding("yaml"),
        ACTION_KEYS[Action.COPY].binding("copy"),
    ]

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._filter = ""
        self._gone = False
        self._columns = UsageColumns(of_pods=True)

    def body(self) -> Sequence[Widget]:
        self.table = VirtualTable(now=self.session.now, tone=self._tone, preferred=frozenset({"CPU", "MEM", "%MEM/L"}))
        return [self.table]

    def main_widget(self) -> Widget:
        return self.table

    def on_mount(self) -> None:
        target, session = self.target, self.session
        self._pod = ObjectFeed(
            session.transport,
            PODS,
            target.namespace,
            clock=session.clock,
            name=target.name,
            on_change=self._changed,
            on_state=self._state_changed,
        )
        super().on_mount()
        self.table.set_columns(containers.COLUMNS)
        self.table.show_placeholder([((f"Reading {target.name} …", Tone.MUTED),)])
        self.run_worker(self._pod.run(), group="feed", name="containers")
        self._metrics = MetricsFeed(
            session.client, PODS, (target.namespace,), clock=session.clock, name=target.name, on_change=self._measured
        )
        self.run_worker(self._metrics.run(), group="metrics", name="container metrics")

    def _tone(self, row: Row, column: Column, text: str) -> Tone:
        return usagecells.tone(column, text) if column.name in usagecells.NAMES else containers.tone(row, column, text)

    def _measured(self) -> None:
        if not self._columns.shown and self._metrics.usage:
            self._columns.shown = True
            self.table.set_columns(self._columns.columns(containers.COLUMNS))
        if self._pod.synced:
            self._changed()

    def _with_usage(self, pod: JSON, rows: list[Row]) -> list[Row]:
        usage = next(iter(self._metrics.usage.values()), None)
        specs = {one["name"]: one for group in containers.SPECS for one in (pod.get("spec") or {}).get(group) or ()}
        return [
            self._columns.row(
                row, usage.containers.get(row.name) if usage else None, container_budget(specs.get(row.name, {}))
            )
            for row in rows
        ]

    def reconnect(self) -> None:
        self._pod.reconnect_now()

    def _changed(self) -> None:
        pod = self._pod.first
        self._gone = pod is None
        if pod is None:
            self.table.show_placeholder(
                [((f"{self.target.name} is gone. ", Tone.MUTED), ("Esc", Tone.KEY), (" goes back", Tone.FAINT))]
            )
            self.table.apply([], [row.uid for row in self.table.model.rows()])
            return
        rows = self._with_usage(pod, containers.rows(pod, self.session.now()))
        names = {row.uid for row in rows}
        self.table.apply(rows, [row.uid for row in self.table.model.rows() if row.uid not in names], first=True)
        self.tell()

    def _state_changed(self, state: FeedState) -> None:
        self.set_state(state)
        if state.detail:
            self.table.show_placeholder([((state.detail, Tone.BAD),)])

    def tick(self) -> None:
        self.table.repaint()

    def notes(self) -> Sequence[Span]:
        pod = self._pod.first or {}
        node = (pod.get("spec") or {}).get("nodeName", "")
        address = (pod.get("status") or {}).get("podIP", "")
        return [(" ".join(part for part in (f"on {node}" if node else "", address) if part), Tone.MUTED)]

    def hints(self) -> Sequence[Hint]:
        shell = [] if self.session.readonly else [Hint("s", "shell", "shell")]
        return [Hint("⏎", "logs", "logs"), *shell, Hint("p", "previous", "previous"), Hint("d", "describe", "describe"),
                Hint("y", "yaml", "yaml"), Hint("^w", "wide"), Hint("Esc", "back", "back"),
                Hint("?", "help", "help")]  # fmt: skip

    def filter_text(self) -> str:
        return self._filter

    def on_filter(self, text: str) -> None:
        self._filter = text.strip()
        self.table.set_filter(parse_filter(text, self.table.model.columns))
        self.tell()

    def on_virtual_table_activated(self) -> None:
        self.action_logs()

    def action_logs(self, previous: bool = False) -> None:
        row = self.table.current
        if row is not None:
            target = replace(
                self.target, view=View.LOGS, container=row.name, title=f"{row.name} logs", previous=previous
            )
            self.open_target(target)

    def action_previous(self) -> None:
        self.action_logs(previous=True)

    def action_shell(self) -> None:
        row = self.table.current
        if self.session.readonly:
            self.notify(READ_ONLY, severity="warning")
        elif row is not None:
            from tui.screens.shell import open_shell

            namespace, pod = self.target.namespace or "", self.target.name
            self.run_worker(open_shell(self, namespace, pod, row.name), group="shell", exclusive=True)

    def action_forward(self) -> None:
        row = self.table.current
        if self.session.readonly:
            self.notify(READ_ONLY, severity="warning")
        elif row is not None:
            from tui.screens import acting, forwards

            pod = Row(row.uid, self.target.namespace or "", self.target.name, ())
            asked = forwards.ask(self, pods.LENS, pod, container=row.name)
            self.run_worker(acting.reported(self, asked), group="act", exclusive=True)

    def action_pod_work(self, what: str) -> None:
        row = self.table.current
        if self.session.readonly:
            self.notify(READ_ONLY, severity="warning")
        elif row is not None:
            from tui.screens import acting, nodeshell, podwork

            work = {"attach": podwork.attach, "debug": nodeshell.debug, "transfer": podwork.transfer}[what]
            asked = work(self, self.target.namespace or "", self.target.name, row.name)
            self.run_worker(acting.reported(self, asked), group="act", exclusive=True)

    def action_forwards(self) -> None:
        self.open_target(PAGES[View.FORWARDS])

    def action_describe(self) -> None:
        self.open_target(replace(self.target, view=View.DESCRIBE, title="describe"))

    def action_yaml(self) -> None:
        self.open_target(replace(self.target, view=View.YAML, title="yaml"))

    def action_copy(self) -> None:
        row = self.table.current
        if row is not None:
            self.app.copy_to_clipboard(row.name)
            self.notify(f"Copied {row.name}.")
