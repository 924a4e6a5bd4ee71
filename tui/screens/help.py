"""What the keys do on the screen that is open."""

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Label

from tui.document import Document, Line
from tui.screens.base import ClusterScreen
from tui.screens.keys import GENERAL_KEYS, TABLE_HELP
from tui.tones import Tone
from tui.widgets.table import VirtualTable
from tui.widgets.textview import TextView

LABEL_WIDTH = 18


class HelpScreen(ModalScreen[None]):
    BINDINGS = [Binding("escape,q,question_mark", "dismiss", "Close", show=False)]

    def __init__(self, about: ClusterScreen) -> None:
        super().__init__()
        self._about = about

    def compose(self) -> ComposeResult:
        lines = help_lines(self._about)
        with Vertical(classes="dialog -wide"):
            yield Label("Keys", classes="dialog-title")
            view = TextView(lines)
            view.styles.height = len(lines)
            view.styles.max_height = max(4, self.app.size.height - 8)
            yield view


def help_lines(screen: ClusterScreen) -> list[Line]:
    doc = Document()
    general = {key.keys for key in GENERAL_KEYS.values()}
    here = [
        binding
        for binding in screen.BINDINGS
        if isinstance(binding, Binding)
        and binding.key not in general
        and binding.description
        and _available(screen, binding)
    ]
    doc.heading("Here")
    for binding in here:
        _key(doc, binding.key_display or binding.key.replace("ctrl+", "^"), binding.description)
    if isinstance(screen.main_widget(), VirtualTable):
        doc.heading("Table")
        for keys, words in TABLE_HELP:
            _key(doc, keys, words)
    settings = screen.conductor.settings.current
    if settings.hotkeys or settings.plugins:
        doc.heading("Yours")
        for hotkey in settings.hotkeys.values():
            _key(doc, hotkey.short_cut, hotkey.description or f":{hotkey.command}")
        for name, plugin in settings.plugins.items():
            _key(doc, plugin.short_cut or "^p", plugin.description or name)
    doc.heading("Everywhere")
    for key in GENERAL_KEYS.values():
        _key(doc, key.label, key.help.replace("`", ""))
    return doc.lines


def _available(screen: ClusterScreen, binding: Binding) -> bool:
    # The digits are told of once, together.
    return bool(binding.description) and screen.offers(binding.action)


def _key(doc: Document, keys: str, words: str) -> None:
    doc.spans(((keys.ljust(LABEL_WIDTH), Tone.KEY), (words, Tone.TEXT)))
