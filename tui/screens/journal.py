"""The changes of this session, newest first, and taking one back: its difference is shown before."""

from datetime import UTC, datetime

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Label, OptionList, Static
from textual.widgets.option_list import Option

from apimachinery.objects.errors import NotFound
from tui.changes import Change, Deletion, Entry
from tui.screens import acting, changing
from tui.screens.base import ClusterScreen
from tui.screens.ending import EndingScreen
from tui.undoing import Impossible, Recreation, Undo, undo_of
from tui.widgets.dialogs import ChangeDialog
from tui.yamltext import to_yaml, yaml_lines


class JournalScreen(ModalScreen[None], EndingScreen[None]):
    BINDINGS = [
        Binding("escape,q", "dismiss", "Close", show=False),
        Binding("U", "undo", "Undo the chosen change", show=False),
        Binding("j", "move(1)", show=False),
        Binding("k", "move(-1)", show=False),
    ]

    def __init__(self, over: ClusterScreen) -> None:
        super().__init__()
        self._over = over
        self._entries = list(reversed(over.session.journal.entries))

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -wide"):
            yield Label("What this session changed", classes="dialog-title")
            if self._entries:
                yield OptionList(*(Option(_line(entry)) for entry in self._entries), compact=True)
                yield Static("Enter or U undoes the chosen change, after showing it; Esc closes", classes="dialog-note")
            else:
                yield Static("Nothing yet.", classes="dialog-note")

    def action_move(self, step: int) -> None:
        for options in self.query(OptionList):
            if step > 0:
                options.action_cursor_down()
            else:
                options.action_cursor_up()

    def on_option_list_option_selected(self) -> None:
        self.action_undo()

    def action_undo(self) -> None:
        at = next((options.highlighted for options in self.query(OptionList)), None)
        if at is None:
            return
        entry = self._entries[at]
        self.dismiss()
        self._over.run_worker(acting.reported(self._over, take_back(self._over, entry)), group="act", exclusive=True)


def _line(entry: Entry) -> Text:
    at = datetime.fromtimestamp(entry.at, UTC).strftime("%H:%M:%S")
    return Text(f"{at}  {entry.title:<22} {entry.what}" + ("  (undone)" if entry.undone else ""))


async def take_back(screen: ClusterScreen, entry: Entry) -> None:
    """Show what undoing would do, ask, do it. Says plainly when it cannot."""
    if screen.session.readonly:
        screen.notify(acting.READ_ONLY, severity="warning")
        return
    if entry.undone:
        screen.notify("That is undone already.")
        return
    undo = undo_of(entry, await _current(screen, entry))
    if await _done(screen, undo):
        entry.undone = True


async def _current(screen: ClusterScreen, entry: Entry) -> changing.JSON | None:
    match entry.change:
        case Change(resource=resource, name=name, namespace=namespace, subresource=subresource):
            path = resource.path(namespace, name, subresource)
        case Deletion(resource=resource) if entry.before is not None:
            meta = entry.before["metadata"]
            path = resource.path(meta.get("namespace"), meta["name"])
        case _:
            return None
    try:
        return await changing.read(screen, path)
    except NotFound:
        return None


async def _done(screen: ClusterScreen, undo: Undo) -> bool:
    match undo:
        case Impossible(why=why):
            screen.notify(why, severity="warning", title="Cannot be undone")
            return False
        case Change():
            return await changing.propose(screen, undo)
        case Recreation():
            return await _made_again(screen, undo)


async def _made_again(screen: ClusterScreen, undo: Recreation) -> bool:
    shown = Change(
        title="Create again",
        resource=undo.resource,
        name=undo.name,
        namespace=undo.namespace,
        patch={},
        consequence=undo.consequence,
    )
    if not await screen.app.push_screen_wait(ChangeDialog(shown, yaml_lines(to_yaml(undo.manifest)))):
        return False
    made = await screen.session.client.create(undo.resource, undo.manifest, undo.namespace)
    screen.session.journal.record(
        Entry(at=screen.session.now(), title="Create again", what=shown.object_words, after=made)
    )
    screen.notify(f"Created again: {shown.object_words}")
    return True
