"""The contexts of the kubeconfig: whether each answers, and the way to it."""

from collections.abc import Sequence

from apimachinery.aio.tasks import TaskScope
from apimachinery.client.errors import ConnectionFailed, KubeconfigError
from tui.contexts import ContextInfo
from tui.document import EMPTY, Line
from tui.rows import Column, Row
from tui.screens.listing import ListScreen
from tui.tones import Tone
from tui.widgets.hints import Hint

PATIENCE = 4.0
"""Seconds that a cluster has to answer when it is only looked at."""


class ContextsScreen(ListScreen):
    COLUMNS = (
        Column("Name"),
        Column("State"),
        Column("Server"),
        Column("Namespace"),
        Column("Cluster", priority=1),
        Column("User", priority=1),
    )
    WORD = ("context", "contexts")

    def on_mount(self) -> None:
        super().on_mount()
        self._states: dict[str, str] = {}
        self._infos: list[ContextInfo] = []
        self.reconnect()

    def reconnect(self) -> None:
        self._states = {}
        self.run_worker(self._look(), group="look", exclusive=True)

    async def _look(self) -> None:
        contexts = self.conductor.contexts
        self._infos = contexts.all()
        for problem in contexts.problems:
            self.notify(problem, severity="warning")
        self._show()
        async with TaskScope("contexts") as scope:
            for task in [scope.spawn(info.name, self._probe(info.name)) for info in self._infos]:
                await task

    async def _probe(self, name: str) -> None:
        """Each on its own: one that hangs keeps no other waiting."""
        try:
            transport = self.conductor.connect(self.conductor.contexts.access(name))
        except KubeconfigError as error:
            self._states[name] = str(error)
            self._show()
            return
        try:
            answer = await transport.request("GET", "/version", timeout=PATIENCE)
            self._states[name] = "answers" if answer.status == 200 else f"answers {answer.status}"
        except (ConnectionFailed, TimeoutError):
            self._states[name] = "silent"
        finally:
            await transport.close()
        self._show()

    def _show(self) -> None:
        if self.shown:
            self.show_rows([self._row(info) for info in self._infos])

    def _row(self, info: ContextInfo) -> Row:
        here = "● " if info.name == self.session.access.context else "  "
        state = self._states.get(info.name, "…")
        server = info.server.removeprefix("https://")
        cells = (here + info.name, state, server, info.namespace, info.cluster, info.user)
        return Row(info.name, "", info.name, cells)

    def tone(self, row: Row, column: Column, text: str) -> Tone:
        if column.name == "State":
            return Tone.OK if text == "answers" else Tone.MUTED if text == "…" else Tone.BAD
        if column.name == "Name":
            return Tone.ACCENT if row.name == self.session.access.context else Tone.TEXT
        return Tone.MUTED

    def nothing(self) -> list[Line]:
        return [
            (("No contexts", Tone.MUTED),),
            EMPTY,
            (("They come from KUBECONFIG or ~/.kube/config", Tone.FAINT),),
        ]

    def own_hints(self) -> Sequence[Hint]:
        return [Hint("⏎", "switch to it", ""), Hint("^r", "look again", "reconnect")]

    def entered(self, row: Row) -> None:
        self.conductor.use_context(row.name)
