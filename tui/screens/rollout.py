"""The rollout of a deployment, live: how far it is, which revisions there are, and back to any of them."""

from collections.abc import Coroutine, Sequence
from typing import Any

from textual.binding import Binding
from textual.widget import Widget

from apimachinery.objects.meta import format_time
from apimachinery.objects.resources import REPLICASETS
from apimachinery.objects.selectors import from_label_selector
from tui.document import EMPTY
from tui.feeds.objects import ObjectFeed
from tui.feeds.state import FeedState
from tui.kinds import rollout
from tui.kinds.catalog import lens_for
from tui.kinds.lens import Action
from tui.kinds.rollout import Revision
from tui.kinds.rolloutview import COLUMNS, revision_row, revision_tone, status_lines
from tui.rows import Row
from tui.screens import acting, changing
from tui.screens.base import ClusterScreen
from tui.screens.keys import ACTION_KEYS
from tui.target import Target
from tui.tones import Tone
from tui.widgets.hints import Hint
from tui.widgets.table import VirtualTable
from tui.widgets.textview import TextView

WRITES = frozenset({"undo", "pause", "restart", "scale", "image"})


class RolloutScreen(ClusterScreen):
    """Above: state and conditions; in the middle: revisions to choose; below: what the chosen one would change."""

    BINDINGS = [
        Binding("U", "undo", "Undo to the chosen revision; shows the difference first", show=False, key_display="U"),
        Binding("P", "pause", "Pause or resume the rollout", show=False, key_display="P"),
        ACTION_KEYS[Action.RESTART].binding("restart"),
        ACTION_KEYS[Action.SCALE].binding("scale"),
        ACTION_KEYS[Action.IMAGE].binding("image"),
        ACTION_KEYS[Action.LOGS].binding("logs"),
    ]

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._revisions: list[Revision] = []

    def body(self) -> Sequence[Widget]:
        self.top = TextView(wrap=True)
        self.top.can_focus = False
        self.top.add_class("rollout-top")
        self.table = VirtualTable(now=self.session.now, tone=revision_tone)
        self.table.add_class("rollout-revisions")
        self.diff = TextView(wrap=False)
        self.diff.can_focus = False
        self.diff.add_class("rollout-diff")
        return [self.top, self.table, self.diff]

    def main_widget(self) -> Widget:
        return self.table

    def on_mount(self) -> None:
        target, session = self.target, self.session
        self._deployment = ObjectFeed(
            session.transport,
            target.resource,
            target.namespace,
            clock=session.clock,
            name=target.name,
            on_change=self._deployment_changed,
            on_state=self._state_changed,
        )
        self._sets: ObjectFeed | None = None
        super().on_mount()
        self.table.set_columns(COLUMNS)
        self.table.sort_by(0, descending=True)
        self.run_worker(self._deployment.run(), group="deployment", name="rollout")

    def reconnect(self) -> None:
        self._deployment.reconnect_now()
        if self._sets is not None:
            self._sets.reconnect_now()

    # from the feeds

    def _deployment_changed(self) -> None:
        deployment = self._deployment.first
        if deployment is not None and self._sets is None:
            selector = str(from_label_selector((deployment.get("spec") or {}).get("selector")))
            self._sets = ObjectFeed(
                self.session.transport,
                REPLICASETS,
                self.target.namespace,
                clock=self.session.clock,
                label_selector=selector,
                on_change=self._changed,
            )
            self.run_worker(self._sets.run(), group="sets", name="replica sets of rollout")
        self._changed()

    def _state_changed(self, state: FeedState) -> None:
        self.set_state(state)

    def _changed(self) -> None:
        deployment = self._deployment.first
        if deployment is None:
            if self._deployment.synced:
                self.top.show([((f"{self.target.name} is gone.", Tone.MUTED),)])
            return
        sets = self._sets.objects if self._sets is not None else []
        self._revisions = rollout.revisions(deployment, sets)
        lines = status_lines(deployment, self._revisions, self.session.now(), width=max(20, self.size.width - 50))
        self.top.show(lines)
        self.top.styles.height = min(self.top.height_of_all, max(4, self.size.height // 2))
        rows = [revision_row(revision) for revision in self._revisions]
        self.table.styles.height = min(len(rows), max(3, self.size.height // 4)) + 1
        names = {row.uid for row in rows}
        self.table.apply(rows, [row.uid for row in self.table.model.rows() if row.uid not in names], first=True)
        self._show_difference()
        self.tell()

    # what is said

    def tick(self) -> None:
        self._changed()

    def hints(self) -> Sequence[Hint]:
        paused = bool(((self._deployment.first or {}).get("spec") or {}).get("paused"))
        writes = [
            Hint("U", "undo to this", "undo"),
            Hint("r", "restart", "restart"),
            Hint("S", "scale", "scale"),
            Hint("i", "image", "image"),
            Hint("P", "resume" if paused else "pause", "pause"),
        ]
        return [*([] if self.session.readonly else writes), Hint("l", "logs", "logs"), Hint("Esc", "back", "back"),
                Hint("?", "help", "help")]  # fmt: skip

    def _chosen(self) -> Revision | None:
        row = self.table.current
        return next((revision for revision in self._revisions if row is not None and revision.name == row.uid), None)

    def _show_difference(self) -> None:
        deployment, chosen = self._deployment.first, self._chosen()
        if deployment is None or chosen is None:
            self.diff.show([])
            return
        if chosen.current:
            older = next((r for r in self._revisions if r.number < chosen.number), None)
            if older is None:
                self.diff.show([EMPTY, ((" The first revision", Tone.FAINT),)])
                return
            title = f" What revision {chosen.number} changed"
            lines = rollout.template_diff(older.template, chosen.template)
        else:
            title = f" What undoing to revision {chosen.number} would change"
            lines = rollout.template_diff((deployment.get("spec") or {}).get("template") or {}, chosen.template)
        self.diff.show([EMPTY, ((title, Tone.HEADING),), *(lines or [((" nothing", Tone.FAINT),)])])

    def on_virtual_table_cursor_moved(self) -> None:
        self._show_difference()

    # keys

    def on_virtual_table_activated(self) -> None:
        self.action_undo()

    def action_undo(self) -> None:
        deployment, chosen = self._deployment.first, self._chosen()
        if deployment is None or chosen is None:
            return
        if chosen.current:
            self.notify("This revision is the current one; choose an older one.")
            return
        self._do(changing.propose(self, rollout.undo(deployment, chosen)))

    def action_pause(self) -> None:
        deployment = self._deployment.first
        if deployment is not None:
            paused = bool((deployment.get("spec") or {}).get("paused"))
            self._do(changing.propose(self, rollout.pause(deployment, paused=not paused)))

    def action_restart(self) -> None:
        deployment = self._deployment.first
        if deployment is not None:
            self._do(changing.propose(self, rollout.restart(deployment, format_time(self.session.clock.now()))))

    def action_scale(self) -> None:
        row = Row("", self.target.namespace or "", self.target.name, ())
        self._do(acting.scale(self, lens_for(self.target.resource), [row]))

    def action_image(self) -> None:
        deployment = self._deployment.first
        if deployment is not None:
            self._do(acting.set_image(self, deployment))

    def action_logs(self) -> None:
        logs = acting.current_logs(self.target, lens_for(self.target.resource), self._deployment.first)
        if logs is not None:
            self.open_target(logs)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in WRITES and self.session.readonly:
            return False
        return super().check_action(action, parameters)

    def _do(self, work: Coroutine[Any, Any, object]) -> None:
        self.run_worker(acting.reported(self, work), group="act", exclusive=True)
