"""All that runs in one table (`:wk`): live, and every key does there what it does in the kind's own table."""

from collections.abc import Sequence

from textual.widget import Widget

from apimachinery.aio.tasks import TaskScope
from apimachinery.objects.resources import Resource
from tui.document import Line, Span
from tui.feeds.state import FeedState, Phase
from tui.feeds.tables import TableFeed
from tui.kinds import workloads
from tui.kinds.catalog import lens_for
from tui.kinds.lens import Action, Lens
from tui.kinds.words import general_tone
from tui.rows import Column, Row
from tui.screens import acting
from tui.screens.keys import ACTION_KEYS
from tui.screens.listing import ListScreen
from tui.target import Target
from tui.tones import Tone
from tui.widgets.hints import Hint
from tui.widgets.table import VirtualTable

FRAME = 0.1
HINTED = (Action.LOGS, Action.SHELL, Action.WHY, Action.DESCRIBE, Action.YAML, Action.EDIT, Action.DELETE)


class WorkloadsScreen(ListScreen):
    BINDINGS = [key.binding(f"act('{action.value}')") for action, key in ACTION_KEYS.items()]
    COLUMNS = workloads.COLUMNS
    WORD = ("workload", "workloads")

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._feeds: dict[Resource, TableFeed] = {}
        self._columns: dict[Resource, tuple[Column, ...]] = {}
        self._kinds: dict[str, Resource] = {}
        """By the row's uid."""
        self._waits = False
        self._settled = False
        self.feed_state = FeedState(phase=Phase.CONNECTING)

    def body(self) -> Sequence[Widget]:
        self.table = VirtualTable(now=self.session.now, tone=self.tone, ails=lambda row: ill(str(row.cells[3])))
        return [self.table]

    def on_mount(self) -> None:
        super().on_mount()
        for resource in workloads.KINDS:
            self._feeds[resource] = TableFeed(
                self.session.transport, resource.path(self.target.namespace), clock=self.session.clock,
                on_pending=self._pending, on_state=self._state_changed,
            )  # fmt: skip
        self.run_worker(self._run(), group="feed", name="workloads")

    async def _run(self) -> None:
        async with TaskScope("workloads") as scope:
            for task in [scope.spawn(resource.plural, feed.run()) for resource, feed in self._feeds.items()]:
                await task

    def reconnect(self) -> None:
        for feed in self._feeds.values():
            feed.reconnect_now()

    def _pending(self) -> None:
        if not self._waits:
            self._waits = True
            self.set_timer(FRAME, self._flush)

    def _flush(self) -> None:
        self._waits = False
        upserts: list[Row] = []
        removed: list[str] = []
        for resource, feed in self._feeds.items():
            batch = feed.take()
            if batch is None:
                continue
            if batch.columns is not None:
                self._columns[resource] = batch.columns
            for row in batch.upserts:
                self._kinds[row.uid] = resource
                upserts.append(workloads.row_of(resource, self._columns[resource], row))
            removed += batch.removed
        self.table.apply(upserts, removed, first=not self._settled)
        self._settled = self.feed_state.phase is Phase.LIVE
        self._kinds = (
            {uid: kind for uid, kind in self._kinds.items() if uid not in set(removed)} if removed else self._kinds
        )
        self.tell()

    def _state_changed(self, state: FeedState) -> None:
        """The worst of them; a kind that may not be seen is left out while others may."""
        states = [feed.state for feed in self._feeds.values()]
        heard = [one for one in states if one.phase is not Phase.REFUSED]
        order = (Phase.LIVE, Phase.LOADING, Phase.CONNECTING, Phase.STALE)
        worst = max(heard, key=lambda one: order.index(one.phase)) if heard else state
        if worst.phase is Phase.REFUSED:
            self.table.show_placeholder([((worst.detail, Tone.BAD),)])
        elif worst.phase is Phase.LIVE and not self.table.model.total:
            self.table.show_placeholder(self.nothing())
        self.set_state(worst)

    def nothing(self) -> list[Line]:
        if self.feed_state.phase is not Phase.LIVE:
            return [(("Loading workloads …", Tone.MUTED),)]
        return [((f"Nothing runs in {self.target.namespace or 'this cluster'}", Tone.MUTED),)]

    def own_crumbs(self, *, first: bool) -> list[str]:
        del first
        return [self.target.namespace or "all namespaces", "workloads"]

    def notes(self) -> Sequence[Span]:
        # A server that does not have a kind leaves nothing out.
        refused = [one.plural for one, feed in self._feeds.items() if feed.state.code in (401, 403)]
        return [((f"without {', '.join(refused)}  " if refused else ""), Tone.WARN), *super().notes()]

    def tone(self, row: Row, column: Column, text: str) -> Tone:
        match column.name:
            case "Status":
                return Tone.BAD if text == workloads.DEGRADED else general_tone(row, column, text)
            case "Name":
                return Tone.TEXT
            case "Ready":
                return general_tone(row, column, text) if "/" in text and row.cells[3] != "Completed" else Tone.MUTED
            case _:
                return Tone.MUTED

    def own_hints(self) -> Sequence[Hint]:
        lens = self._lens()
        offered = [action for action in HINTED if lens is not None and action in lens.actions]
        enter = [Hint("⏎", lens.enter_word, "enter")] if lens is not None else []
        return [
            *enter,
            *(
                Hint(ACTION_KEYS[action].label, ACTION_KEYS[action].word, f"act('{action.value}')")
                for action in offered
            ),
        ]

    # what is done

    def _lens(self, row: Row | None = None) -> Lens | None:
        row = row or self.table.current
        resource = self._kinds.get(row.uid) if row is not None else None
        return lens_for(self.session.aliases.refined(resource)) if resource is not None else None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "act":
            lens = self._lens()
            if lens is not None and parameters[0] not in lens.actions:
                return False
        return super().check_action(action, parameters)

    def on_virtual_table_cursor_moved(self) -> None:
        self.tell()

    def action_enter(self) -> None:
        self.table.action_activate()

    def entered(self, row: Row) -> None:
        self.run_worker(self._enter(row), group="enter", exclusive=True)

    async def _enter(self, row: Row) -> None:
        lens = self._lens(row)
        target = await acting.drill_target(self, lens, row) if lens is not None else None
        if target is not None:
            self.conductor.open_target(target)

    def action_act(self, name: str) -> None:
        rows = self.table.chosen()
        if not rows:
            self.notify("No row is chosen.")
            return
        self.run_worker(self._act(Action(name), rows), group="act", exclusive=True)

    async def _act(self, action: Action, rows: list[Row]) -> None:
        """Marked rows may be of several kinds: one after the other."""
        by_kind: dict[Resource, list[Row]] = {}
        for row in rows:
            by_kind.setdefault(self._kinds[row.uid], []).append(row)
        for resource, theirs in by_kind.items():
            lens = lens_for(self.session.aliases.refined(resource))
            if action in lens.actions:
                await acting.act(self, lens, action, theirs)


def ill(status: str) -> bool:
    return status not in (workloads.OK, "Running", "Completed", "Succeeded")
