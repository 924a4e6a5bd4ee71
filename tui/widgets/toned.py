"""Colour roles for widgets that draw their own lines."""

from rich.style import Style
from textual.widget import Widget

from tui.tones import Tone

TONE_CLASSES = {f"tone--{tone}" for tone in Tone}

_WEIGHTS = {Tone.HEADING: Style(bold=True)}


class ToneStyles:
    """The current theme's styles for a widget whose COMPONENT_CLASSES include TONE_CLASSES.

    Kept until `forget`: call that when the theme changes.
    """

    def __init__(self, widget: Widget) -> None:
        self._widget = widget
        self._styles: dict[tuple[str, str], Style] = {}

    def forget(self) -> None:
        self._styles.clear()

    def tone(self, tone: Tone, over: str = "") -> Style:
        """The style of a role; `over` names a component class whose background and weight it lies upon."""
        style = self._styles.get((tone, over))
        if style is None:
            style = self._component(f"tone--{tone}") + _WEIGHTS.get(tone, Style.null())
            if over:
                style = self._component(over) + style
            self._styles[tone, over] = style
        return style

    def component(self, name: str) -> Style:
        style = self._styles.get(("", name))
        if style is None:
            style = self._styles["", name] = self._component(name)
        return style

    def _component(self, name: str) -> Style:
        return self._widget.get_component_rich_style(name, partial=True)
