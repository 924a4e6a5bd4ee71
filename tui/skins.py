"""k9s skins read as themes: the colours that they name, in the roles that ours have."""

from typing import Any

from textual.color import Color, ColorParseError

_ROLES: dict[str, tuple[str, ...]] = {
    "background": ("body.bgColor", "views.table.bgColor"),
    "foreground": ("body.fgColor", "views.table.fgColor"),
    "primary": ("frame.menu.keyColor", "frame.border.focusColor", "body.logoColor"),
    "accent": ("frame.title.highlightColor", "frame.status.highlightColor"),
    "heading": ("info.sectionColor", "frame.title.fgColor"),
    "ok": ("frame.status.addColor", "frame.status.newColor"),
    "warn": ("frame.status.modifyColor", "frame.status.highlightColor"),
    "bad": ("frame.status.errorColor", "frame.status.killColor"),
}
"""The first that a skin gives, and that is a colour, is taken."""
_SYNTAX: dict[str, tuple[str, ...]] = {"key": ("views.yaml.keyColor",), "string": ("views.yaml.valueColor",)}
_DEFAULTS = {"background": "#000000", "foreground": "#d0d0d0"}
"""For `default`, which is whatever colour the terminal has: that is not known here."""
BRIGHT = 0.5


def theme_of(text: str) -> dict[str, Any]:
    """A skin as the content of a theme file. Raises ValueError when it is none."""
    import yaml  # only who has skins waits for it

    try:
        skin = (yaml.safe_load(text) or {}).get("k9s")
    except (yaml.YAMLError, AttributeError) as error:
        raise ValueError(f"not a skin: {' '.join(str(error).split())}") from error
    if not isinstance(skin, dict):
        raise ValueError("not a skin: it has no k9s section")
    colors = _chosen(skin, _ROLES)
    for role, fallback in _DEFAULTS.items():
        colors.setdefault(role, fallback)
    colors.setdefault("primary", colors["foreground"])
    return {
        "colors": colors,
        "syntax": _chosen(skin, _SYNTAX),
        "dark": Color.parse(colors["background"]).brightness < BRIGHT,
    }


def _chosen(skin: dict[str, Any], roles: dict[str, tuple[str, ...]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for role, paths in roles.items():
        for path in paths:
            color = _color(_at(skin, path))
            if color:
                found[role] = color
                break
    return found


def _at(skin: dict[str, Any], path: str) -> object:
    value: Any = skin
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _color(value: object) -> str:
    if not isinstance(value, str) or value in ("default", "-"):
        return ""
    try:
        return Color.parse(value).hex
    except ColorParseError:
        return ""
