"""Progress as JSON, one object a line, for programs that drive the command: steps, questions, the last word.

A question about a host key waits for a line on stdin: `yes` accepts it, anything else does not.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TextIO

import msgspec

from engine.fleet.errors import HostKey
from engine.fleet.progress import StepEvent


class JsonProgress:
    """Says what `MachineProgress` shows."""

    def __init__(self, output: TextIO | None = None) -> None:
        self._output = output or sys.stdout

    @contextmanager
    def shown(self) -> Generator[None]:
        yield

    @asynccontextmanager
    async def paused(self) -> AsyncGenerator[None]:
        yield

    def tell(self, event: StepEvent) -> None:
        self._say({"type": "step", **msgspec.to_builtins(event)})

    def end(self, machine: str, message: str, *, well: bool) -> None:
        self._say({"type": "end", "machine": machine, "message": message, "well": well})

    def ask_about(self, key: HostKey) -> None:
        self._say(
            {"type": "hostKey", "address": key.address, "algorithm": key.algorithm, "fingerprint": key.fingerprint}
        )

    def _say(self, line: dict[str, Any]) -> None:
        print(msgspec.json.encode(line).decode(), file=self._output, flush=True)


class JsonConfirm:
    """Asks whoever drives the command about host keys, one at a time."""

    def __init__(self, progress: JsonProgress, *, yes: bool) -> None:
        self._progress = progress
        self._yes = yes
        self._lock = asyncio.Lock()

    async def __call__(self, key: HostKey) -> bool:
        if self._yes:
            return True
        async with self._lock:
            self._progress.ask_about(key)
            return (await asyncio.to_thread(sys.stdin.readline)).strip() == "yes"
