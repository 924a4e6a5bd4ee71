"""Why an object is not well: verdicts, the evidence for them, what to do next. Looks again by itself."""

from collections.abc import Sequence

from textual.binding import Binding

from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import NotFound, StatusError
from tui.feeds.state import FeedState, Phase
from tui.kinds.catalog import lens_for
from tui.kinds.lens import Action
from tui.kinds.why.rules import explain
from tui.kinds.why.view import lines
from tui.rows import Row
from tui.screens import acting
from tui.screens.document import DocumentScreen
from tui.screens.evidence import gather
from tui.screens.keys import ACTION_KEYS
from tui.target import Target
from tui.widgets.hints import Hint

AGAIN = 5
"""Seconds between looks."""

_OFFERED = tuple(action for action in ACTION_KEYS if action not in (Action.WHY, Action.COPY))


class WhyScreen(DocumentScreen):
    """The keys that the next steps name work right here, on the object."""

    BINDINGS = [
        *(ACTION_KEYS[action].binding(f"act('{action.value}')") for action in _OFFERED),
        Binding("enter", "enter", "Go into the object", show=False, key_display="⏎"),
    ]

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._lens = lens_for(target.resource)
        self._looked = 0.0

    def on_mount(self) -> None:
        super().on_mount()
        self.say(f"Looking around {self.target.name} …")
        self.reconnect()

    def reconnect(self) -> None:
        self._looked = self.session.clock.monotonic()
        self.run_worker(self._look(), group="why", exclusive=True)

    def tick(self) -> None:
        if self.session.clock.monotonic() - self._looked >= AGAIN:
            self.reconnect()

    async def _look(self) -> None:
        target = self.target
        try:
            case = await gather(self.session, target.resource, target.name, target.namespace)
        except NotFound:
            self.say(f"{target.name} is gone.", "Esc goes back.")
            return
        except (StatusError, ConnectionFailed) as error:
            self.set_state(FeedState(phase=Phase.CONNECTING, detail=str(error)))
            self.say(str(error), "Trying again by itself; ^r tries now.")
            return
        self.set_state(FeedState(phase=Phase.LIVE))
        self.show(lines(case, explain(case)))

    def more_hints(self) -> Sequence[Hint]:
        offered = [action for action in _OFFERED if self.offers(f"act('{action.value}')")]
        shown = [action for action in offered if not (self.session.readonly and action in acting.WRITES)]
        return [Hint(ACTION_KEYS[one].label, ACTION_KEYS[one].word, f"act('{one.value}')") for one in shown]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "act" and parameters[0] not in self._lens.actions:
            return False
        return super().check_action(action, parameters)

    def offers(self, action: str) -> bool:
        return not action.startswith("act(") or any(action == f"act('{one.value}')" for one in self._lens.actions)

    def action_act(self, name: str) -> None:
        action = Action(name)
        if action in self._lens.actions:
            work = acting.act(self, self._lens, action, [self._row()])
            self.run_worker(work, group="act", exclusive=True)

    def action_enter(self) -> None:
        self.run_worker(self._enter(), group="enter", exclusive=True)

    async def _enter(self) -> None:
        target = await acting.drill_target(self, self._lens, self._row())
        if target is not None:
            self.open_target(target)

    def _row(self) -> Row:
        namespace = self.target.namespace or ""
        return Row(f"{namespace}/{self.target.name}", namespace, self.target.name, ())
