"""All that keys can be given to, and whether the user's choice of keys holds together."""

from collections.abc import Collection, Iterable

from textual.binding import Binding

from tui.keymap import Keymap
from tui.kinds.catalog import lenses
from tui.screens.base import ClusterScreen
from tui.screens.browse import BrowseScreen
from tui.screens.keypage import SCREENS
from tui.screens.keys import ACTION_KEYS, GENERAL_KEYS, NAMES
from tui.settings import Settings
from tui.widgets.logview import LogView
from tui.widgets.table import VirtualTable
from tui.widgets.textview import TextView


def shipped() -> dict[str, str]:
    """The keys of every name, as they are without any choice of the user's."""
    found = {name: key.keys for key, name in NAMES.items() if name != "pinned"}
    for kind in (VirtualTable, TextView, LogView, ClusterScreen, *(screen for _, screen in SCREENS)):
        for one in kind.BINDINGS:
            if isinstance(one, Binding) and one.id and one.id not in found:
                found[one.id] = one.key
    return found


def keymap_of(settings: Settings) -> tuple[Keymap, list[str]]:
    """The keys as the user wants them, and what is wrong with that."""
    keymap = Keymap(shipped(), settings.preset, settings.rebound)
    problems = [f"keys.yaml: nothing is called {name}; docs/KEYS.md has the names" for name in keymap.unknown()]
    return keymap, [*problems, *map(str, keymap.clashes(places()))]


def places() -> Iterable[tuple[str, Collection[str]]]:
    """Names that mean something at the same time, place by place."""
    general = {name for name in GENERAL_KEYS if name != "pinned"}
    table = _ids(VirtualTable.BINDINGS)
    for lens in lenses():
        yield (
            lens.resource.plural,
            [*general, *table, *(action.value for action in ACTION_KEYS if action in lens.actions)],
        )
    for title, screen in SCREENS:
        if issubclass(screen, ClusterScreen) and screen is not BrowseScreen:
            own = _ids(screen.BINDINGS)
            taken = {one.key for one in screen.BINDINGS if isinstance(one, Binding)}
            # A screen may take a general key for itself: that is no clash.
            yield title, [*own, *(name for name in general if not taken & set(GENERAL_KEYS[name].keys.split(",")))]


def _ids(bindings: Iterable[object]) -> list[str]:
    return [one.id for one in bindings if isinstance(one, Binding) and one.id]
