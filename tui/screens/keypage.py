"""All keys as a page of Markdown, made from the bindings themselves. Pure."""

from collections.abc import Iterable

from textual.binding import Binding
from textual.screen import Screen

from tui.kinds.catalog import lenses
from tui.screens.containers import ContainersScreen
from tui.screens.describe import DescribeScreen
from tui.screens.document import DocumentScreen
from tui.screens.edit import EditScreen
from tui.screens.journal import JournalScreen
from tui.screens.keys import ACTION_KEYS, GENERAL_KEYS, TABLE_HELP, TABLE_KEYS
from tui.screens.logs import LogsScreen
from tui.screens.past import PastScreen
from tui.screens.rollout import RolloutScreen
from tui.screens.whatif import WhatIfScreen
from tui.screens.yaml import YamlScreen
from tui.widgets.table import VirtualTable

SCREENS: tuple[tuple[str, type[Screen[None]]], ...] = (
    ("Containers of a pod", ContainersScreen),
    ("Describe, YAML, why, x-ray", DocumentScreen),
    ("Describe", DescribeScreen),
    ("YAML", YamlScreen),
    ("Logs", LogsScreen),
    ("Rollout", RolloutScreen),
    ("Back in time", PastScreen),
    ("What if", WhatIfScreen),
    ("Edit", EditScreen),
    ("Journal", JournalScreen),
)

OTHERS = (
    "Other keys go into `~/.config/pilothouse/keys.yaml`, by name: `preset: k9s` (or `vim`, `ours`) and, over it,",
    "`keys: {describe: Ctrl-J, shell: [x, F4]}`. It is read as soon as it is saved; two meanings of one key are told.",
)


def page() -> str:
    lines = ["# Keys", "", "Made by `scripts/keys` from the bindings themselves.", "", *OTHERS]
    lines += _section(
        "Everywhere", ((key.label, key.help.replace("|", "\\|"), name) for name, key in GENERAL_KEYS.items())
    )
    named = {one.action: one.id or "" for one in VirtualTable.BINDINGS if isinstance(one, Binding)}
    own = ((key.label, key.help, name) for name, key in TABLE_KEYS.items())
    lines += _section("Tables", [*((keys, words, "") for keys, words in TABLE_HELP), *own])
    lines += ["", f"Their names: {', '.join(f'`{name}`' for name in named.values())}."]
    lines += ["", "## On a row", "", "| key | what it does | name | on |", "|---|---|---|---|"]
    for action, key in ACTION_KEYS.items():
        kinds = [lens.resource.plural for lens in lenses() if action in lens.actions]
        every = len(kinds) == len(lenses())
        lines.append(
            f"| `{key.label}` | {key.help} | `{action.value}` | {'anything' if every else ', '.join(sorted(kinds))} |"
        )
    for title, screen in SCREENS:
        general = {key.keys for key in GENERAL_KEYS.values()}
        bindings = [one for one in screen.BINDINGS if isinstance(one, Binding) and one.description]
        own = [one for one in bindings if one.key not in general]
        lines += _section(title, ((_shown(one), one.description, one.id or "") for one in own))
    return "\n".join(lines) + "\n"


def _shown(binding: Binding) -> str:
    return binding.key_display or binding.key.replace("ctrl+", "^").replace("escape", "Esc").replace("enter", "⏎")


def _section(title: str, rows: Iterable[tuple[str, str, str]]) -> list[str]:
    table = [f"| `{keys}` | {words} | {f'`{name}`' if name else ''} |" for keys, words, name in rows]
    return ["", f"## {title}", "", "| key | what it does | name |", "|---|---|---|", *table]
