"""The command that works on machines, as a process of its own: what it tells, and what it asks.

Knows nothing of fleets: it runs `pilothouse node ... --output json` and reads a line of JSON at a time.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import msgspec

STEPS = ("started", "skipped", "done", "failed")
CHECK_PATIENCE = 60.0
PATIENCE = 10.0
"""Seconds that the command has to end when it is told to."""


class Told(msgspec.Struct, frozen=True):
    """One line: a `step`, a `hostKey` to confirm, or the `end`."""

    type: str
    machine: str = ""
    step: str = ""
    title: str = ""
    happening: str = ""
    seconds: float = 0.0
    message: str = ""
    well: bool = False
    address: str = ""
    algorithm: str = ""
    fingerprint: str = ""


@dataclass(slots=True)
class StepState:
    title: str
    happening: str = "started"
    seconds: float = 0.0
    message: str = ""


@dataclass(slots=True)
class WorkState:
    """What is known of the work so far. `ended` once the command is over; `error` says why it failed."""

    steps: dict[str, StepState] = field(default_factory=dict[str, StepState])
    message: str = ""
    error: str = ""
    ended: bool = False

    def take(self, told: Told) -> None:
        if told.type == "step":
            state = self.steps.setdefault(told.step or told.title, StepState(told.title))
            state.title, state.happening = told.title, told.happening
            state.seconds, state.message = told.seconds, told.message
        elif told.type == "end":
            if told.well:
                self.message = told.message
            else:
                self.error = told.message


class MachineWork:
    """`confirm` is asked about a host key; `on_change` hears of every line."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        password: str | None = None,
        confirm: Callable[[Told], Awaitable[bool]],
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self.state = WorkState()
        self._argv = tuple(argv)
        self._password = password
        self._confirm = confirm
        self._on_change = on_change

    async def run(self) -> bool:
        """To the end of the command; True when it went well. Cancelled, the command is ended."""
        state = self.state
        try:
            process = await asyncio.create_subprocess_exec(
                *self._argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
        except OSError as error:
            state.error, state.ended = f"{self._argv[0]}: {error.strerror}", True
            self._on_change()
            return False
        try:
            stdin, stdout, stderr = _pipes(process)
            errors = asyncio.ensure_future(_last_line(stderr))
            if self._password is not None:
                await _write(stdin, self._password)
            await self._listen(stdin, stdout)
            code = await process.wait()
            said = await errors
        finally:
            if process.returncode is None:
                process.terminate()
                try:
                    await asyncio.wait_for(process.wait(), PATIENCE)
                except TimeoutError:
                    process.kill()
        if code and not state.error:
            state.error = said or f"the command ended with code {code}"
        state.ended = True
        self._on_change()
        return code == 0

    async def _listen(self, stdin: asyncio.StreamWriter, stdout: asyncio.StreamReader) -> None:
        while line := await stdout.readline():
            try:
                told = msgspec.json.decode(line, type=Told)
            except msgspec.MsgspecError:
                continue
            if told.type == "hostKey":
                await _write(stdin, "yes" if await self._confirm(told) else "no")
            else:
                self.state.take(told)
                self._on_change()


async def findings(argv: Sequence[str]) -> tuple[list[dict[str, str]], str]:
    """What `node check` finds, and why it could not look. Its code says only that something was found."""
    try:
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
    except OSError as error:
        return [], f"{argv[0]}: {error.strerror}"
    try:
        async with asyncio.timeout(CHECK_PATIENCE):
            out, said = await process.communicate()
    except TimeoutError:
        return [], "no answer in time"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    try:
        return msgspec.json.decode(out, type=list[dict[str, str]]), ""
    except msgspec.MsgspecError:
        lines = said.decode(errors="replace").strip().splitlines()
        return [], lines[-1].removeprefix("Error: ") if lines else "the command said nothing"


def _pipes(
    process: asyncio.subprocess.Process,
) -> tuple[asyncio.StreamWriter, asyncio.StreamReader, asyncio.StreamReader]:
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise RuntimeError("the command was started without pipes")
    return process.stdin, process.stdout, process.stderr


async def _write(stdin: asyncio.StreamWriter, line: str) -> None:
    with contextlib.suppress(ConnectionError):
        stdin.write(f"{line}\n".encode())
        await stdin.drain()


async def _last_line(stderr: asyncio.StreamReader) -> str:
    """Of what it says about its failure, without the word in front."""
    lines = (await stderr.read()).decode(errors="replace").strip().splitlines()
    return lines[-1].removeprefix("Error: ") if lines else ""
