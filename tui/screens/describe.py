"""An object in words: state, conditions, events; kept up to date while it is open."""

from collections.abc import Sequence

from textual.binding import Binding

from apimachinery.objects.resources import EVENTS, SECRETS
from tui.feeds.objects import ObjectFeed
from tui.feeds.state import FeedState, Phase
from tui.kinds.catalog import lens_for
from tui.kinds.lens import Action, Facts
from tui.kinds.sections import event_time
from tui.kinds.why.case import Case
from tui.kinds.why.rules import explain
from tui.kinds.why.view import summary
from tui.screens.acting import current_logs
from tui.screens.document import DocumentScreen
from tui.screens.keys import ACTION_KEYS
from tui.target import Target, View
from tui.widgets.hints import Hint


class DescribeScreen(DocumentScreen):
    BINDINGS = [
        Binding("y", "yaml", "The object as YAML", show=False),
        Binding("l", "logs", "Its logs", show=False),
        Binding("x", "reveal", "Show or hide secret values", show=False),
        ACTION_KEYS[Action.WHY].binding("why"),
    ]

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._lens = lens_for(target.resource)
        self._reveal = False

    def on_mount(self) -> None:
        target, session = self.target, self.session
        self._object = ObjectFeed(
            session.transport,
            target.resource,
            target.namespace,
            clock=session.clock,
            name=target.name,
            on_change=self._changed,
            on_state=self._state_changed,
        )
        about = f"involvedObject.name={target.name},involvedObject.kind={target.resource.kind}"
        self._events = ObjectFeed(
            session.transport,
            EVENTS,
            target.namespace,
            clock=session.clock,
            field_selector=about,
            on_change=self._changed,
        )
        super().on_mount()
        self.say(f"Reading {target.name} …")
        self.run_worker(self._object.run(), group="feed", name="describe")
        self.run_worker(self._events.run(), group="feed", name="describe events")

    def reconnect(self) -> None:
        self._object.reconnect_now()
        self._events.reconnect_now()

    def more_hints(self) -> Sequence[Hint]:
        hints = [Hint("w", "why?", "why"), Hint("y", "yaml", "yaml")]
        if self.target.resource == SECRETS:
            hints.append(Hint("x", "hide values" if self._reveal else "show values", "reveal"))
        return hints

    def tick(self) -> None:
        # Ages in the text grow; once in five seconds is often enough to read.
        if int(self.session.clock.monotonic()) % 5 == 0:
            self._changed()

    def action_yaml(self) -> None:
        target = self.target
        self.open_target(
            Target(resource=target.resource, view=View.YAML, namespace=target.namespace, name=target.name, title="yaml")
        )

    def action_why(self) -> None:
        target = self.target
        self.open_target(
            Target(resource=target.resource, view=View.WHY, namespace=target.namespace, name=target.name, title="why")
        )

    def action_logs(self) -> None:
        logs = current_logs(self.target, self._lens, self._object.first)
        if logs is not None:
            self.open_target(logs)

    def action_reveal(self) -> None:
        self._reveal = not self._reveal
        self._changed()
        self.tell()

    def _changed(self) -> None:
        if not self._object.synced:
            return
        obj = self._object.first
        if obj is None:
            self.say(f"{self.target.name} is gone.", "Esc goes back.")
            return
        events = tuple(sorted(self._events.objects, key=event_time))
        facts = Facts(now=self.session.now(), events=events, reveal=self._reveal)
        found = explain(Case(obj=obj, now=facts.now, events=events))
        self.show([*summary(found), *self._lens.describe(obj, facts).lines])

    def _state_changed(self, state: FeedState) -> None:
        self.set_state(state)
        if state.phase is Phase.REFUSED or (state.phase is Phase.CONNECTING and state.detail):
            self.say(state.detail, "Trying again by itself; ^r tries now.")
