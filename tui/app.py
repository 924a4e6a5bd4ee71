"""The app: one cluster, a stack of screens, themes. `run` is the way in."""

import asyncio
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import App, SystemCommand
from textual.binding import Binding
from textual.screen import Screen
from textual.worker import Worker

from apimachinery.aio.clock import Clock, SystemClock
from apimachinery.client.errors import KubeconfigError
from apimachinery.client.kubeconfig import ClusterAccess
from apimachinery.client.transport import Transport
from apimachinery.objects.resources import PODS, Resource
from tui.command import ALL_NAMESPACES
from tui.contexts import Contexts
from tui.keymap import Keymap
from tui.memory import Memory, state_file
from tui.palette import DEFAULT_DARK, Palette, load_palette
from tui.screens.base import ClusterScreen
from tui.screens.navigation import screen_for
from tui.session import Session
from tui.settings import SettingsFolder, config_folder
from tui.target import LOCAL_PAGES, PAGES, SCOPED_PAGES, Target, View

if TYPE_CHECKING:
    from tui.feeds.forward import Forward, ForwardSpec

HISTORY = 30
SETTINGS_PERIOD = 2.0
ORPHAN_PERIOD = 1.0
"""How often an app in a browser looks whether its server still lives: nobody else would end it."""


def run(
    access: ClusterAccess,
    *,
    namespace: str | None = None,
    readonly: bool = False,
    theme: str | None = None,
    resource: Resource = PODS,
    kubeconfigs: Sequence[Path | None] = (None,),
    machine_command: Sequence[str] = (),
) -> None:
    """Show the cluster until the user quits; blocks. `namespace` "" means all of them.

    The contexts of `kubeconfigs` can be switched to; None is kubectl's default. `machine_command` is run, with `node`
    and its words after it, to work on machines of this cluster.
    """
    PilothouseApp(
        access,
        namespace=namespace,
        readonly=readonly,
        theme=theme,
        resource=resource,
        contexts=Contexts(kubeconfigs),
        memory=Memory(state_file()),
        machine_command=machine_command,
        settings=SettingsFolder(config_folder()),
    ).run()


class PilothouseApp(App[None]):
    """`transport` and `clock` are given by tests; otherwise those of the access and the system."""

    CSS_PATH = Path(__file__).with_name("app.tcss")
    TITLE = "Pilothouse"
    ENABLE_COMMAND_PALETTE = True
    BINDINGS = [
        Binding("ctrl+c", "quit", "Quit", show=False, priority=True),
        Binding("ctrl+q", "quit", "Quit", show=False, priority=True),
    ]

    def __init__(
        self,
        access: ClusterAccess,
        *,
        namespace: str | None = None,
        readonly: bool = False,
        theme: str | None = None,
        resource: Resource = PODS,
        transport: Transport | None = None,
        clock: Clock | None = None,
        palette: Palette | None = None,
        contexts: Contexts | None = None,
        connect: Callable[[ClusterAccess], Transport] = ClusterAccess.transport,
        memory: Memory | None = None,
        machine_command: Sequence[str] = (),
        settings: SettingsFolder | None = None,
    ) -> None:
        self.palette = palette or load_palette()
        super().__init__()
        self.contexts = contexts or Contexts()
        self.connect = connect
        self.memory = memory or Memory()
        self._machine_command = tuple(machine_command)
        self._own_server = access.server
        self.session = Session(
            access,
            transport or connect(access),
            clock=clock or SystemClock(),
            readonly=readonly,
            on_change=self._tell,
        )
        self.settings = settings or SettingsFolder(None)
        self.keymap = Keymap()
        self.header_hidden = False
        self._parked: list[Session] = []
        self._beside: dict[str, Session] = {}
        if namespace is not None:
            self.session.namespace = namespace or None
        self._first = Target(resource=resource, namespace=self.session.namespace if resource.namespaced else None)
        self._history: list[Target] = []
        self._at = -1
        self.forwards: list[Forward] = []
        self._forwarding: dict[int, Worker[None]] = {}
        for one in self.palette.themes.values():
            self.register_theme(one)
        wanted = theme or os.environ.get("PILOTHOUSE_THEME") or DEFAULT_DARK
        self.theme = wanted if wanted in self.palette.themes else DEFAULT_DARK

    def get_theme_variable_defaults(self) -> dict[str, str]:
        # Textual parses the style sheet against its own theme before ours is chosen.
        return dict(load_palette_defaults(self.palette))

    def on_mount(self) -> None:
        self._look_at_settings()
        self.go_to(self._first)
        self._attend()
        self.set_interval(SETTINGS_PERIOD, self._look_at_settings)
        for problem in self.palette.problems:
            self.notify(problem, severity="warning", title="Theme")
        if self.is_web:
            server = os.getppid()
            self.set_interval(ORPHAN_PERIOD, lambda: self.exit() if os.getppid() != server else None)

    async def on_unmount(self) -> None:
        for session in (self.session, *self._parked, *self._beside.values()):
            await session.close()

    # Conductor

    def open_target(self, target: Target) -> None:
        self.push_screen(screen_for(target))

    def go_to(self, target: Target) -> None:
        self._history = [*self._history[: self._at + 1], target][-HISTORY:]
        self._at = len(self._history) - 1
        self._root(target)

    def go_back(self) -> None:
        if self._depth() > 1:
            self.pop_screen()

    def walk_history(self, step: int) -> None:
        at = self._at + step
        if 0 <= at < len(self._history):
            self._at = at
            self._root(self._history[at])

    def swap_last(self) -> None:
        if self._at > 0:
            self.go_to(self._history[self._at - 1])

    def use_namespace(self, namespace: str | None) -> None:
        """From now on; a table of a namespaced kind in front is shown anew there."""
        self.session.namespace = namespace
        screen = self.screen
        if not isinstance(screen, ClusterScreen):
            return
        root = self._history[self._at] if self._at >= 0 else screen.target
        if root.view is not View.TABLE:
            if root.view in SCOPED_PAGES and root.namespace != namespace:
                self.go_to(replace(root, namespace=namespace))
            return
        if root.resource.namespaced and root.namespace != namespace:
            self.go_to(
                Target(resource=root.resource, namespace=namespace, filter=screen.filter_text(), clusters=root.clusters)
            )

    def use_context(self, name: str, resource: Resource | None = None, scope: str | None = None) -> None:
        self.run_worker(self._switch(name, resource, scope), group="context", exclusive=True)

    async def _switch(self, name: str, resource: Resource | None, scope: str | None) -> None:
        try:
            access = await asyncio.to_thread(self.contexts.access, name)
        except KubeconfigError as error:
            self.notify(str(error), severity="error", title="Context")
            return
        old = self.session
        self.session = Session(
            access, self.connect(access), clock=old.clock, readonly=old.readonly, on_change=self._tell
        )
        if scope is not None:
            self.session.namespace = scope or None
        here = self._history[self._at] if self._at >= 0 else self._first
        wanted = resource or (here.resource if here.view is View.TABLE else PODS)
        self._history, self._at = [], -1
        self._attend()
        self.go_to(Target(resource=wanted, namespace=self.session.namespace if wanted.namespaced else None))
        if any(forward.spec.context == old.access.context for forward in self.forwards):
            # Port-forwards go on over the connection they were made with.
            self._parked.append(old)
        else:
            await old.close()

    def _attend(self) -> None:
        """Learn about the cluster, and feel its pulse, for as long as it is the one in front."""
        self.run_worker(self.session.learn(), group="discovery", exclusive=True, name="discovery")
        self.run_worker(self.session.pulse.run(), group="pulse", exclusive=True, name="pulse")

    def choose_namespace(self) -> None:
        from tui.widgets.dialogs import PickDialog

        pinned = self.memory.pinned(self.session.access.context)
        names = [*pinned, *(name for name in self.session.namespaces if name not in pinned)]
        choices = [("", "all namespaces"), *((name, f"{name}  {'+' if name in pinned else ''}") for name in names)]

        def chosen(value: str | None) -> None:
            if value is not None:
                self.use_namespace(value or None)

        self.push_screen(PickDialog("Namespace", choices, self.session.namespace or "", free=True), chosen)
        self.run_worker(self.session.learn_namespaces(), group="namespaces", exclusive=True)

    def choose_theme(self) -> None:
        from tui.screens.themes import ThemeDialog

        self.push_screen(ThemeDialog(self.palette, self.theme))

    def forward(self, spec: "ForwardSpec") -> None:
        from tui.feeds.forward import Forward

        made = Forward(self.session_of(spec.context).client, spec, clock=self.session.clock)
        self.forwards.append(made)
        worker = self.run_worker(made.run(), group="forwards", name=f"forward {spec.what}", exit_on_error=False)
        self._forwarding[id(made)] = worker

    def stop_forward(self, forward: "Forward") -> None:
        self.forwards.remove(forward)
        self._forwarding.pop(id(forward)).cancel()

    def machine_command_for(self, session: Session) -> Sequence[str]:
        return self._machine_command if session.access.server == self._own_server else ()

    # clusters beside the one in front

    def session_of(self, context: str) -> Session:
        known = (self.session, *self._beside.values(), *self._parked)
        return next(one for one in known if one.access.context == context) if context else self.session

    async def session_in(self, context: str) -> Session:
        if context == self.session.access.context:
            return self.session
        if context not in self._beside:
            access = await asyncio.to_thread(self.contexts.access, context)
            front = self.session
            if context not in self._beside:
                self._beside[context] = Session(
                    access, self.connect(access), clock=front.clock, readonly=front.readonly, on_change=self._tell
                )
                self.run_worker(self._beside[context].learn(), group="beside", name=f"discovery {context}")
        return self._beside[context]

    # words of the command line

    def action_word(self, word: str, argument: str = "") -> None:
        match word:
            case "quit":
                self.exit()
            case "themes":
                self.choose_theme()
            case "help":
                if isinstance(self.screen, ClusterScreen):
                    self.screen.action_help()
            case "join":
                from tui.screens.machinework import join

                if isinstance(self.screen, ClusterScreen):
                    self.run_worker(join(self.screen), group="join", exclusive=True)
            case "journal":
                from tui.screens.journal import JournalScreen

                if isinstance(self.screen, ClusterScreen):
                    self.push_screen(JournalScreen(self.screen))
            case "xray":
                self._xray(argument)
            case _ if word in PAGES:
                self._page(PAGES[View(word)], argument)
            case _:
                pass

    def _xray(self, argument: str) -> None:
        """`KIND [NAMESPACE]`: the trees of all objects of a kind."""
        kind, *rest = argument.split() or ["deployments"]
        resource = self.session.aliases.resolve(kind)
        if resource is None:
            self.notify(f'The server has no kind named "{kind}".', severity="warning")
            return
        scope = (self.session.namespace or "") if not rest else "" if rest[0] in ALL_NAMESPACES else rest[0]
        namespace = scope or None if resource.namespaced else None
        self.go_to(Target(resource=resource, view=View.XRAY, namespace=namespace, title=f"{resource.plural} x-ray"))

    def _look_at_settings(self) -> None:
        """The user's files, read when they have changed; what is wrong in them is said on the screen."""
        if not self.settings.load(self.session.access.context):
            return
        problems = list(self.settings.current.problems)
        if self.settings.current.rebound or self.settings.current.preset != Keymap().preset:
            from tui.screens.rebinding import keymap_of

            self.keymap, found = keymap_of(self.settings.current)
            problems += found
        else:
            self.keymap = Keymap()
        self.set_keymap(self.keymap.whole)
        for screen in self.screen_stack:
            if isinstance(screen, ClusterScreen):
                screen.settings_changed()
        for problem in problems:
            self.notify(problem, severity="warning", title="Settings", timeout=15)

    def _page(self, page: Target, argument: str) -> None:
        if page.view in LOCAL_PAGES and self.is_web:
            # Whoever looks on from a browser is a guest on this computer.
            self.notify("Files of this computer are not shown in a browser.", severity="warning")
            return
        if page.view in SCOPED_PAGES:
            scope = self.session.namespace if not argument else "" if argument in ALL_NAMESPACES else argument
            self.go_to(replace(page, namespace=scope or None))
        else:
            self.go_to(replace(page, name=argument))

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        for resource in self.session.aliases.resources():
            yield SystemCommand(resource.plural, f"Show {resource.kind}", lambda r=resource: self._show(r))
        yield SystemCommand("Theme", "Choose the colours", self.choose_theme)
        yield SystemCommand("Namespace", "Choose the namespace", self.choose_namespace)
        if isinstance(screen, ClusterScreen):
            for name, plugin in self.settings.current.plugins.items():
                yield SystemCommand(name, plugin.description or plugin.command, lambda n=name: screen.run_plugin(n))
            yield SystemCommand("Keys", "What the keys do here", screen.action_help)
        yield SystemCommand("Join", "Make a machine part of the cluster", lambda: self.action_word("join"))
        yield SystemCommand("Helm", "Releases, their values and history", lambda: self.action_word("helm"))
        yield SystemCommand("Can", "What you may do here", lambda: self.action_word("can"))
        yield SystemCommand("Contexts", "Switch to another cluster", lambda: self.action_word("contexts"))
        yield SystemCommand(
            "Health", "Certificates, disks, heat, backups, versions", lambda: self.action_word("health")
        )
        yield SystemCommand("Workloads", "All that runs, in one table", lambda: self.action_word("workloads"))
        yield SystemCommand("Saved files", "Tables, documents and logs saved here", lambda: self.action_word("dumps"))
        yield SystemCommand("Users", "Who has any rights, and which", lambda: self.action_word("users"))
        yield SystemCommand("Pulses", "How the cluster fares, at a glance", lambda: self.action_word("pulses"))
        yield SystemCommand(
            "Port-forwards", "Local ports that lead into the cluster", lambda: self.action_word("port-forwards")
        )
        yield SystemCommand("Journal", "What was changed in this session", lambda: self.action_word("journal"))
        yield SystemCommand("Quit", "Leave Pilothouse", self.exit)

    # below

    def _show(self, resource: Resource) -> None:
        self.go_to(Target(resource=resource, namespace=self.session.namespace if resource.namespaced else None))

    def _depth(self) -> int:
        return sum(isinstance(screen, ClusterScreen) for screen in self.screen_stack)

    def _root(self, target: Target) -> None:
        while self._depth() > 1:
            self.pop_screen()
        if self._depth() == 1:
            self.switch_screen(screen_for(target))
        else:
            self.push_screen(screen_for(target))

    def _tell(self) -> None:
        if self.is_running and isinstance(self.screen, ClusterScreen):
            self.screen.tell()


def load_palette_defaults(palette: Palette) -> dict[str, str]:
    """Every variable that our style sheet names, so that it can be read under any theme."""
    theme = palette.themes.get(DEFAULT_DARK) or next(iter(palette.themes.values()))
    return theme.variables
