"""Work on machines, watched: join, check, upgrade, remove. The command does it; here it is asked for and seen."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Label, Static

from tui.document import Document, Line, Span
from tui.feeds.machinework import MachineWork, Told, WorkState, findings
from tui.screens.ending import EndingScreen
from tui.screens.pages import PageScreen
from tui.tones import Tone
from tui.widgets.dialogs import Dialog, PickDialog
from tui.widgets.joindialog import JoinDialog
from tui.widgets.textview import TextView

if TYPE_CHECKING:
    from tui.screens.base import ClusterScreen

_CHOICES = (
    ("usage", "What it uses, live"),
    ("shell", "Shell on it"),
    ("check", "Check whether it is fit"),
    ("upgrade", "Upgrade its agent to this version"),
    ("remove", "Remove it: drain, leave, clean up"),
    ("join", "Join another machine"),
)
_FLEET = frozenset({"check", "upgrade", "remove", "join"})
ELSEWHERE = "Machines are joined to the local engine's cluster; this is another one."
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


async def menu(screen: "ClusterScreen", name: str) -> None:
    """What can be done with one machine."""
    readonly = screen.session.readonly
    local = bool(screen.machine_command)
    choices = [one for one in _CHOICES if (local or one[0] not in _FLEET) and (not readonly or one[0] == "usage")]
    chosen = await screen.app.push_screen_wait(PickDialog(f"Machine {name}", choices))
    match chosen:
        case None:
            return
        case "usage":
            from tui.screens.machineusage import target_of

            screen.open_target(target_of(name))
        case "shell":
            from tui.screens.nodeshell import open_node_shell

            await open_node_shell(screen, name)
        case "join":
            await join(screen)
        case "check":
            await _check(screen, name)
        case "upgrade":
            if await screen.app.push_screen_wait(
                YesDialog(f"Upgrade {name}?", "Its agent is replaced and started again; its pods go on.", "Upgrade")
            ):
                _watch(screen, f"Upgrade {name}", ("upgrade", name), "upgraded")
        case _:
            said = "Its pods are moved away first; then it leaves the cluster and is put back as it was."
            if await screen.app.push_screen_wait(YesDialog(f"Remove {name}?", said, "Remove", danger=True)):
                _watch(screen, f"Remove {name}", ("remove", name), "removed")


async def join(screen: "ClusterScreen") -> None:
    """Ask how the machine is reached, then watch it join."""
    if screen.session.readonly:
        screen.notify("This session is read-only.", severity="warning")
        return
    if not screen.machine_command:
        screen.notify(ELSEWHERE, severity="warning")
        return
    answer = await screen.app.push_screen_wait(JoinDialog())
    if answer is not None:
        _watch(screen, f"Join {answer.machine}", ("add", *answer.words), "joined", password=answer.password)


def _watch(
    screen: "ClusterScreen", title: str, words: Sequence[str], done: str, *, password: str | None = None
) -> None:
    argv = (*screen.machine_command, "node", *words, "--output", "json")
    screen.app.push_screen(WorkScreen(title, argv, done, password=password))


async def _check(screen: "ClusterScreen", name: str) -> None:
    """What speaks against the machine as a node; nothing on it is changed."""
    screen.notify(f"Looking at {name} …")
    argv = (*screen.machine_command, "node", "check", name, "--output", "json")
    found, error = await findings(argv)
    if error:
        screen.notify(error, severity="error", title=f"Check {name}")
        return
    tones = {"ok": Tone.OK, "warn": Tone.WARN, "fail": Tone.BAD}
    doc = Document()
    for one in found:
        level = str(one.get("level", ""))
        what = " ".join(part for part in (str(one.get("check", "")), str(one.get("finding", ""))) if part)
        doc.spans(((level.ljust(6), tones.get(level, Tone.MUTED)), (what, Tone.TEXT)), indent=0)
        if one.get("fix"):
            doc.text(str(one["fix"]), Tone.MUTED, indent=3)
    screen.app.push_screen(PageScreen(f"Check {name}", doc.lines))


class YesDialog(Dialog[bool]):
    """A question with one yes; the cursor starts on Cancel when it is dangerous."""

    def __init__(self, title: str, words: str, yes: str, *, danger: bool = False) -> None:
        super().__init__()
        self._title, self._words, self._yes, self._danger = title, words, yes, danger

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -danger" if self._danger else "dialog"):
            yield Label(self._title, classes="dialog-title")
            yield Static(self._words)
            with Horizontal(classes="dialog-buttons"):
                yield Button("Cancel", id="no", compact=True)
                yield Button(self._yes, id="yes", variant="error" if self._danger else "primary", compact=True)

    def on_mount(self) -> None:
        self.query_one("#no" if self._danger else "#yes").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")


class WorkScreen(ModalScreen[None], EndingScreen[None]):
    """Its steps as they happen. ^d ends the work; Esc leaves only when it is over."""

    BINDINGS = [
        Binding("escape", "leave", "Leave", show=False),
        Binding("ctrl+d", "stop", "Stop", show=False),
    ]

    def __init__(self, title: str, argv: Sequence[str], done: str, *, password: str | None = None) -> None:
        super().__init__()
        self._title, self._done = title, done
        self._work = MachineWork(argv, password=password, confirm=self._confirm, on_change=self._tell)
        self._turn = 0

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -wide"):
            yield Label(self._title, classes="dialog-title")
            view = TextView([])
            view.styles.height = 14
            yield view
            yield Static("^d stops it", classes="dialog-note", id="work-note")

    def on_mount(self) -> None:
        self.query_one(TextView).focus()
        self.set_interval(0.12, self._spin)
        self.run_worker(self._run(), group="work", name=self._title)

    async def _run(self) -> None:
        await self._work.run()

    def _spin(self) -> None:
        self._turn += 1
        if not self._work.state.ended:
            self._tell()

    def _tell(self) -> None:
        if not self.shown:
            return
        state = self._work.state
        view, note = self.query_one(TextView), self.query_one("#work-note", Static)
        view.show(step_lines(state, SPINNER[self._turn % len(SPINNER)]))
        if state.ended:
            note.update(f"{self._title}: {'failed' if state.error else state.message or self._done}.   Esc closes")

    async def _confirm(self, told: Told) -> bool:
        words = f"{told.address} is new here. Its host key is {told.algorithm}\n\n  {told.fingerprint}\n\n"
        question = YesDialog("Is that the machine?", f"{words}Compare it with what the machine itself says.", "It is",
                             danger=True)  # fmt: skip
        return bool(await self.app.push_screen_wait(question))

    def action_leave(self) -> None:
        if self._work.state.ended:
            self.dismiss()
        else:
            self.query_one("#work-note", Static).update("It still goes on: ^d stops it.")

    def action_stop(self) -> None:
        if self._work.state.ended:
            return
        self.workers.cancel_node(self)
        self._work.state.error, self._work.state.ended = "stopped; doing it again goes on from here", True
        self._tell()


_MARKS: dict[str, Span] = {"done": ("✓", Tone.OK), "skipped": ("·", Tone.FAINT), "failed": ("✗", Tone.BAD)}


def step_lines(state: WorkState, spinner: str = "…") -> list[Line]:
    """A line a step; what went wrong in full beneath."""
    lines: list[Line] = []
    for step in state.steps.values():
        running = step.happening == "started"
        mark = ("✗", Tone.BAD) if running and state.ended else _MARKS.get(step.happening, (spinner, Tone.INFO))
        seconds = "already done" if step.happening == "skipped" else f"{step.seconds:.1f} s" if step.seconds else ""
        lines.append((mark, (f" {step.title}", Tone.TEXT if running else Tone.MUTED), (f"  {seconds}", Tone.FAINT)))
    if not lines and not state.ended:
        lines.append(((f"{spinner} starting …", Tone.MUTED),))
    if state.error:
        lines += [(), *(((line, Tone.BAD),) for line in state.error.splitlines())]
    elif state.message:
        lines += [(), ((state.message, Tone.OK),)]
    return lines
