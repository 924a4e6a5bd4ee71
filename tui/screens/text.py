"""A document that is there already: shown, searched, copied."""

from collections.abc import Sequence

from tui.document import Line
from tui.feeds.state import FeedState, Phase
from tui.screens.document import DocumentScreen
from tui.target import Target


class TextScreen(DocumentScreen):
    """`target` says only where it belongs; its title is the crumb."""

    def __init__(self, target: Target, lines: Sequence[Line]) -> None:
        super().__init__(target)
        self._lines = list(lines)
        self.feed_state = FeedState(phase=Phase.LIVE)

    def own_crumbs(self, *, first: bool) -> list[str]:
        del first
        return [self.target.title]

    def on_mount(self) -> None:
        super().on_mount()
        self.show(self._lines)
