"""One table of several clusters: what fails in one is said of it alone, and what is done goes to the row's own."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, cast

from tui.command import contexts_of, namespaces_of
from tui.document import EMPTY, Line, Span
from tui.feeds.manyclusters import CLUSTER, ManyClusters, Tables, uid_in_cluster
from tui.feeds.manytables import ManyTables
from tui.feeds.state import FeedState, Phase
from tui.feeds.tables import TableFeed
from tui.kinds.lens import Action
from tui.rows import Column, Row
from tui.screens import acting
from tui.screens.base import ClusterScreen
from tui.screens.browse import BrowseScreen
from tui.session import Session
from tui.target import Target
from tui.tones import Tone
from tui.widgets.hints import Hint

if TYPE_CHECKING:
    from tui.screens.base import Conductor

SAID = (Phase.STALE, Phase.REFUSED)
"""States that are worth a notice when a cluster comes into them."""


class InCluster:
    """A screen as it is seen from a row of another cluster: the same in all but the session that it works with."""

    def __init__(self, screen: ClusterScreen, session: Session) -> None:
        self._screen = screen
        self.session = session

    @property
    def machine_command(self) -> Sequence[str]:
        return self._screen.conductor.machine_command_for(self.session)

    @property
    def conductor(self) -> "Conductor":
        return cast("Conductor", _Conductor(self._screen.conductor, self.session))

    def open_target(self, target: Target) -> None:
        self.conductor.open_target(target)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._screen, name)


class _Conductor:
    def __init__(self, conductor: "Conductor", session: Session) -> None:
        self._conductor = conductor
        self.session = session

    def open_target(self, target: Target) -> None:
        self._conductor.open_target(replace(target, context=self.session.access.context))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._conductor, name)


class ClustersScreen(BrowseScreen):
    feed: ManyClusters

    def on_mount(self) -> None:
        self._names = contexts_of(self.target.clusters, self.conductor.contexts.names())
        self._said: dict[str, Phase] = {}
        super().on_mount()

    def _make_feed(self) -> ManyClusters:
        return ManyClusters(
            self._names,
            self._opened,
            clock=self.session.clock,
            on_pending=self._pending,
            on_state=self._cluster_changed,
        )

    async def _opened(self, name: str) -> Callable[[Callable[[], None], Callable[[FeedState], None]], Tables]:
        session, target = await self.conductor.session_in(name), self.target
        namespaces: list[str | None] = [target.namespace]
        if target.namespace and target.resource.namespaced:
            if any(sign in target.namespace for sign in "*?["):
                await session.learn_namespaces()
            namespaces = [*namespaces_of(target.namespace, session.namespaces)]

        def made(on_pending: Callable[[], None], on_state: Callable[[FeedState], None]) -> Tables:
            # All clusters have the same columns, so the namespace is among them in all or in none.
            if self._many_namespaces:
                return ManyTables(
                    session.transport, [target.resource.path(one) for one in namespaces], clock=session.clock,
                    label_selector=target.label_selector, on_pending=on_pending, on_state=on_state,
                )  # fmt: skip
            return TableFeed(
                session.transport, target.resource.path(namespaces[0]), clock=session.clock,
                label_selector=target.label_selector,
                with_namespace=target.resource.namespaced and target.namespace is None,
                on_pending=on_pending, on_state=on_state,
            )  # fmt: skip

        return made

    @property
    def _wanted(self) -> str:
        return " ".join(f"@{one}" for one in self.target.clusters)

    @property
    def _many_namespaces(self) -> bool:
        scope = self.target.namespace
        return self.target.resource.namespaced and bool(scope) and any(sign in scope for sign in ",*?[")

    async def _learn_permissions(self) -> None:
        """Each cluster has its own: asked when something is done."""

    def _measure(self) -> None:
        """Use is of one cluster at a time."""

    # what is said

    def place(self) -> tuple[str, str, str]:
        count = len(self._names)
        return f"{count} cluster{'s' if count != 1 else ''}", ", ".join(self._names), ""

    def status(self) -> Span:
        states = self.feed.states
        live = sum(state.phase is Phase.LIVE for state in states.values())
        if live == len(states):
            return ("● live", Tone.OK)
        return (f"◌ {live} of {len(states)} live", Tone.WARN if live else Tone.BAD)

    def notes(self) -> Sequence[Span]:
        spans: list[Span] = []
        for name, state in self.feed.states.items():
            if state.phase is not Phase.LIVE:
                spans += [(f"{name} ", Tone.TEXT), self._state_words(state), ("  ", Tone.MUTED)]
        return [*spans, *super().notes()]

    def _state_words(self, state: FeedState) -> Span:
        match state.phase:
            case Phase.STALE:
                return (f"stale {max(0, self.session.clock.monotonic() - state.since):.0f} s", Tone.WARN)
            case Phase.REFUSED:
                return (f"✕ {state.code}" if state.code else "✕ not usable", Tone.BAD)
            case Phase.CONNECTING if state.detail:
                return ("unreachable", Tone.BAD)
            case _:
                return (str(state.phase), Tone.INFO)

    def _cluster_changed(self, name: str, state: FeedState) -> None:
        """Said once, in the cluster's own words; the table goes on with the others."""
        trouble = state.phase in SAID or (state.phase is Phase.CONNECTING and bool(state.detail))
        if trouble and self._said.get(name) is not state.phase:
            self.notify(state.detail, title=name, severity="warning")
        if trouble or state.phase is Phase.LIVE:
            self._said[name] = state.phase
        self.set_state(self.feed.state)
        self.table.repaint()
        self._show_placeholder()

    def _nothing_here(self, kind: str) -> list[Line]:
        lines: list[Line] = [((f"No {kind} in any of them", Tone.MUTED),), EMPTY]
        for name, state in self.feed.states.items():
            words = ("live", Tone.OK) if state.phase is Phase.LIVE else self._state_words(state)
            lines.append(((f"{name}  ", Tone.TEXT), words))
        return lines

    def _placeholder(self) -> list[Line]:
        if not self._names:
            return [(("No context fits ", Tone.MUTED), (self._wanted, Tone.ACCENT))]
        if self.table.model.total and self._filter:
            return super()._placeholder()
        return self._nothing_here(self.target.resource.plural)

    def _tone(self, row: Row, column: Column, text: str) -> Tone:
        state = self.feed.states.get(row.cluster)
        if state is not None and state.phase is not Phase.LIVE:
            # What stands here is what was heard last.
            return Tone.WARN if column.name == CLUSTER.name else Tone.FAINT
        return Tone.ACCENT if column.name == CLUSTER.name else super()._tone(row, column, text)

    def own_crumbs(self, *, first: bool) -> list[str]:
        crumbs = super().own_crumbs(first=first)
        return [self._wanted, *crumbs]

    def hints(self) -> Sequence[Hint]:
        return [Hint(hint.key, hint.word, hint.action) for hint in super().hints()]

    @property
    def _memory_key(self) -> str:
        return f"clusters/{self.target.resource.qualified}"

    # what is done

    def within(self, row: Row) -> ClusterScreen:
        """This screen, for what is done in the row's cluster."""
        return cast("ClusterScreen", InCluster(self, self.conductor.session_of(row.cluster)))

    async def _enter(self, row: Row) -> None:
        screen = self.within(row)
        target = await acting.drill_target(screen, self.lens, uid_in_cluster(row))
        if target is not None:
            screen.open_target(target)

    def _perform(self, action: Action, rows: list[Row]) -> None:
        self.run_worker(self._in_each(action, rows), group="act", exclusive=True)

    async def _in_each(self, action: Action, rows: list[Row]) -> None:
        """One cluster after the other: each question names the objects of one."""
        for _, of_one in groupby(sorted(rows, key=lambda row: row.cluster), key=lambda row: row.cluster):
            chosen = list(of_one)
            await acting.act(self.within(chosen[0]), self.lens, action, [uid_in_cluster(row) for row in chosen])

    def run_plugin(self, name: str) -> None:
        from tui.screens import plugins

        row = self.table.current
        plugin = self.conductor.settings.current.plugins[name]
        if row is not None and plugins.applies(plugin, self):
            self.run_worker(plugins.run(self.within(row), name, plugin), group="plugin", exclusive=True)
