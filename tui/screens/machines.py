"""Machines: cordoned or not, and drained, with a preview of what moves and the progress of it."""

import asyncio
from collections import Counter

import msgspec
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Label, Static

from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import NotFound, StatusError, TooManyRequests
from apimachinery.objects.resources import NODES, PODS
from tui.changes import Change
from tui.document import Span
from tui.kinds.draining import Fate, Leaving, lines, plan
from tui.rows import Row
from tui.screens import changing
from tui.screens.base import ClusterScreen
from tui.screens.ending import EndingScreen
from tui.tones import Tone
from tui.widgets.textview import TextView

AGAIN = 5.0
"""Seconds before a pod that a disruption budget holds back is asked again."""
LOOK = 1.0


def cordon_change(name: str, *, cordon: bool) -> Change:
    consequence = "What runs there stays; nothing new comes." if cordon else "New pods may come again."
    return Change(
        title="Cordon" if cordon else "Uncordon",
        resource=NODES,
        name=name,
        namespace=None,
        patch={"spec": {"unschedulable": True if cordon else None}},
        consequence=consequence,
    )


async def toggle_cordon(screen: ClusterScreen, rows: list[Row]) -> None:
    for row in rows:
        node = await screen.session.client.get(NODES, row.name)
        cordoned = bool((node.get("spec") or {}).get("unschedulable"))
        await changing.apply(screen, cordon_change(row.name, cordon=not cordoned), before=node)


async def drain(screen: ClusterScreen, name: str) -> None:
    page = await screen.session.client.list(PODS, field_selector=f"spec.nodeName={name}")
    screen.app.push_screen(DrainScreen(screen, name, plan(page.items)))


class DrainScreen(ModalScreen[None], EndingScreen[None]):
    """First what would happen; after the yes, what does. Esc stops asking pods to leave; those asked still go."""

    BINDINGS = [
        Binding("escape", "dismiss", "Stop", show=False),
        Binding("left", "app.focus_previous", show=False),
        Binding("right", "app.focus_next", show=False),
    ]

    def __init__(self, over: ClusterScreen, node: str, leaving: list[Leaving]) -> None:
        super().__init__()
        self._over, self._node, self._leaving = over, node, leaving
        self._said: dict[str, Span] = {}

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -wide -danger"):
            yield Label(f"Drain {self._node}?", classes="dialog-title", id="drain-title")
            yield Static(self._summary(), classes="dialog-note", id="drain-note")
            view = TextView(lines(self._leaving))
            view.styles.height = min(max(1, len(self._leaving)), 14)
            yield view
            with Horizontal(classes="dialog-buttons"):
                yield Button("Cancel", id="no", compact=True)
                yield Button("Drain", id="yes", variant="error", compact=True)

    def on_mount(self) -> None:
        self.query_one("#no").focus()

    def _summary(self) -> str:
        counted = Counter(one.fate for one in self._leaving)
        words = [f"{counted[fate]} {word}" for fate, word in _WORDS.items() if counted[fate]]
        return f"No new pods come to it. Of its pods: {', '.join(words)}." if words else "It runs no pods."

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id != "yes":
            self.dismiss()
            return
        for button in self.query(Button):
            button.disabled = True
        self.query_one(TextView).focus()
        self.run_worker(self._drain(), group="drain", exclusive=True)

    async def _drain(self) -> None:
        session = self._over.session
        self.query_one("#drain-title", Label).update(f"Draining {self._node}")
        try:
            before = await session.client.get(NODES, self._node)
        except (StatusError, ConnectionFailed) as error:
            self.query_one("#drain-note", Static).update(str(error))
            return
        if not await changing.apply(self._over, cordon_change(self._node, cordon=True), before=before):
            return
        going = [one for one in self._leaving if one.fate is not Fate.STAYS]
        gone = await asyncio.gather(*(self._evict(one) for one in going))
        left = len(gone) - sum(gone)
        said = f"{self._node} is drained." if not left else f"{left} pods did not leave."
        self.query_one("#drain-note", Static).update(f"{said}  Esc closes.")

    async def _evict(self, one: Leaving) -> bool:
        """Ask until the pod may go, then wait until it has gone."""
        session = self._over.session
        path = PODS.path(one.namespace, one.name, "eviction")
        body = msgspec.json.encode({"apiVersion": "policy/v1", "kind": "Eviction",
                                    "metadata": {"name": one.name, "namespace": one.namespace}})  # fmt: skip
        uid = ""
        while True:
            try:
                if not uid:
                    uid = (await session.client.get(PODS, one.name, one.namespace))["metadata"].get("uid", "")
                    await session.client.call("POST", path, headers={"Content-Type": "application/json"}, body=body)
                self._tell(one, "leaving …", Tone.WARN)
                pod = await session.client.get(PODS, one.name, one.namespace)
                if pod["metadata"].get("uid", "") != uid:
                    raise NotFound.of("pods", one.name)
                await session.clock.sleep(LOOK)
            except NotFound:
                self._tell(one, "gone", Tone.OK)
                return True
            except TooManyRequests:
                uid = ""
                self._tell(one, "held back by its disruption budget; asking again", Tone.WARN)
                await session.clock.sleep(AGAIN)
            except (StatusError, ConnectionFailed) as error:
                self._tell(one, str(error), Tone.BAD)
                return False

    def _tell(self, one: Leaving, words: str, tone: Tone) -> None:
        self._said[f"{one.namespace}/{one.name}"] = (words, tone)
        if self.shown:
            self.query_one(TextView).show(lines(self._leaving, self._said))


_WORDS = {Fate.LOST: "lost for good", Fate.MOVES: "move", Fate.STAYS: "stay", Fate.ENDED: "cleared away"}
