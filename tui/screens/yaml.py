"""An object as YAML, live; what the server keeps for itself is hidden until asked for."""

from collections.abc import Sequence

from textual.binding import Binding

from tui.feeds.objects import ObjectFeed
from tui.feeds.state import FeedState, Phase
from tui.screens.document import DocumentScreen
from tui.target import Target
from tui.widgets.hints import Hint
from tui.yamltext import to_yaml, yaml_lines


class YamlScreen(DocumentScreen):
    BINDINGS = [Binding("m", "managed", "Show or hide managedFields", show=False)]

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._managed = False

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
        super().on_mount()
        self.say(f"Reading {target.name} …")
        self.run_worker(self._object.run(), group="feed", name="yaml")

    def reconnect(self) -> None:
        self._object.reconnect_now()

    def more_hints(self) -> Sequence[Hint]:
        return [Hint("m", "hide managed fields" if self._managed else "managed fields", "managed")]

    def action_managed(self) -> None:
        self._managed = not self._managed
        self._changed()
        self.tell()

    def _changed(self) -> None:
        obj = self._object.first
        if obj is not None:
            self.show(yaml_lines(to_yaml(obj, managed_fields=self._managed)))
        elif self._object.synced:
            self.say(f"{self.target.name} is gone.", "Esc goes back.")

    def _state_changed(self, state: FeedState) -> None:
        self.set_state(state)
        if state.phase is Phase.REFUSED or (state.phase is Phase.CONNECTING and state.detail):
            self.say(state.detail, "Trying again by itself; ^r tries now.")
