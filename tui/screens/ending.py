"""How a screen ends: its workers first, then its parts, so that no late news is written onto parts that are gone."""

from typing import TypeVar

from textual import on
from textual.messages import Prune
from textual.screen import Screen

T = TypeVar("T")


class EndingScreen(Screen[T]):
    """Textual ends a screen's workers after its children; what a feed tells in between would find none of them."""

    ending = False

    @property
    def shown(self) -> bool:
        """Whether its parts are there to be written on."""
        return self.is_mounted and not self.ending

    @on(Prune)
    def _end(self) -> None:
        self.ending = True
        self.workers.cancel_node(self)
