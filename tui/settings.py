"""What the user writes: aliases, hotkeys, plugins, views, jumps, in k9s' files and formats, so that they can be copied.

In the configuration folder `aliases.yaml`, `hotkeys.yaml`, `plugins.yaml`, `views.yaml`, `jumps.yaml` and, ours alone,
`keys.yaml`; the same names in `contexts/NAME/` add to them for one context. Read anew when they change. What is wrong
with them is told by file and field, and nothing else in them suffers from it. The app never writes them.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from apimachinery.objects.resources import Resource
from tui.keymap import PRESETS, sign_name
from tui.views import View, layout_of

T = TypeVar("T")
FILES = ("aliases.yaml", "hotkeys.yaml", "plugins.yaml", "views.yaml", "jumps.yaml", "keys.yaml")
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


class PluginInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing to ask before a plugin runs; `$NAME` in its arguments, in capitals, is what was answered."""

    name: str
    label: str = ""
    type: Literal["string", "number", "bool", "dropdown"] = "string"
    required: bool = False
    default: str | int | float | bool = ""
    options: tuple[str, ...] = ()


class Jump(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Where Enter leads on a row of a kind. `{{.metadata.name}}` and the like stand for what the object has there."""

    target_gvr: str = msgspec.field(name="targetGVR")
    label_selector: str = ""
    field_selector: str = ""
    target_namespace: str = ""

    def __post_init__(self) -> None:
        if not self.label_selector and not self.field_selector:
            raise ValueError("needs a labelSelector or a fieldSelector")


class Plugin(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A program run for the chosen row; `$NAME`, `$NAMESPACE`, `$COL-STATUS` and so on stand in its `args`.

    What it writes goes through `pipes`, each a command line of its own.
    """

    command: str
    short_cut: str = ""
    scopes: tuple[str, ...] = ("all",)
    args: tuple[str, ...] = ()
    pipes: tuple[str, ...] = ()
    inputs: tuple[PluginInput, ...] = ()
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
    views: dict[str, View] = field(default_factory=dict[str, View])
    jumps: dict[str, Jump] = field(default_factory=dict[str, Jump])
    preset: str = "ours"
    rebound: dict[str, str] = field(default_factory=dict[str, str])
    problems: list[str] = field(default_factory=list[str])

    def view(self, resource: Resource, namespace: str | None) -> View | None:
        """The kind's entry: the one for this namespace before those for a pattern of names, before the plain one."""
        plain: View | None = None
        fitting: View | None = None
        for name, view in self.views.items():
            kind, at, where = name.partition("@")
            if not names_kind(kind, resource):
                continue
            if not at:
                plain = view
            elif where == (namespace or "all"):
                return view
            elif namespace and re.fullmatch(where, namespace):
                fitting = view
        return fitting or plain

    def jump(self, resource: Resource) -> Jump | None:
        return next((jump for kind, jump in self.jumps.items() if names_kind(kind, resource)), None)

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
    *modifiers, key = text.split("-") if len(text) > 1 and not text.endswith("-") else [text[-1:]]
    held = {modifier.lower() for modifier in modifiers}
    if "shift" in held:
        if key in _SHIFTED:
            return _SHIFTED[key]
        if len(key) == 1:
            return key.upper()
    name = key.lower() if len(key) > 1 or "ctrl" in held else sign_name(key)
    return "".join(f"{modifier}+" for modifier in ("alt", "ctrl", "shift") if modifier in held) + name


def names_kind(name: str, resource: Resource) -> bool:
    """Whether `v1/pods`, `apps/v1/deployments`, `deployments` or `deployments.apps` is this kind."""
    group_version, _, plural = name.lower().rpartition("/")
    if group_version:
        return group_version == resource.api_version and plural == resource.plural
    return plural in (
        resource.plural,
        resource.singular,
        resource.kind.lower(),
        resource.qualified,
        *resource.short_names,
    )


def filled(text: str, facts: Mapping[str, str]) -> str:
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
        case "views.yaml":
            into.views |= _views(file, content.get("views", content), into)
        case "jumps.yaml":
            into.jumps |= _entries(file, content.get("jumps", content), Jump, into)
        case "keys.yaml":
            _keys(file, content, into)
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


def _views(file: Path, section: object, into: Settings) -> dict[str, View]:
    sound: dict[str, View] = {}
    for name, view in _entries(file, section, View, into).items():
        try:
            layout_of(view)
            re.compile(name.partition("@")[2])
        except (ValueError, re.error) as error:
            into.problems.append(f"{file.name}: {name}: {error}")
        else:
            sound[name] = view
    return sound


def _keys(file: Path, content: dict[object, object], into: Settings) -> None:
    for name in content:
        if name not in ("preset", "keys"):
            into.problems.append(f"{file.name}: unknown field `{name}`; there are `preset` and `keys`")
    preset = content.get("preset", into.preset)
    if preset in PRESETS:
        into.preset = str(preset)
    else:
        into.problems.append(f'{file.name}: preset: there is no "{preset}", only {", ".join(PRESETS)}')
    for name, keys in _entries(file, content.get("keys", {}), str | list[str], into).items():  # type: ignore[arg-type]
        into.rebound[name] = ",".join(key_name(key) for key in ([keys] if isinstance(keys, str) else keys))
