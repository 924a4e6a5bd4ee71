"""Questions that stand in front of everything else. Escape always means no."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Checkbox, Input, Label, OptionList, RadioButton, RadioSet, Static
from textual.widgets.option_list import Option

from tui.changes import Change, Propagation
from tui.document import Line
from tui.widgets.fields import Field
from tui.widgets.textview import TextView

T = TypeVar("T")


class Dialog(ModalScreen[T | None], Generic[T]):
    """A box with a title; left and right walk the buttons, Escape answers None."""

    BINDINGS = [
        Binding("escape", "cancel", "Cancel", show=False),
        Binding("left", "app.focus_previous", show=False),
        Binding("right", "app.focus_next", show=False),
    ]

    def action_cancel(self) -> None:
        self.dismiss(None)


class FormDialog(Dialog[T]):
    """Fields and two buttons. Enter in any field finishes, as the button does."""

    def finish(self) -> None:
        """Answer, or say what is wrong and stay."""
        raise NotImplementedError

    def buttons(self, yes: str) -> ComposeResult:
        with Horizontal(classes="dialog-buttons"):
            yield Button("Cancel", id="no", compact=True)
            yield Button(yes, id="yes", variant="primary", compact=True)

    @on(Input.Submitted)
    def _form_submitted(self) -> None:
        self.finish()

    @on(Button.Pressed)
    def _form_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "yes":
            self.finish()
        else:
            self.dismiss(None)


@dataclass(frozen=True, slots=True)
class DeleteAnswer:
    propagation: Propagation
    force: bool


_PROPAGATIONS: tuple[tuple[Propagation, str], ...] = (
    ("Background", "Background: gone at once, what it owns follows"),
    ("Foreground", "Foreground: what it owns goes first"),
    ("Orphan", "Orphan: what it owns stays"),
)
SHOWN_NAMES = 8


class DeleteDialog(Dialog[DeleteAnswer]):
    """Names what goes; the cursor starts on Cancel. `hidden` of them are marked, but not among the rows shown."""

    def __init__(self, singular: str, plural: str, names: Sequence[str], *, hidden: int = 0) -> None:
        super().__init__()
        self._hidden = hidden
        self._singular, self._plural, self._names = singular, plural, list(names)

    def compose(self) -> ComposeResult:
        count = len(self._names)
        what = f"this {self._singular}" if count == 1 else f"these {count} {self._plural}"
        shown = [f"  {name}" for name in self._names[:SHOWN_NAMES]]
        if count > SHOWN_NAMES:
            shown.append(f"  … and {count - SHOWN_NAMES} more")
        with Vertical(classes="dialog -danger"):
            yield Label(f"Delete {what}?", classes="dialog-title")
            yield Static(Text("\n".join(shown)), classes="dialog-names")
            if self._hidden:
                are = "is" if self._hidden == 1 else "are"
                yield Static(f"{self._hidden} of them {are} hidden by the filter.", classes="dialog-warning")
            with RadioSet(compact=True, id="propagation"):
                for index, (_, words) in enumerate(_PROPAGATIONS):
                    yield RadioButton(words, value=index == 0, compact=True)
            yield Checkbox("Force: do not wait for a graceful end", compact=True, id="force")
            with Horizontal(classes="dialog-buttons"):
                yield Button("Cancel", id="no", compact=True)
                yield Button("Delete", id="yes", variant="error", compact=True)

    def on_mount(self) -> None:
        self.query_one("#no").focus()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if event.button.id != "yes":
            self.dismiss(None)
            return
        chosen = max(0, self.query_one(RadioSet).pressed_index)
        self.dismiss(DeleteAnswer(_PROPAGATIONS[chosen][0], self.query_one(Checkbox).value))


class ScaleDialog(Dialog[int]):
    """Asks for a number of replicas; shows from where to where."""

    BINDINGS = [Binding("up", "step(1)", show=False), Binding("down", "step(-1)", show=False)]

    def __init__(self, names: Sequence[str], replicas: int) -> None:
        super().__init__()
        self._names, self._replicas = list(names), replicas

    def compose(self) -> ComposeResult:
        title = self._names[0] if len(self._names) == 1 else f"{len(self._names)} objects"
        with Vertical(classes="dialog -small"):
            yield Label(f"Scale {title}", classes="dialog-title")
            with Horizontal(classes="dialog-line"):
                yield Label("Replicas  ", classes="dialog-label")
                yield Label(f"{self._replicas} → ", classes="dialog-label")
                yield Field(str(self._replicas), type="integer", compact=True, id="replicas", max_length=5)
            yield Static("", id="consequence", classes="dialog-note")
            with Horizontal(classes="dialog-buttons"):
                yield Button("Cancel", id="no", compact=True)
                yield Button("Scale", id="yes", variant="primary", compact=True)

    def on_mount(self) -> None:
        self.query_one(Input).focus()
        self._tell()

    def action_step(self, step: int) -> None:
        line = self.query_one(Input)
        line.value = str(max(0, (self._wanted() or 0) + step))
        line.cursor_position = len(line.value)

    def _wanted(self) -> int | None:
        text = self.query_one(Input).value
        return int(text) if text.isdigit() else None

    @on(Input.Changed)
    def _tell(self) -> None:
        wanted = self._wanted()
        if wanted is None:
            words = "type a number"
        elif wanted == self._replicas:
            words = "as it is"
        elif wanted == 0:
            words = "ends every pod: nothing will serve"
        elif wanted > self._replicas:
            words = f"starts {wanted - self._replicas} more"
        else:
            words = f"ends {self._replicas - wanted}"
        self.query_one("#consequence", Static).update(words)

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self._answer()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "yes":
            self._answer()
        else:
            self.dismiss(None)

    def _answer(self) -> None:
        wanted = self._wanted()
        if wanted is not None:
            self.dismiss(None if wanted == self._replicas else wanted)


class ImagesDialog(Dialog[dict[str, str]]):
    """One line per container; the diff is shown after."""

    def __init__(self, name: str, images: dict[str, str]) -> None:
        super().__init__()
        self._name_of, self._images = name, images

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Label(f"Set image of {self._name_of}", classes="dialog-title")
            for container, image in self._images.items():
                yield Label(container, classes="dialog-label")
                yield Field(image, compact=True, name=container, classes="dialog-input", select_on_focus=False)
            yield Static("Enter shows what would change", classes="dialog-note")
            with Horizontal(classes="dialog-buttons"):
                yield Button("Cancel", id="no", compact=True)
                yield Button("Show the change", id="yes", variant="primary", compact=True)

    def on_mount(self) -> None:
        self.query(Input).first().focus()

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self._answer()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "yes":
            self._answer()
        else:
            self.dismiss(None)

    def _answer(self) -> None:
        self.dismiss({str(line.name): line.value.strip() for line in self.query(Input)})


class ChangeDialog(Dialog[bool]):
    """The diff of a change and what follows from it. `refused` means the server would not take it."""

    def __init__(self, change: Change, lines: Sequence[Line], *, refused: str = "") -> None:
        super().__init__()
        self._change, self._lines, self._refused = change, list(lines), refused

    def compose(self) -> ComposeResult:
        change = self._change
        with Vertical(classes="dialog -wide"):
            yield Label(f"{change.title}  ", classes="dialog-title")
            yield Label(change.object_words, classes="dialog-label")
            view = TextView(self._lines)
            view.styles.height = min(max(3, len(self._lines)), 16)
            yield view
            yield Static(
                "The server would refuse this." if self._refused else change.consequence, classes="dialog-note"
            )
            with Horizontal(classes="dialog-buttons"):
                yield Button("Cancel", id="no", compact=True)
                yield Button(change.title, id="yes", variant="primary", compact=True, disabled=bool(self._refused))

    def on_mount(self) -> None:
        self.query_one("#no" if self._refused else "#yes").focus()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")


class PickDialog(Dialog[str]):
    """A list to choose from, narrowed by typing. `choices` are (value, words)."""

    BINDINGS = [
        Binding("up", "move(-1)", show=False, priority=True),
        Binding("down", "move(1)", show=False, priority=True),
    ]

    def __init__(
        self, title: str, choices: Sequence[tuple[str, str]], current: str = "", *, free: bool = False
    ) -> None:
        """`free`: what is typed may be an answer of its own."""
        super().__init__()
        self._title, self._choices, self._current, self._free = title, list(choices), current, free

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -small"):
            yield Label(self._title, classes="dialog-title")
            yield Field(placeholder="type to narrow", compact=True, classes="dialog-input")
            yield OptionList(compact=True)

    def on_mount(self) -> None:
        self._fill("")
        self.query_one(Input).focus()

    def action_move(self, step: int) -> None:
        options = self.query_one(OptionList)
        if options.option_count:
            at = options.highlighted if options.highlighted is not None else -1
            options.highlighted = (at + step) % options.option_count
            self.highlighted(str(options.get_option_at_index(options.highlighted).id))

    def highlighted(self, value: str) -> None:
        """For subclasses that show the choice at once."""

    def _fill(self, text: str) -> None:
        options = self.query_one(OptionList)
        options.clear_options()
        for value, words in self._choices:
            if text.lower() in words.lower():
                mark = "● " if value == self._current else "  "
                options.add_option(Option(f"{mark}{words}", id=value))
        values = [str(options.get_option_at_index(i).id) for i in range(options.option_count)]
        if self._free and not values and text:
            options.add_option(Option(f"  {text}", id=text))
            values = [text]
        options.highlighted = values.index(self._current) if self._current in values else (0 if values else None)

    @on(Input.Changed)
    def _narrow(self, event: Input.Changed) -> None:
        self._fill(event.value.strip())

    @on(Input.Submitted)
    def _chosen_by_key(self) -> None:
        options = self.query_one(OptionList)
        if options.highlighted is not None:
            self.dismiss(str(options.get_option_at_index(options.highlighted).id))

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(str(event.option_id))
