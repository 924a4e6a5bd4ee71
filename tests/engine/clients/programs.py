"""Programs of other people that talk to the engine: each a process of its own, with a kubeconfig as its only way in."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.engine.conftest import RunningEngine
from tests.engine.runtime.cluster import eventually

_STOP_SECONDS = 15


@dataclass(frozen=True, slots=True)
class Program:
    """A running program; what it says is kept in a file."""

    process: asyncio.subprocess.Process
    log: Path

    def said(self) -> str:
        return self.log.read_text()

    async def says(self, text: str, timeout: float = 30) -> None:
        """Wait until it has said this."""
        try:
            await eventually(lambda: text in self.said() or self.process.returncode is not None, timeout)
            assert text in self.said()
        except AssertionError:
            raise AssertionError(f"it never said {text!r}, but:\n{self.said()}") from None

    async def stop(self) -> None:
        """Ask it to end, and wait."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(self.process.wait(), _STOP_SECONDS)

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def program(log: Path, kubeconfig: Path, *words: str) -> AsyncIterator[Program]:
    """`python WORDS` of the environment that the tests run in; killed on leave if it has not ended."""
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(log.parent), "KUBECONFIG": str(kubeconfig), "PYTHONUNBUFFERED": "1",
    }  # fmt: skip
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *words, stdout=file, stderr=asyncio.subprocess.STDOUT, env=environment
        )
    running = Program(process, log)
    try:
        yield running
    finally:
        await running.kill()


async def account_kubeconfig(engine: RunningEngine, account: str) -> Path:
    """A kubeconfig with a token of this service account and nothing else."""
    token = (await engine.kubectl("create", "token", account)).out.strip()
    config = yaml.safe_load(engine.kubeconfig.read_text())
    config["users"] = [{"name": account, "user": {"token": token}}]
    config["contexts"][0]["context"]["user"] = account
    file = engine.data_dir / f"{account}.kubeconfig"
    file.write_text(yaml.safe_dump(config))
    return file
