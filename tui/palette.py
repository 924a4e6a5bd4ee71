"""Themes: TOML files made into Textual themes, missing colours derived from the few that a theme must give."""

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import platformdirs
from textual.color import Color, ColorParseError
from textual.theme import Theme

from tui import skins

DEFAULT_DARK = "harbour-night"
DEFAULT_LIGHT = "harbour-day"

_FALLBACK_SOURCES = ("primary", "accent", "ok", "warn", "heading", "bad", "foreground", "muted")


class ThemeFile(msgspec.Struct, forbid_unknown_fields=True):
    """A theme file; README.md of the themes folder explains it. Three colours are needed, the rest can be derived."""

    colors: dict[str, str]
    title: str = ""
    dark: bool = True
    syntax: dict[str, str] = {}
    log: dict[str, list[str]] = {}


@dataclass(slots=True)
class Palette:
    """The themes found, by name, and what was wrong with files that could not be used."""

    themes: dict[str, Theme] = field(default_factory=dict[str, Theme])
    titles: dict[str, str] = field(default_factory=dict[str, str])
    problems: list[str] = field(default_factory=list[str])


def user_theme_folder() -> Path:
    return Path(platformdirs.user_config_dir("pilothouse")) / "themes"


def load_palette(folder: Path | None = None) -> Palette:
    """Our themes, then the user's, k9s skins (YAML) among them; a user's file of the same name wins."""
    palette = Palette()
    chosen = folder or user_theme_folder()
    sources: list[tuple[Callable[[str], Any], Iterable[tuple[str, str]]]] = [
        (tomllib.loads, _shipped()),
        (skins.theme_of, _in_folder(chosen, "*.y*ml")),
        (tomllib.loads, _in_folder(chosen, "*.toml")),
    ]
    for read, source in sources:
        for name, text in source:
            try:
                file = msgspec.convert(read(text), ThemeFile)
                palette.themes[name] = build_theme(name, file)
                palette.titles[name] = file.title or name
            except (ValueError, KeyError) as error:
                palette.problems.append(f"theme {name}: {error}")
    return palette


def build_theme(name: str, file: ThemeFile) -> Theme:
    """Raises KeyError for a missing colour that cannot be derived, ValueError for one that is no colour."""
    given = {key: _color(value) for key, value in file.colors.items()}
    background, foreground, primary = given["background"], given["foreground"], given["primary"]
    derived = {
        "surface": background.blend(foreground, 0.03),
        "panel": background.blend(foreground, 0.08),
        "muted": foreground.blend(background, 0.38),
        "faint": foreground.blend(background, 0.62),
        "accent": primary,
        "heading": primary,
        "ok": Color.parse("#5fb36f" if file.dark else "#1f7a3d"),
        "warn": Color.parse("#e0a83a" if file.dark else "#96640a"),
        "bad": Color.parse("#ee6a6d" if file.dark else "#bf2c34"),
        "cursor": background.blend(primary, 0.22),
        "cursor-idle": background.blend(foreground, 0.08),
        "rule": background.blend(foreground, 0.16),
    }
    colors = derived | given
    syntax = {key: _color(value) for key, value in file.syntax.items()}
    variables = {role: colors[role].hex for role in ("ok", "warn", "bad", "muted", "faint", "heading", "cursor")}
    variables |= {"cursor-idle": colors["cursor-idle"].hex, "rule": colors["rule"].hex}
    variables |= {
        "key": syntax.get("key", colors["primary"]).hex,
        "string": syntax.get("string", colors["ok"]).hex,
        "number": syntax.get("number", colors["accent"]).hex,
        "keyword": syntax.get("keyword", colors["warn"]).hex,
        "match": background.blend(colors["accent"], 0.45).hex,
        "added": background.blend(colors["ok"], 0.16).hex,
        "removed": background.blend(colors["bad"], 0.16).hex,
    }
    variables |= _sources(file, colors)
    variables |= {
        "scrollbar": colors["rule"].hex,
        "scrollbar-hover": colors["faint"].hex,
        "scrollbar-active": primary.hex,
        "scrollbar-background": background.hex,
        "scrollbar-background-hover": background.hex,
        "scrollbar-background-active": background.hex,
        "scrollbar-corner-color": background.hex,
        "border": colors["rule"].hex,
        "border-blurred": colors["rule"].hex,
        "input-cursor-background": foreground.hex,
        "input-selection-background": background.blend(primary, 0.35).hex,
        "block-cursor-background": colors["cursor"].hex,
        "block-cursor-foreground": foreground.hex,
        "block-cursor-text-style": "bold",
    }
    return Theme(
        name=name,
        primary=primary.hex,
        secondary=colors["heading"].hex,
        accent=colors["accent"].hex,
        foreground=foreground.hex,
        background=background.hex,
        surface=colors["surface"].hex,
        panel=colors["panel"].hex,
        success=colors["ok"].hex,
        warning=colors["warn"].hex,
        error=colors["bad"].hex,
        dark=file.dark,
        variables=variables,
    )


def _sources(file: ThemeFile, colors: Mapping[str, Color]) -> dict[str, str]:
    named = [_color(value).hex for value in file.log.get("sources", [])]
    named += [colors[role].hex for role in _FALLBACK_SOURCES]
    return {f"source-{number}": named[number - 1] for number in range(1, 9)}


def _color(text: str) -> Color:
    try:
        return Color.parse(text)
    except ColorParseError as error:
        raise ValueError(str(error)) from error


def _shipped() -> Iterator[tuple[str, str]]:
    for entry in sorted(files("themes").iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".toml"):
            yield entry.name.removesuffix(".toml"), entry.read_text(encoding="utf-8")


def _in_folder(folder: Path, pattern: str) -> Iterator[tuple[str, str]]:
    if folder.is_dir():
        for path in sorted(folder.glob(pattern)):
            yield path.stem, path.read_text(encoding="utf-8")
