"""A real engine as a process of its own, and what the kernel says it used."""

import asyncio
import atexit
import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec

from apimachinery.client import kubeconfig
from apimachinery.client.errors import ConnectionFailed, KubeconfigError

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class EngineProcess:
    data_dir: Path
    pid: int
    port: int
    seconds_to_ready: float
    access: kubeconfig.ClusterAccess

    @property
    def alive(self) -> bool:
        return Path(f"/proc/{self.pid}/cmdline").exists() and bool(Path(f"/proc/{self.pid}/cmdline").read_bytes())

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.pid)

    def memory_mb(self) -> float:
        return memory_mb(self.pid)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mb(pid: int) -> float:
    """Resident memory."""
    line = next(x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


@asynccontextmanager
async def engine(*options: str, data_dir: Path | None = None, log: Path | None = None) -> AsyncIterator[EngineProcess]:
    """Start `pilothouse engine run` on a free port and a new data dir, unless one is given; stop it on leave."""
    with (
        tempfile.TemporaryDirectory(prefix="pilothouse-bench-") as folder,
        (log or Path(os.devnull)).open("ab") as words,
    ):
        kept = data_dir or Path(folder)
        started = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "pilothouse", "--data-dir", str(kept), "engine", "run", "--listen", "127.0.0.1:0", *options,
            stdout=asyncio.subprocess.DEVNULL, stderr=words, env=_environment(),
        )  # fmt: skip
        try:
            access = await _ready(kept, process)
            seconds = time.perf_counter() - started
            port = msgspec.json.decode((kept / "engine.json").read_bytes())["port"]
            yield EngineProcess(kept, process.pid, port, seconds, access)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            code = await process.wait()
        if code:
            raise RuntimeError(f"the engine ended with {code}")


@cache
def _environment() -> dict[str, str]:
    """As an installed engine runs: with its bytecode kept from one start to the next."""
    kept = tempfile.mkdtemp(prefix="pilothouse-bytecode-")
    atexit.register(shutil.rmtree, kept, ignore_errors=True)
    others = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**others, "PYTHONPYCACHEPREFIX": kept}


async def _ready(data_dir: Path, process: asyncio.subprocess.Process) -> kubeconfig.ClusterAccess:
    while process.returncode is None:
        try:
            access = kubeconfig.load(data_dir / "kubeconfig")
            transport = access.transport()
            try:
                if (await transport.request("GET", "/readyz", timeout=2)).status == 200:
                    return access
            finally:
                await transport.close()
        except (KubeconfigError, ConnectionFailed):
            pass
        await asyncio.sleep(0.005)
    raise RuntimeError(f"the engine ended with {process.returncode}")
