"""What all screens on the cluster share: header, hints, prompt, the way around, the second's tick."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, cast

from textual.app import ComposeResult
from textual.binding import Binding
from textual.events import Key
from textual.widget import Widget

from apimachinery.client.kubeconfig import ClusterAccess
from apimachinery.client.transport import Transport
from apimachinery.objects.resources import Resource
from tui.command import Command, complete_command, parse_command
from tui.contexts import Contexts
from tui.document import Span
from tui.feeds.state import FeedState, Phase
from tui.fuzzy import best
from tui.keymap import Keymap, label
from tui.memory import Memory
from tui.screens.ending import EndingScreen
from tui.screens.keys import GENERAL_KEYS
from tui.session import Session
from tui.settings import SettingsFolder
from tui.target import Target, View
from tui.tones import Tone
from tui.widgets.filterexpr import parse_filter
from tui.widgets.header import Header, HeaderFacts
from tui.widgets.hints import Hint, HintBar
from tui.widgets.prompt import Mode, Prompt
from tui.widgets.table import VirtualTable

if TYPE_CHECKING:
    from tui.feeds.forward import Forward, ForwardSpec


class Conductor(Protocol):
    """What screens ask of the app."""

    session: Session
    contexts: Contexts
    memory: Memory
    settings: SettingsFolder
    forwards: "list[Forward]"
    keymap: Keymap
    header_hidden: bool

    def session_of(self, context: str) -> Session:
        """That of a cluster beside the one in front, which "" stands for."""
        ...

    async def session_in(self, context: str) -> Session:
        """The same, made when there is none yet. Raises KubeconfigError when there is no such context."""
        ...

    def machine_command_for(self, session: Session) -> Sequence[str]:
        """What runs `pilothouse` for this cluster; empty where it has no say over machines."""
        ...

    def open_target(self, target: Target) -> None:
        """Go deeper: the screen in front stays behind."""
        ...

    def go_to(self, target: Target) -> None:
        """Start anew from here; what was open is closed."""
        ...

    def go_back(self) -> None: ...
    def walk_history(self, step: int) -> None: ...
    def swap_last(self) -> None: ...
    def choose_namespace(self) -> None: ...
    def choose_theme(self) -> None: ...
    def connect(self, access: ClusterAccess) -> Transport:
        """A new way to a cluster; whoever asks for it closes it."""
        ...

    def use_context(self, name: str, resource: Resource | None = None, scope: str | None = None) -> None:
        """Leave this cluster for another, at once: nothing waits for the old one."""
        ...

    def use_namespace(self, namespace: str | None) -> None: ...
    def forward(self, spec: "ForwardSpec") -> None:
        """Start a port-forward that lives as long as the app."""
        ...

    def action_word(self, word: str, argument: str = "") -> None:
        """A word of the command line that is no kind."""
        ...

    def stop_forward(self, forward: "Forward") -> None: ...


class ClusterScreen(EndingScreen[None]):
    """Subclasses give the body, `hints`, and what the header says."""

    BINDINGS = [
        GENERAL_KEYS["command"].binding("command", first=True),
        GENERAL_KEYS["filter"].binding("filter", first=True),
        GENERAL_KEYS["help"].binding("help"),
        GENERAL_KEYS["back"].binding("back"),
        GENERAL_KEYS["all_namespaces"].binding("all_namespaces"),
        GENERAL_KEYS["namespace"].binding("namespace"),
        *(Binding(str(number), f"digit({number})", show=False, id=f"pinned_{number}") for number in range(1, 10)),
        GENERAL_KEYS["older"].binding("history(-1)"),
        GENERAL_KEYS["newer"].binding("history(1)"),
        GENERAL_KEYS["last"].binding("swap_last"),
        GENERAL_KEYS["save"].binding("save"),
        GENERAL_KEYS["reconnect"].binding("reconnect"),
        GENERAL_KEYS["themes"].binding("themes"),
        GENERAL_KEYS["aliases"].binding("aliases"),
        GENERAL_KEYS["header"].binding("header"),
    ]

    def __init_subclass__(cls, **options: Any) -> None:
        """Every key gets a name, so that it can be changed: `logs.wrap` for `wrap` of LogsScreen."""
        if "BINDINGS" in cls.__dict__:
            named = [_named(one, own_prefix(cls)) for one in cls.BINDINGS]
            type.__setattr__(cls, "BINDINGS", named)
        super().__init_subclass__(**options)

    def __init__(self, target: Target) -> None:
        super().__init__()
        self.target = target
        self._begun = False
        self.feed_state = FeedState(phase=Phase.CONNECTING)

    @property
    def conductor(self) -> Conductor:
        return cast("Conductor", self.app)

    @property
    def session(self) -> Session:
        return self.conductor.session_of(self.target.context)

    @property
    def machine_command(self) -> Sequence[str]:
        return self.conductor.machine_command_for(self.session)

    def open_target(self, target: Target) -> None:
        """Go deeper, in the same cluster."""
        self.conductor.open_target(replace(target, context=target.context or self.target.context))

    # for subclasses

    def body(self) -> Sequence[Widget]:
        raise NotImplementedError

    def hints(self) -> Sequence[Hint]:
        raise NotImplementedError

    def notes(self) -> Sequence[Span]:
        """What stands at the right of the breadcrumb."""
        return ()

    def main_widget(self) -> Widget:
        """Has the keys when no prompt is open."""
        raise NotImplementedError

    def on_filter(self, text: str) -> None:
        """The filter or search as typed so far."""

    def filter_table(self, table: VirtualTable, text: str) -> None:
        """Show the rows that fit, and beside what is typed how many these are, or what is wrong with it."""
        wanted = parse_filter(text, table.model.columns)
        table.set_filter(wanted)
        prompt = self.query_one(Prompt)
        if prompt.opened:
            prompt.note(wanted.error or f"{len(table.model):,} of {table.model.total:,}")

    def tick(self) -> None:
        """Once a second, while on top."""

    def reconnect(self) -> None: ...

    def settings_changed(self) -> None:
        """The user's files were read anew."""
        self.tell()

    def chosen_table(self) -> VirtualTable | None:
        """The table whose row a plugin runs for; None where there is none."""
        widget = self.main_widget()
        return widget if isinstance(widget, VirtualTable) else None

    def offers(self, action: str) -> bool:
        """Whether an action of BINDINGS does anything here: help leaves the others out."""
        del action
        return True

    # the frame

    def compose(self) -> ComposeResult:
        yield Header()
        yield from self.body()
        yield Prompt(self._complete, self.conductor.memory.typed)
        yield HintBar()

    def on_mount(self) -> None:
        # Textual calls this once more by itself when a subclass has called it from its own.
        if self._begun:
            return
        self._begun = True
        self.set_interval(1.0, self._second)
        self._revived = self.session.when_revived(self.reconnect)
        self.main_widget().focus()
        self.tell()

    def on_unmount(self) -> None:
        self._revived()

    def on_screen_resume(self) -> None:
        self.tell()

    def set_state(self, state: FeedState) -> None:
        self.feed_state = state
        self.tell()

    def tell(self) -> None:
        """Bring header and hints up to date."""
        if not self.shown:
            return
        context, server, version = self.place()
        status = self.status()
        header = self.query_one(Header)
        # Hidden, it still comes when something is wrong.
        header.display = not self.conductor.header_hidden or status[1] in (Tone.BAD, Tone.WARN)
        header.show(
            HeaderFacts(
                context=context,
                server=server,
                version=version,
                readonly=self.session.readonly,
                status=status,
                crumbs=self.crumbs(),
                notes=tuple(self.notes()),
            )
        )
        self.query_one(HintBar).show([self._rekeyed(hint) for hint in self.hints()])

    def _rekeyed(self, hint: Hint) -> Hint:
        """With the key that the user has given it."""
        name = action_name(hint.action)
        chosen = self.conductor.keymap.chosen
        name = name if name in chosen else f"{own_prefix(type(self))}.{name}"
        return replace(hint, key=label(chosen[name])) if name in chosen else hint

    def place(self) -> tuple[str, str, str]:
        """Context, server and its version, as the header names them."""
        access = self.session.access
        server = access.server.removeprefix("https://").removeprefix("http://")
        return access.context, server, self.session.pulse.version

    def status(self) -> Span:
        """How the data on the screen fares, in a phrase."""
        state, now = self.feed_state, self.session.clock.monotonic()
        if self.session.reachable is False and state.phase is Phase.LIVE:
            return (f"◌ stale {max(0, now - self.session.last_sign):.0f} s", Tone.WARN)
        match state.phase:
            case Phase.LIVE:
                return ("● live", Tone.OK)
            case Phase.LOADING:
                return (f"◌ loading {state.loaded:,}" if state.loaded else "◌ loading", Tone.INFO)
            case Phase.STALE:
                retry = max(0, state.retry_at - now)
                return (f"◌ stale {max(0, now - state.since):.0f} s · retry in {retry:.0f} s", Tone.WARN)
            case Phase.REFUSED:
                return (f"✕ {state.code}", Tone.BAD)
            case Phase.CONNECTING:
                return ("◌ unreachable", Tone.BAD) if state.detail else ("◌ connecting", Tone.INFO)

    def crumbs(self) -> tuple[str, ...]:
        stack = [screen for screen in self.app.screen_stack if isinstance(screen, ClusterScreen)]
        if self not in stack:
            stack = [self]
        crumbs: list[str] = []
        for screen in stack[: stack.index(self) + 1]:
            crumbs.extend(screen.own_crumbs(first=not crumbs))
        return tuple(crumbs)

    def own_crumbs(self, *, first: bool) -> list[str]:
        target = self.target
        if first:
            scope = (target.namespace or "all namespaces") if target.resource.namespaced else "cluster"
            return [scope, target.crumb]
        if target.view is View.TABLE:
            return [target.title, target.resource.plural] if target.title else [target.resource.plural]
        return [target.title or target.view.value]

    def _second(self) -> None:
        if self.is_current:
            self.tick()
            self.tell()

    # keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        # What is typed into the prompt is text, whatever it would mean elsewhere.
        if action in ("command", "filter") and self.shown and self.query_one(Prompt).opened:
            return False
        return super().check_action(action, parameters)

    def action_command(self) -> None:
        self.query_one(Prompt).open(Mode.COMMAND)

    def action_filter(self) -> None:
        self.query_one(Prompt).open(Mode.FILTER, self.filter_text())

    def filter_text(self) -> str:
        return ""

    def action_back(self) -> None:
        if self.filter_text():
            self.on_filter("")
        else:
            self.conductor.go_back()

    def action_help(self) -> None:
        from tui.screens.help import HelpScreen

        self.app.push_screen(HelpScreen(self))

    def action_all_namespaces(self) -> None:
        self.conductor.use_namespace(None)

    def action_digit(self, number: int) -> None:
        """A pinned namespace is chosen."""
        pinned = self.conductor.memory.pinned(self.session.access.context)
        if number <= len(pinned):
            self.conductor.use_namespace(pinned[number - 1])
        else:
            self.notify("No namespace is pinned there: + on a namespace pins it.")

    def action_namespace(self) -> None:
        self.conductor.choose_namespace()

    def action_aliases(self) -> None:
        self.conductor.action_word("aliases")

    def action_header(self) -> None:
        """More room for what matters."""
        self.conductor.header_hidden = not self.conductor.header_hidden
        self.tell()

    def action_themes(self) -> None:
        self.conductor.choose_theme()

    def action_save(self) -> None:
        """The table as it is shown, to a file that spreadsheets read."""
        table = self.chosen_table()
        if table is None:
            return
        from tui.dumps import save_table

        try:
            file = save_table(
                table.model, self.session.access.context, self.own_crumbs(first=True)[-1], self.session.now()
            )
        except OSError as error:
            self.notify(f"{error.filename}: {error.strerror}", severity="error", title="Save")
            return
        self.notify(f"Saved {len(table.model):,} rows to {file}")

    def action_history(self, step: int) -> None:
        self.conductor.walk_history(step)

    def action_swap_last(self) -> None:
        self.conductor.swap_last()

    def action_reconnect(self) -> None:
        self.reconnect()

    def on_key(self, event: Key) -> None:
        """Keys that mean nothing of ours may be the user's."""
        found = self.conductor.settings.current.keys().get(event.key)
        if found is None or self.query_one(Prompt).opened:
            return
        event.stop()
        kind, name = found
        if kind == "hotkey":
            self.run_command(self.conductor.settings.current.hotkeys[name].command)
        else:
            self.run_plugin(name)

    def run_plugin(self, name: str) -> None:
        from tui.screens import plugins

        plugin = self.conductor.settings.current.plugins[name]
        if plugins.applies(plugin, self):
            self.run_worker(plugins.run(self, name, plugin), group="plugin", exclusive=True)

    def on_header_crumb_chosen(self, event: Header.CrumbChosen) -> None:
        """Back to the screen that the crumb stands for."""
        told = 0
        stack = [screen for screen in self.app.screen_stack if isinstance(screen, ClusterScreen)]
        for number, screen in enumerate(stack):
            told += len(screen.own_crumbs(first=not told))
            if event.index < told:
                for _ in stack[number + 1 :]:
                    self.conductor.go_back()
                return

    # the prompt

    def on_prompt_changed(self, event: Prompt.Changed) -> None:
        self.on_filter(event.text)

    def on_prompt_left(self) -> None:
        prompt = self.query_one(Prompt)
        if prompt.mode is Mode.FILTER:
            self.on_filter("")
        self._close_prompt()

    def on_prompt_submitted(self, event: Prompt.Submitted) -> None:
        if event.mode is Mode.FILTER:
            self._close_prompt()
            return
        self.run_command(event.text)

    def _go_to_clusters(self, command: Command) -> None:
        resource = command.resource or self.target.resource
        namespace = self.session.namespace if command.namespace is None else (command.namespace or None)
        self.conductor.go_to(
            Target(
                resource=resource,
                namespace=namespace if resource.namespaced else None,
                filter=command.filter,
                label_selector=command.label_selector,
                clusters=command.contexts,
            )
        )

    def _complete(self, text: str) -> list[str]:
        session = self.session
        found = complete_command(text, session.aliases, session.namespaces, self.conductor.contexts.names)
        own = best(text, sorted(self.conductor.settings.current.aliases)) if text else []
        # What begins as typed stands first, whoever named it.
        begins = [name for name in own if name.startswith(text.lower())]
        return list(dict.fromkeys([*found[:1], *begins, *found, *own]))

    def _close_prompt(self) -> None:
        self.query_one(Prompt).close()
        self.set_focus(self.main_widget())
        self.tell()

    def run_command(self, text: str) -> None:
        """As if it were typed after `:`; the user's aliases first."""
        if not text.strip():
            self._close_prompt()
            return
        text = self.conductor.settings.current.expand(text)
        command = parse_command(text, self.session.aliases)
        if command.error:
            offered = self._complete(text)
            if offered and " " not in text.strip() and offered[0].startswith(text.strip().lower()):
                command = parse_command(offered[0], self.session.aliases)
        if command.error:
            self.query_one(Prompt).note(command.error)
            return
        self._close_prompt()
        if command.contexts:
            self._go_to_clusters(command)
        elif command.context and command.context != self.session.access.context:
            self.conductor.use_context(command.context, command.resource, command.namespace)
        elif command.word:
            self.app.call_later(self.conductor.action_word, command.word, command.argument)
        elif command.resource is not None:
            namespace = self.session.namespace if command.namespace is None else (command.namespace or None)
            self.conductor.go_to(
                Target(
                    resource=command.resource,
                    namespace=namespace if command.resource.namespaced else None,
                    filter=command.filter,
                    label_selector=command.label_selector,
                )
            )


def own_prefix(screen: type[ClusterScreen]) -> str:
    """What the names of a screen's own keys begin with."""
    return screen.__name__.removesuffix("Screen").strip("_").lower()


def action_name(action: str) -> str:
    """`act('scale')` is `scale`, `range_of('1')` is `range_of.1`."""
    word, _, arguments = action.partition("(")
    inner = arguments.rstrip(")").strip("'\"")
    return inner if word == "act" else f"{word}.{inner}" if inner else word


def _named(binding: Any, prefix: str) -> Any:
    if not isinstance(binding, Binding) or binding.id:
        return binding
    return replace(binding, id=f"{prefix}.{action_name(binding.action)}")
