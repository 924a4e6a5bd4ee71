"""The terminal app in a real pseudo-terminal of 200x60, against a real engine: start, first rows, keys, memory.

The app runs in a process of its own (tui_probe) that notes what each paint showed; the keys come through the
terminal, so a latency is from the key's byte to the bytes of the paint that shows its effect.
"""

import asyncio
import fcntl
import os
import pty
import signal
import struct
import sys
import tempfile
import termios
import time
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from scripts.benchmarks import load
from scripts.benchmarks.pods import pod
from scripts.benchmarks.process import EngineProcess, cpu_seconds, engine, memory_mb
from scripts.benchmarks.report import Figure

PODS_COUNT = 10_000
CHANGES_PER_SECOND = 200
COLUMNS, LINES = 200, 60
MOVES = 150
LOG_RATE = 50_000
LOG_LINES = 1_000_000


@dataclass(slots=True)
class Probe:
    """A running app: `notes` are what it wrote about its paints."""

    pid: int
    terminal: int
    notes_file: Path
    started: float
    painted_bytes: int = 0
    read: int = 0
    known: list[dict[str, float]] = field(default_factory=list)

    def notes(self) -> list[dict[str, float]]:
        with self.notes_file.open("rb") as file:
            file.seek(self.read)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self.read += len(whole)
        self.known += [msgspec.json.decode(line) for line in whole.splitlines()]
        return self.known

    async def until(self, fact: str, at_least: float = 1, timeout: float = 60) -> float:
        """The time of the first paint that shows `fact` with at least this value."""
        async with asyncio.timeout(timeout):
            while not (notes := self.notes()) or notes[-1].get(fact, 0) < at_least:
                await asyncio.sleep(0.02)
        first = bisect_left(notes, at_least, key=lambda note: note[fact])
        return notes[first]["at"]

    def press(self, keys: bytes) -> float:
        at = time.monotonic()
        os.write(self.terminal, keys)
        return at


async def measure() -> list[Figure]:
    figures: list[Figure] = []
    async with engine() as server:
        await _create(server, 20)
        figures.append(await _small(server))
        await _create(server, PODS_COUNT, start=20)
        figures.append(await _idle(server))
        figures += await _large(server)
    return figures + await _logs()


async def _create(server: EngineProcess, count: int, start: int = 0) -> None:
    path = "/api/v1/namespaces/default/pods"
    messages = (load.request("POST", path, msgspec.json.encode(pod(number))) for number in range(start, count))
    await load.run(server.port, server.access.ssl_context, messages, accept=(201,))  # type: ignore[arg-type]


async def _small(server: EngineProcess) -> Figure:
    times: list[float] = []
    for _ in range(5):
        with _probe(server) as probe:
            times.append(await probe.until("rows") - probe.started)
    best, median = min(times), sorted(times)[2]
    return Figure("start to first table, 20 pods", f"{median:.2f} s (best {best:.2f})", "< 0.7 s")


async def _idle(server: EngineProcess) -> Figure:
    """With 10,000 pods on the screen's table and nothing that changes."""
    with _probe(server) as probe:
        await probe.until("rows", PODS_COUNT)
        await asyncio.sleep(5)
        cpu, painted, began = cpu_seconds(probe.pid), probe.painted_bytes, time.monotonic()
        await asyncio.sleep(10)
        spell = time.monotonic() - began
        busy = (cpu_seconds(probe.pid) - cpu) / spell * 100
        output = (probe.painted_bytes - painted) / spell
        return Figure(
            "CPU when nothing changes, 10,000 pods", f"{busy:.1f} % of a core, {output:.0f} B/s to the terminal"
        )


async def _logs() -> list[Figure]:
    """One container that writes 50,000 lines a second, and a million lines to search."""
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "scripts.benchmarks.tui_logserver", str(LOG_RATE), str(LOG_LINES),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert server.stdout is not None
    port = int(await server.stdout.readline())
    try:
        with _running("scripts.benchmarks.tui_logprobe", f"http://127.0.0.1:{port}") as probe:
            began = await probe.until("lines", LOG_RATE)
            before = probe.notes()[-1]
            cpu = cpu_seconds(probe.pid)
            probe.press(b"k")
            await asyncio.sleep(0.5)
            # Up: rows above the newest, so that each move is one.
            poured = await _moves(probe, b"k")
            after = probe.notes()[-1]
            spell = after["at"] - before["at"]
            busy = (cpu_seconds(probe.pid) - cpu) / spell * 100
            rate = (after["lines"] - before["lines"]) / spell
            await probe.until("lines", LOG_LINES, timeout=300)
            await asyncio.sleep(1)
            kept, whole = probe.notes()[-1]["kept"], time.monotonic() - began
            moves = await _moves(probe, b"k")
            memory = memory_mb(probe.pid)
            probe.press(b"/")
            await asyncio.sleep(0.5)
            latencies: list[float] = []
            filters = int(probe.notes()[-1]["filters"])
            for number, key in enumerate(b"needle", start=1):
                pressed = probe.press(bytes([key]))
                latencies.append(await probe.until("filters", filters + number) - pressed)
                await asyncio.sleep(0.1)
            searched = await probe.until("matches", LOG_LINES // 10_000 - 1, timeout=120) - pressed
    finally:
        server.terminate()
        await server.wait()
    del whole
    return [
        Figure(
            f"log, {LOG_RATE:,} lines/s offered: followed, none lost",
            f"{rate:,.0f} lines/s, {busy:.0f} % of a core",
            "50,000",
        ),
        Figure("log, while they pour in: key to paint, p50, p95, p99", _percentiles(poured), "p95 < 50 ms"),
        Figure("log: lines kept and searchable", f"{kept:,.0f}", "1,000,000"),
        Figure("log of a million lines: memory", f"{memory:.0f} MB"),
        Figure("log of a million lines: key to paint, p50, p95, p99", _percentiles(moves), "p95 < 50 ms"),
        Figure("log of a million lines: filter key to paint, p50, p95, p99", _percentiles(latencies), "< 100 ms"),
        Figure("log of a million lines: last key of a search to its last match", f"{searched:.1f} s"),
    ]


async def _large(server: EngineProcess) -> list[Figure]:
    churn = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "scripts.benchmarks.churn", str(server.data_dir / "kubeconfig"),
        str(PODS_COUNT), str(CHANGES_PER_SECOND),
    )  # fmt: skip
    try:
        with _probe(server) as probe:
            first = await probe.until("rows") - probe.started
            whole = await probe.until("rows", PODS_COUNT) - probe.started
            listed = max(note["bytes"] for note in probe.notes())
            await asyncio.sleep(3)
            cpu, painted, began = cpu_seconds(probe.pid), probe.painted_bytes, time.monotonic()
            changes, watched = probe.notes()[-1]["changes"], probe.notes()[-1]["watched"]
            await asyncio.sleep(5)
            spell = time.monotonic() - began
            busy = (cpu_seconds(probe.pid) - cpu) / spell * 100
            last = probe.notes()[-1]
            rate = (last["changes"] - changes) / spell
            each = (last["watched"] - watched) / max(1, last["changes"] - changes)
            output = (probe.painted_bytes - painted) / spell / 1024
            moves = await _moves(probe)
            filters = await _filters(probe)
            memory = memory_mb(probe.pid)
    finally:
        churn.terminate()
        await churn.wait()
    with_changes = f"{PODS_COUNT:,} pods, {CHANGES_PER_SECOND} changes/s"
    return [
        Figure(f"{with_changes}: start to first rows", f"{first:.2f} s", "< 1 s"),
        Figure(f"{with_changes}: start to all rows", f"{whole:.2f} s", ""),
        Figure("bytes of the first list", f"{listed / 1e6:.1f} MB", "< 6 MB"),
        Figure("bytes of each change", f"{each:,.0f} B"),
        Figure("key to paint (cursor down), p50, p95, p99", _percentiles(moves), "p95 < 50 ms"),
        Figure("filter key to paint, p50, p95, p99", _percentiles(filters), "< 100 ms"),
        Figure("memory", f"{memory:.0f} MB", "< 150 MB"),
        Figure(
            f"CPU while {rate:.0f} changes/s arrive", f"{busy:.0f} % of a core, {output:.0f} KB/s to the terminal", ""
        ),
    ]


async def _moves(probe: Probe, key: bytes = b"j") -> list[float]:
    """The cursor, or the text, moves again and again, at odd moments between repaints."""
    latencies: list[float] = []
    before = int(probe.notes()[-1]["cursor"])
    for number in range(before + 1, before + MOVES + 1):
        pressed = probe.press(key)
        latencies.append(await probe.until("cursor", number) - pressed)
        await asyncio.sleep(0.037)
    return latencies


async def _filters(probe: Probe) -> list[float]:
    latencies: list[float] = []
    for word in (b"pod-0", b"app-1", b"-0001", b"pend", b"^pod-.*7$"):
        probe.press(b"/")
        await asyncio.sleep(0.3)
        keys_before = int(max(note["filters"] for note in probe.notes()))
        for number, key in enumerate(word, start=1):
            pressed = probe.press(bytes([key]))
            latencies.append(await probe.until("filters", keys_before + number) - pressed)
            await asyncio.sleep(0.12)
        probe.press(b"\x1b")
        await asyncio.sleep(0.4)
    return latencies


def _percentiles(latencies: list[float]) -> str:
    ordered = sorted(latencies)
    parts = (ordered[min(len(ordered) - 1, int(len(ordered) * part))] for part in (0.5, 0.95, 0.99))
    return ", ".join(f"{part * 1000:.0f} ms" for part in parts)


@contextmanager
def _probe(server: EngineProcess) -> Iterator[Probe]:
    with _running("scripts.benchmarks.tui_probe", str(server.data_dir / "kubeconfig")) as probe:
        yield probe


@contextmanager
def _running(module: str, about: str) -> Iterator[Probe]:
    with tempfile.TemporaryDirectory(prefix="pilothouse-bench-") as folder:
        notes_file = Path(folder) / "notes"
        notes_file.touch()
        # As installed: with bytecode kept on disk.
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment = {**inherited, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        arguments = ["-m", module, about, str(notes_file)]
        started = time.monotonic()
        pid, terminal = pty.fork()
        if pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
            os.execve(sys.executable, [sys.executable, *arguments], environment)
        probe = Probe(pid, terminal, notes_file, started)
        loop = asyncio.get_running_loop()
        loop.add_reader(terminal, _drain, probe)
        try:
            yield probe
        finally:
            loop.remove_reader(terminal)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(terminal)


def _drain(probe: Probe) -> None:
    try:
        probe.painted_bytes += len(os.read(probe.terminal, 1 << 20))
    except OSError:
        asyncio.get_running_loop().remove_reader(probe.terminal)
