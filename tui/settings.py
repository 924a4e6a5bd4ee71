"""What the user writes: aliases, hotkeys and plugins, in k9s' files and formats, so that they can be copied.

In the configuration folder `aliases.yaml`, `hotkeys.yaml` and `plugins.yaml`; the same names in `contexts/NAME/` add to
them for one context. Read anew when they change. What is wrong with them is told by file and field, and nothing else
in them suffers from it. The app never writes them.
"""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec

T = TypeVar("T")
FILES = ("aliases.yaml", "hotkeys.yaml", "plugins.yaml")
_SHIFTED = dict(
    zip(
        "1234567890",
        (
            "exclamation_mark", "at", "number_sign", "dollar_sign", "percent_sign", "circumflex_accent", "ampersand",
            "asterisk", "left_parenthesis", "right_parenthesis",
        ),
        strict=True,
    )
)  # fmt: skip
"""What a terminal sends for Shift and a digit, on the layout that k9s assumes."""


class Hotkey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A key that runs a command, as typed after `:`."""

    short_cut: str
    command: str
    description: str = ""
    override: bool = False
    keep_history: bool = False


class Plugin(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A program run for the chosen row; `$NAME`, `$NAMESPACE`, `$COL-STATUS` and so on stand in its `args`."""

    command: str
    short_cut: str = ""
    scopes: tuple[str, ...] = ("all",)
    args: tuple[str, ...] = ()
    description: str = ""
    confirm: bool = False
    dangerous: bool = False
    background: bool = False
    override: bool = False
    overwrite_output: bool = False


@dataclass(slots=True)
class Settings:
    """`problems` are for the user: each names the file and the field."""

    aliases: dict[str, str] = field(default_factory=dict[str, str])
    hotkeys: dict[str, Hotkey] = field(default_factory=dict[str, Hotkey])
    plugins: dict[str, Plugin] = field(default_factory=dict[str, Plugin])
    problems: list[str] = field(default_factory=list[str])

    def expand(self, text: str) -> str:
        """A command line with the user's alias, if it begins with one, written out; `v1/pods` becomes `pods`."""
        word, space, rest = text.strip().partition(" ")
        meant = self.aliases.get(word.lower(), word)
        head, gap, tail = meant.partition(" ")
        return f"{_kind(head)}{gap}{tail}{space}{rest}"

    def keys(self) -> dict[str, tuple[str, str]]:
        """Textual's name of a key → ("hotkey" or "plugin", name)."""
        found: dict[str, tuple[str, str]] = {}
        for name, plugin in self.plugins.items():
            if plugin.short_cut:
                found[key_name(plugin.short_cut)] = ("plugin", name)
        for name, hotkey in self.hotkeys.items():
            found[key_name(hotkey.short_cut)] = ("hotkey", name)
        return found


class SettingsFolder:
    """`folder` None has none. `load` reads again only what changed."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._seen: tuple[object, ...] = ()
        self.current = Settings()

    def load(self, context: str) -> bool:
        """True when there is something new in `current`."""
        files = self._files(context)
        seen = (context, *(_stamp(file) for file in files))
        if seen == self._seen:
            return False
        self._seen = seen
        settings = Settings()
        for file in files:
            _read(file, settings)
        self.current = settings
        return True

    def _files(self, context: str) -> list[Path]:
        if self._folder is None:
            return []
        # A context's name may hold slashes: a folder's cannot.
        own = self._folder / "contexts" / context.replace("/", "-").replace("..", "-")
        return [folder / name for folder in (self._folder, own) for name in FILES]


def config_folder() -> Path:
    home = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(home) / "pilothouse"


def key_name(text: str) -> str:
    """`Ctrl-L`, `Shift-0`, `Shift-S`, `F3`, `x` as Textual names them."""
    *modifiers, key = text.split("-") if len(text) > 1 else [text]
    held = {modifier.lower() for modifier in modifiers}
    if "shift" in held:
        if key in _SHIFTED:
            return _SHIFTED[key]
        if len(key) == 1:
            return key.upper()
    name = key.lower() if len(key) > 1 or "ctrl" in held else key
    return "".join(f"{modifier}+" for modifier in ("alt", "ctrl", "shift") if modifier in held) + name


def filled(text: str, facts: dict[str, str]) -> str:
    """With `$NAME` and the like replaced, the longest name first; what is not known stays as it is."""
    names = "|".join(re.escape(name) for name in sorted(facts, key=len, reverse=True))
    return re.sub(rf"\$(?:\{{({names})\}}|({names}))", lambda match: facts[match[1] or match[2]], text)


def _kind(word: str) -> str:
    """The plain name in `v1/pods` or `apps/v1/deployments`; with its group where it has one."""
    parts = word.split("/")
    if len(parts) == 3:
        return f"{parts[2]}.{parts[0]}"
    return parts[1] if len(parts) == 2 and parts[0][:1] == "v" else word


def _stamp(file: Path) -> object:
    try:
        status = file.stat()
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size)


def _read(file: Path, into: Settings) -> None:
    import yaml  # only who has such files waits for it

    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        into.problems.append(f"{file.name}: {' '.join(str(error).split())}")
        return
    if not isinstance(content, dict):
        into.problems.append(f"{file.name}: not a mapping")
        return
    match file.name:
        case "aliases.yaml":
            section = content.get("aliases", content.get("alias", {}))
            into.aliases |= {name.lower(): text for name, text in _entries(file, section, str, into).items()}
        case "hotkeys.yaml":
            into.hotkeys |= _entries(file, content.get("hotKeys", {}), Hotkey, into)
        case _:
            into.plugins |= _entries(file, content.get("plugins", content), Plugin, into)


def _entries(file: Path, section: object, kind: type[T], into: Settings) -> dict[str, T]:
    """Each on its own: one that is wrong is told of, the others hold."""
    if not isinstance(section, dict):
        into.problems.append(f"{file.name}: not a mapping of names")
        return {}
    found: dict[str, T] = {}
    for name, given in section.items():
        try:
            found[str(name)] = msgspec.convert(given, kind)
        except msgspec.ValidationError as error:
            into.problems.append(f"{file.name}: {name}: {error}")
    return found
