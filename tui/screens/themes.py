"""Choosing the colours: each theme is shown as the cursor passes over it, Escape puts the old one back."""

from tui.palette import Palette
from tui.widgets.dialogs import PickDialog


class ThemeDialog(PickDialog):
    def __init__(self, palette: Palette, current: str) -> None:
        super().__init__("Theme", sorted(palette.titles.items(), key=lambda item: item[1]), current)
        self._before = current

    def highlighted(self, value: str) -> None:
        self.app.theme = value

    def action_cancel(self) -> None:
        self.app.theme = self._before
        super().action_cancel()

    def dismiss(self, result: str | None = None):  # noqa: ANN201 - as the base declares it
        if result is not None:
            self.app.theme = result
        return super().dismiss(result)
