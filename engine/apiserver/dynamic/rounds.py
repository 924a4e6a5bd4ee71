"""Who is asked a second time: those that asked for it and were asked before somebody else changed the object. Pure.

Source: k8s.io/apiserver/pkg/admission/plugin/{policy,webhook}/mutating/reinvocationcontext.go.
"""

from __future__ import annotations

from collections.abc import Hashable

from engine.apiserver.custom.structural import copied
from engine.apiserver.registry.kind import Json


class Rounds:
    """One plugin's two rounds over one object."""

    def __init__(self) -> None:
        self.number = 0
        self._asked: set[Hashable] = set()
        """Those that want to be asked again after a later change."""
        self._due: set[Hashable] = set()
        self._left: Json | None = None

    def passes(self, key: Hashable) -> bool:
        """Whether one is not asked in this round."""
        return self.number > 0 and key not in self._due

    def asked(self, key: Hashable, *, again: bool) -> None:
        """One was asked; `again`: it wants to see what others change after it."""
        if again:
            self._asked.add(key)

    def changed(self) -> None:
        """The one that is being asked changed the object."""
        self._due |= self._asked
        self._asked.clear()

    def left(self, obj: Json | None) -> None:
        """The round is over, and this is what came of it."""
        self._left = copied(obj)

    def again(self, obj: Json) -> None:
        """Begin the second round."""
        self.number = 1
        if obj != self._left:
            self.changed()
