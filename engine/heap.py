"""How the interpreter looks for cycles in the engine's memory.

Left to itself it walks all objects again each time that a quarter more have come: with thousands of cached pods a
fifth of the engine's time, and pauses that clients feel. What is cached lives long and has no cycles. So what survived
one full look is left out of the next ones, and only looked at again once as much has come as there was, or after
a while.
"""

import gc
import time
from typing import Any

YOUNG = 10_000
"""New objects after which the youngest are looked at; the interpreter's own 700 is soon used up by one list."""
AT_LEAST = 500_000
"""Objects left out before all are looked at again, however few there were before."""
AT_MOST_SECONDS = 1800.0
"""After which all are looked at again, if anything has been looked at since."""


class Sparing:
    """`start` once everything is loaded. Process-wide, as the collector is."""

    def __init__(self) -> None:
        self._kept = 0
        self._looked = time.monotonic()
        self._whole = False

    def start(self) -> None:
        gc.freeze()
        self._kept = gc.get_freeze_count()
        gc.set_threshold(YOUNG, 10, 10)
        gc.callbacks.append(self._on_collection)

    def stop(self) -> None:
        """As the interpreter came."""
        gc.callbacks.remove(self._on_collection)
        gc.set_threshold(700, 10, 10)
        gc.unfreeze()

    def _on_collection(self, phase: str, facts: dict[str, Any]) -> None:
        if facts["generation"] != 2:
            return
        if phase == "start":
            grown = gc.get_freeze_count() - self._kept
            self._whole = grown > max(self._kept, AT_LEAST) or time.monotonic() - self._looked > AT_MOST_SECONDS
            if self._whole:
                gc.unfreeze()
            return
        gc.freeze()
        if self._whole:
            self._kept, self._looked, self._whole = gc.get_freeze_count(), time.monotonic(), False
