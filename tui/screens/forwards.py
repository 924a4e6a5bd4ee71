"""Port-forwards: asking for one, and the list of those that stand."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from textual.binding import Binding

from tui import amounts
from tui.document import EMPTY, Line
from tui.feeds.forward import Forward, ForwardPhase, ForwardSpec
from tui.forwarding import pod_offers, service_offers
from tui.kinds.lens import Action, Lens
from tui.rows import Column, Row
from tui.screens.keys import ACTION_KEYS
from tui.screens.listing import ListScreen
from tui.tones import Tone
from tui.widgets.forwarddialog import ForwardDialog
from tui.widgets.hints import Hint

if TYPE_CHECKING:
    from tui.screens.base import ClusterScreen


async def ask(screen: "ClusterScreen", lens: Lens, row: Row, container: str = "") -> None:
    """Ask which ports, then forward them: to the pod itself, or to whichever pod of the kind is ready."""
    session, namespace = screen.session, row.namespace
    obj = await session.client.get(lens.resource, row.name, namespace)
    singular = lens.resource.singular or lens.resource.kind.lower()
    spec = ForwardSpec(
        context=session.access.context, namespace=namespace, what=f"{singular}/{row.name}", port="", local=0
    )
    if lens.pod_selector is None:
        pod_spec = obj.get("spec") or {}
        if container:
            pod_spec = {"containers": [one for one in pod_spec.get("containers") or () if one["name"] == container]}
        offers = pod_offers(pod_spec)
        spec = replace(spec, pod=row.name)
    else:
        pods = lens.pod_selector(obj)
        if pods is None:
            screen.notify(f"{row.name} selects no pods.")
            return
        is_service = lens.resource.plural == "services"
        template = ((obj.get("spec") or {}).get("template") or {}).get("spec") or {}
        offers = service_offers(obj) if is_service else pod_offers(template)
        spec = replace(spec, label_selector=pods.label_selector)
    answer = await screen.app.push_screen_wait(ForwardDialog(f"{spec.what} in {namespace}", offers))
    if answer is None:
        return
    for port, local in answer.pairs:
        one = replace(spec, port=port, local=local, address=answer.address)
        taken = next(
            (other for other in screen.conductor.forwards if local and other.same_as == (one.address, local)), None
        )
        if taken is not None:
            screen.notify(f"{taken.url} leads to {taken.spec.what} already.", severity="warning")
            continue
        screen.conductor.forward(one)
        screen.notify(f"{one.address}:{local or '…'} → {one.what}:{port}   f lists all")


class ForwardsScreen(ListScreen):
    COLUMNS = (
        Column("To"),
        Column("Port"),
        Column("Here"),
        Column("State"),
        Column("Pod"),
        Column("Open", "integer", priority=1),
        Column("Served", "integer"),
        Column("In", priority=1),
        Column("Out", priority=1),
        Column("Namespace", priority=1),
        Column("Context", priority=1),
        Column("Said", priority=1),
    )
    WORD = ("port-forward", "port-forwards")
    BINDINGS = [
        Binding("ctrl+d", "stop", "Stop it", show=False, key_display="^d"),
        Binding("r", "restart", "Start it anew", show=False),
        ACTION_KEYS[Action.COPY].binding("copy"),
    ]

    def on_mount(self) -> None:
        super().on_mount()
        self.set_interval(0.5, self._show)
        self._show()

    def _show(self) -> None:
        if self.is_current:
            self.show_rows([_row(one) for one in self.conductor.forwards])

    def tone(self, row: Row, column: Column, text: str) -> Tone:
        del row
        if column.name == "State":
            return _TONES.get(text, Tone.WARN)
        return Tone.ACCENT if column.name == "Here" else Tone.TEXT if column.name in ("To", "Port") else Tone.MUTED

    def nothing(self) -> list[Line]:
        key = ACTION_KEYS[Action.FORWARD].label
        return [
            (("No port-forwards", Tone.MUTED),),
            EMPTY,
            ((key, Tone.KEY), (" on a pod, a service or a deployment makes one", Tone.FAINT)),
        ]

    def own_hints(self) -> Sequence[Hint]:
        return [Hint("^d", "stop", "stop"), Hint("r", "restart", "restart"), Hint("c", "copy address", "copy")]

    def entered(self, row: Row) -> None:
        forward = self._forward(row)
        said = f"{forward.phase.value}{': ' + forward.detail if forward.detail else ''}"
        self.notify(f"{forward.url} → {forward.spec.what}:{forward.spec.port}\n{said}")

    def action_stop(self) -> None:
        for row in self.table.chosen():
            self.conductor.stop_forward(self._forward(row))
        self._show()

    def action_restart(self) -> None:
        for row in self.table.chosen():
            old = self._forward(row)
            self.conductor.stop_forward(old)
            self.conductor.forward(replace(old.spec, local=old.local))
        self._show()

    def action_copy(self) -> None:
        row = self.current()
        if row is not None:
            url = self._forward(row).url
            self.app.copy_to_clipboard(url)
            self.notify(f"Copied {url}.")

    def _forward(self, row: Row) -> Forward:
        return next(one for one in self.conductor.forwards if str(id(one)) == row.uid)


_TONES = {ForwardPhase.READY.value: Tone.OK, ForwardPhase.REFUSED.value: Tone.BAD, ForwardPhase.BLOCKED.value: Tone.BAD}


def _row(one: Forward) -> Row:
    spec = one.spec
    cells = (
        spec.what, spec.port, f"{spec.address}:{one.local}", one.phase.value, one.pod, one.open, one.served,
        amounts.size(one.received), amounts.size(one.sent), spec.namespace, spec.context, one.detail,
    )  # fmt: skip
    return Row(str(id(one)), spec.namespace, spec.what, cells)
