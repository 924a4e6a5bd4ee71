"""The table of one kind: live, filtered as typed, the start of every way."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from textual.widget import Widget

from apimachinery.objects.resources import Resource
from tui import usagecells
from tui.command import namespaces_of
from tui.document import EMPTY, Line, Span
from tui.feeds.state import FeedState, Phase
from tui.feeds.tables import Batch, TableFeed
from tui.kinds.catalog import lens_for
from tui.kinds.health import ails
from tui.kinds.lens import Action, Lens
from tui.memory import TableChoice
from tui.rows import Column, Row
from tui.screens import acting
from tui.screens.allowed import denied_lines, may
from tui.screens.base import ClusterScreen
from tui.screens.keys import ACTION_KEYS, TABLE_KEYS
from tui.target import Target, View
from tui.tones import Tone
from tui.views import View as UserView
from tui.views import layout_of, normal
from tui.widgets.filterexpr import parse_filter
from tui.widgets.hints import Hint
from tui.widgets.table import VirtualTable

if TYPE_CHECKING:
    from tui.feeds.manyclusters import ManyClusters
    from tui.feeds.manytables import ManyTables
    from tui.screens.usage import UsageOverlay

WARM_ROWS = 400
QUIET = frozenset(
    {
        Action.COPY,
        Action.PREVIOUS,
        Action.OWNER,
        Action.XRAY,
        Action.NODE,
        Action.FORWARDS,
        Action.ATTACH,
        Action.DEBUG,
        Action.TRANSFER,
        Action.SANITIZE,
        Action.TEACH,
        Action.COPY_NAMESPACE,
        Action.WARP,
    }
)
"""Not worth room at the bottom; `?` tells of them."""
FRAME = 0.08
"""Seconds between repaints while changes pour in."""


class BrowseScreen(ClusterScreen):
    BINDINGS = [
        *(key.binding(f"act('{action.value}')") for action, key in ACTION_KEYS.items()),
        TABLE_KEYS["past"].binding("past"),
    ]

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.lens: Lens = lens_for(target.resource)
        self._filter = target.filter
        self._last_flush = 0.0
        self._flush_waits = False
        self._settled = False
        self.usage: UsageOverlay | None = None
        self._own_columns: tuple[Column, ...] = ()
        self._view: UserView | None = None

    # body

    def body(self) -> Sequence[Widget]:
        self.lens = lens_for(self.session.aliases.refined(self.target.resource))
        self.table = VirtualTable(
            now=self.session.now,
            tone=self._tone,
            preferred=self.lens.preferred,
            spared=self.lens.spared,
            ails=lambda row: ails(self.lens.resource, self.table.model.columns, row),
        )
        return [self.table]

    def main_widget(self) -> Widget:
        return self.table

    def on_mount(self) -> None:
        if self._begun:
            return
        target = self.target
        self._namespaces: list[str | None] = [target.namespace]
        if target.namespace and target.resource.namespaced:
            self._namespaces = [*namespaces_of(target.namespace, self.session.namespaces)]
        self._record = self.session.records.table(target.table_key)
        self._record.opened()
        self._view = self._wanted_view()
        self.feed = self._make_feed()
        self._follow_feed()
        self.run_worker(self._learn_permissions(), group="permissions")
        super().on_mount()
        self.table.wide = self.conductor.memory.table(self._memory_key).wide
        self._show_placeholder()

    def _follow_feed(self) -> None:
        self.run_worker(self.feed.run(), group="feed", name=f"table {self.target.resource.plural}", exclusive=True)

    def _wanted_view(self) -> UserView | None:
        resource = self.session.aliases.refined(self.target.resource)
        return self.conductor.settings.current.view(resource, self.target.namespace)

    def settings_changed(self) -> None:
        """Other columns than before: the table is read anew with them."""
        super().settings_changed()
        if self.shown and (wanted := self._wanted_view()) != self._view:
            self._view = wanted
            self.feed = self._make_feed()
            self._settled = False
            self._follow_feed()

    def _make_feed(self) -> "TableFeed | ManyTables | ManyClusters":
        target, session = self.target, self.session
        layout = layout_of(self._view) if self._view is not None else None
        if len(self._namespaces) > 1:
            from tui.feeds.manytables import ManyTables

            return ManyTables(
                session.transport,
                [target.resource.path(namespace) for namespace in self._namespaces],
                clock=session.clock,
                label_selector=target.label_selector,
                field_selector=target.field_selector,
                layout=layout,
                on_pending=self._pending,
                on_state=self._state_changed,
            )
        return TableFeed(
            session.transport,
            target.resource.path(self._namespaces[0]),
            clock=session.clock,
            label_selector=target.label_selector,
            field_selector=target.field_selector,
            with_namespace=target.resource.namespaced and target.namespace is None,
            layout=layout,
            on_pending=self._pending,
            on_state=self._state_changed,
        )

    async def _learn_permissions(self) -> None:
        for namespace in self._namespaces:
            await self.session.permissions.learn(namespace)
        self.tell()

    def reconnect(self) -> None:
        self.feed.reconnect_now()

    # from the feed

    def _pending(self) -> None:
        if self._flush_waits:
            return
        self._flush_waits = True
        wait = self._last_flush + FRAME - self._loop_time()
        if wait <= 0:
            self.call_later(self._flush)
        else:
            self.set_timer(wait, self._flush)

    def _flush(self) -> None:
        self._flush_waits = False
        self._last_flush = self._loop_time()
        batch = self.feed.take()
        if batch is None:
            return
        self._keep(batch)
        if batch.columns is not None:
            self._own_columns = batch.columns
            self._set_columns()
            self._first_sort()
        upserts = self.usage.rows(batch.upserts) if self.usage is not None else batch.upserts
        self.table.apply(upserts, batch.removed, first=not self._settled)
        self._settled = self.feed.state.phase is Phase.LIVE
        if self.lens.measured and self.usage is None:
            # Once the table is there: it waits for no numbers.
            self.call_later(self._measure)
        self._show_placeholder()
        self.tell()

    def _keep(self, batch: Batch) -> None:
        """What `B` goes back through."""
        now, live = self.session.now(), self.feed.state.phase is Phase.LIVE
        self._record.take(batch.columns, batch.upserts, batch.removed, now, whole=live)
        self.session.records.bound(now)

    def _heard(self) -> None:
        """The list is complete, and changes come as they happen."""
        if self.feed.state.phase is Phase.LIVE:
            self._flush()
            now = self.session.now()
            self._record.take(None, (), (), now, whole=True)
            self._record.heard(now)

    def on_unmount(self) -> None:
        # Textual calls the same of ClusterScreen by itself.
        self._record.closed(self.session.now())

    def action_past(self) -> None:
        self.open_target(replace(self.target, view=View.PAST, filter=self._filter))

    def _set_columns(self) -> None:
        columns = self.usage.columns(self._own_columns) if self.usage is not None else self._own_columns
        self.table.set_columns(columns)
        if self._filter:
            self.table.set_filter(parse_filter(self._filter, columns))

    def _measure(self) -> None:
        from tui.screens.usage import UsageOverlay

        if self.usage is not None:
            return
        self.usage = UsageOverlay(self, self.table, self._namespaces, self._with_usage)
        self.run_worker(self.usage.run(), group="metrics", name=f"metrics {self.target.resource.plural}")

    def _with_usage(self) -> None:
        """The first numbers are there: the columns come, and everything else stays as it was."""
        if self.usage is None:
            return
        if not self._own_columns:
            self.usage.show()
            return
        model, uid = self.table.model, self.table.current.uid if self.table.current else ""
        rows = self.usage.stripped(model.rows())
        by = model.columns[model.sort_column].name if 0 <= model.sort_column < len(model.columns) else ""
        descending = model.descending
        self.usage.show()
        self._set_columns()
        for index, column in enumerate(model.columns):
            if by and column.name == by:
                self.table.sort_by(index, descending=descending)
        if not by:
            self._first_sort()
        self.table.apply(self.usage.rows(rows), [], first=True)
        self.table.select(uid)

    def _tone(self, row: Row, column: Column, text: str) -> Tone:
        return usagecells.tone(column, text) if column.name in usagecells.NAMES else self.lens.tone(row, column, text)

    def _loop_time(self) -> float:
        import time

        return time.monotonic()

    def _first_sort(self) -> None:
        choice = self.conductor.memory.table(self._memory_key)
        shipped = (self._view.sort() if self._view else None) or self.lens.sort or ("", False)
        name, descending = (choice.sort, choice.descending) if choice.sort else shipped
        for index, column in enumerate(self.table.model.columns):
            if name and normal(column.name) == normal(name):
                self.table.sort_by(index, descending=descending)

    def _state_changed(self, state: FeedState) -> None:
        if state.phase is Phase.STALE:
            self._record.silent(self.session.now() - (self.session.clock.monotonic() - state.since))
        elif state.phase is Phase.LIVE:
            self.call_later(self._heard)
        self.set_state(state)
        self.table.set_class(state.phase is Phase.STALE, "-stale")
        self._show_placeholder()

    # what is said

    def _show_placeholder(self) -> None:
        if not len(self.table.model):
            self.table.show_placeholder(self._placeholder())

    def _placeholder(self) -> list[Line]:
        state, kind = self.feed_state, self.target.resource.plural
        if self.table.model.total and self.table.faults_only and not self._filter:
            return [
                ((f"All {self.table.model.total:,} {kind} are well", Tone.OK),),
                EMPTY,
                (("^z", Tone.KEY), (" shows them", Tone.FAINT)),
            ]
        if self.table.model.total and self._filter:
            return [
                ((f"None of {self.table.model.total:,} {kind} match ", Tone.MUTED), (self._filter, Tone.ACCENT)),
                EMPTY,
                (("Esc", Tone.KEY), (" clears the filter", Tone.FAINT)),
            ]
        match state.phase:
            case Phase.LIVE:
                return self._nothing_here(kind)
            case Phase.REFUSED if state.code == 403:
                return denied_lines(state, kind, self.target.namespace)
            case Phase.REFUSED:
                return [*_said(state), EMPTY, (("^r", Tone.KEY), (" tries again", Tone.FAINT))]
            case Phase.CONNECTING if state.detail:
                return [
                    (("Cannot reach the cluster", Tone.BAD),),
                    ((state.detail, Tone.MUTED),),
                    EMPTY,
                    (("Trying again by itself; ", Tone.FAINT), ("^r", Tone.KEY), (" tries now", Tone.FAINT)),
                ]
            case _:
                return [((f"Loading {kind} …", Tone.MUTED),)]

    def _nothing_here(self, kind: str) -> list[Line]:
        target = self.target
        where = f" in {target.namespace}" if target.namespace else ""
        of = f" of {target.title}" if target.title else ""
        lines: list[Line] = [((f"No {kind}{of}{where}", Tone.MUTED),)]
        if target.namespace and not target.scoped:
            lines += [
                EMPTY,
                (
                    ("0", Tone.KEY),
                    (" shows all namespaces   ", Tone.FAINT),
                    ("n", Tone.KEY),
                    (" chooses one", Tone.FAINT),
                ),
            ]
        return lines

    def notes(self) -> Sequence[Span]:
        model, table = self.table.model, self.table
        notes: list[Span] = []
        if table.marked:
            notes += [(f"{len(table.marked)} marked", Tone.ACCENT), ("  ", Tone.MUTED)]
        if table.lost:
            notes += [("the chosen row is gone", Tone.WARN), ("  ", Tone.MUTED)]
        if table.faults_only:
            notes += [("not well: ", Tone.WARN), (f"{len(model):,} of {model.total:,}", Tone.MUTED), ("  ", Tone.MUTED)]
        if self._filter:
            notes += [(f"/{self._filter}", Tone.ACCENT), (f"  {len(model):,} of {model.total:,}", Tone.MUTED)]
        else:
            notes.append((counted(model.total, self.target.resource), Tone.MUTED))
        return notes

    def hints(self) -> Sequence[Hint]:
        hints = [Hint("⏎", self.lens.enter_word, "enter")] if self.lens.enter_word != "describe" else []
        for action, key in ACTION_KEYS.items():
            quiet = action in QUIET
            if action in self.lens.actions and not quiet and not (self.session.readonly and action in acting.WRITES):
                allowed = may(self.session, self.lens, action, self.target.namespace)
                hints.append(Hint(key.label, key.word, f"act('{action.value}')", quiet=not allowed))
        return [*hints, Hint("/", "filter", "filter"), Hint(":", "go to", "command"), Hint("?", "help", "help")]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        # Two actions may share a key where no kind has both: the one of this kind answers.
        if action == "act" and parameters[0] not in self.lens.actions:
            return False
        keymap = self.conductor.keymap
        if action == "act" and keymap.chosen and keymap.yields(str(parameters[0]), self.lens.actions):
            return False
        return super().check_action(action, parameters)

    def offers(self, action: str) -> bool:
        return action in TABLE_KEYS or any(action == f"act('{one.value}')" for one in self.lens.actions)

    def filter_text(self) -> str:
        return self._filter

    def on_filter(self, text: str) -> None:
        self._filter = text.strip()
        self.filter_table(self.table, text)
        self._show_placeholder()
        self.tell()

    def tick(self) -> None:
        self.table.repaint()
        self.table.model.warm(WARM_ROWS)

    def action_filter(self) -> None:
        super().action_filter()
        self._warm()

    def _warm(self) -> None:
        """Between keys, so that the first one of a filter is as quick as the others."""
        if self.table.model.warm(WARM_ROWS):
            self.call_later(self._warm)

    # what is done

    def on_virtual_table_activated(self, event: VirtualTable.Activated) -> None:
        self.run_worker(self._enter(event.row), group="enter", exclusive=True)

    @property
    def _memory_key(self) -> str:
        return self.target.resource.qualified

    def on_virtual_table_rearranged(self) -> None:
        self._show_placeholder()
        self.tell()

    def on_virtual_table_arranged(self) -> None:
        model = self.table.model
        if model.columns:
            by = model.columns[model.sort_column].name if 0 <= model.sort_column < len(model.columns) else ""
            choice = TableChoice(sort=by, descending=model.descending and bool(by), wide=self.table.wide)
            self.conductor.memory.remember_table(self._memory_key, choice)

    def action_enter(self) -> None:
        self.table.action_activate()

    async def _enter(self, row: Row) -> None:
        target = await acting.drill_target(self, self.lens, row)
        if target is not None:
            if target.view is View.TABLE and self.lens.resource.plural == "namespaces":
                self.conductor.use_namespace(row.name)
                self.conductor.go_to(target)
            else:
                self.open_target(target)

    def action_act(self, name: str) -> None:
        action = Action(name)
        if action not in self.lens.actions:
            return
        rows = self.table.chosen()
        if not rows:
            self.notify(
                "The row under the cursor is gone; move to choose another." if self.table.lost else "No row is chosen."
            )
            return
        self._perform(action, rows)

    def _perform(self, action: Action, rows: list[Row]) -> None:
        self.run_worker(acting.act(self, self.lens, action, rows), group="act", exclusive=True)


def counted(count: int, resource: Resource) -> str:
    """`1 pod`, `7 pods`."""
    return f"{count:,} {resource.singular or resource.kind.lower() if count == 1 else resource.plural}"


def _said(state: FeedState) -> list[Line]:
    headline = {
        401: "The server does not know who you are",
        404: "The server does not have this kind",
    }.get(state.code, "The server refused")
    words, lines, line = state.detail.split(), [], ""
    for word in words:
        if len(line) + len(word) > 68:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    return [((headline, Tone.BAD),), *(((text, Tone.MUTED),) for text in [*lines, line] if text)]
