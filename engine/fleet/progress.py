"""What is told about work on a machine while it goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import StatusError
from engine.fleet.errors import FleetError, StepFailed

Happening = Literal["started", "skipped", "done", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEvent:
    """Progress of one machine: `title` is for a person; `seconds` is how long the step took, 0 when it starts."""

    machine: str
    step: str
    title: str
    happening: Happening
    seconds: float = 0.0
    message: str = ""


Progress = Callable[[StepEvent], None]


@dataclass(slots=True)
class Outcome:
    """Filled in by the body of a step."""

    skipped: bool = False


class Telling:
    """Reports the beginning and the end of each step of one machine."""

    def __init__(self, machine: str, progress: Progress) -> None:
        self._machine = machine
        self._progress = progress

    @contextmanager
    def step(self, name: str, title: str) -> Generator[Outcome]:
        """Within this context a step happens. The API's and the system's errors come out as StepFailed."""
        outcome = Outcome()
        started = time.monotonic()
        self._tell(name, title, "started", 0.0)
        try:
            yield outcome
        except (FleetError, StatusError, ConnectionFailed, OSError, ValueError) as error:
            self._tell(name, title, "failed", time.monotonic() - started, str(error))
            if isinstance(error, FleetError):
                raise
            raise StepFailed(f"{title}: {error}") from error
        self._tell(name, title, "skipped" if outcome.skipped else "done", time.monotonic() - started)

    def _tell(self, name: str, title: str, happening: Happening, seconds: float, message: str = "") -> None:
        self._progress(
            StepEvent(
                machine=self._machine, step=name, title=title, happening=happening, seconds=seconds, message=message
            )
        )
