"""One page's app: a process that paints for the browser instead of a terminal, and ends with its page."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence

from textual_serve.app_service import AppService
from textual_serve.download_manager import DownloadManager

QUIT_SECONDS = 3.0
TERM_SECONDS = 2.0
LOOK = 0.02


class AppProcess(AppService):
    """`command` is run as it stands, by no shell; what it starts belongs to it and goes with it."""

    def __init__(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str],
        *,
        write_bytes: Callable[[bytes], Awaitable[None]],
        write_str: Callable[[str], Awaitable[None]],
        close: Callable[[], Awaitable[object]],
        downloads: DownloadManager,
    ) -> None:
        async def closed() -> None:
            await close()

        super().__init__(
            argv[0], write_bytes=write_bytes, write_str=write_str, close=closed, download_manager=downloads
        )
        self._argv = tuple(argv)
        self._environment = dict(environment)
        self._stopping = asyncio.Lock()

    async def _open_app_process(self, width: int = 80, height: int = 24) -> asyncio.subprocess.Process:
        self._process = process = await asyncio.create_subprocess_exec(
            *self._argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._build_environment(width, height) | self._environment,
            start_new_session=True,
        )
        self._stdin = process.stdin
        return process

    async def stop(self) -> None:
        """Ask it to quit, and make sure: a process that hangs must not keep the server from stopping.

        Whoever calls while another already does waits for the same end.
        """
        async with self._stopping:
            await self._stop()

    async def _stop(self) -> None:
        process, task = self._process, self._task
        if process is None or task is None:
            return
        self._task = None
        await self._download_manager.cancel_app_downloads(app_service_id=self.app_service_id)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(QUIT_SECONDS):
                await self.send_meta({"type": "quit"})
                await exited(process)
        with contextlib.suppress(TimeoutError):
            if process.returncode is None:
                signal_group(process.pid, signal.SIGTERM)
            async with asyncio.timeout(TERM_SECONDS):
                await exited(process)
        # Whatever it started, too, and itself if it would not listen.
        signal_group(process.pid, signal.SIGKILL)
        await process.wait()
        self.stdin.close()
        # What it said last is read to its end: with all of its processes gone there is one.
        await asyncio.wait([task], timeout=TERM_SECONDS)
        task.cancel()
        await asyncio.wait([task])


def signal_group(leader: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


async def exited(process: asyncio.subprocess.Process) -> None:
    """Unlike its own `wait`, not until those have ended too who were given its output."""
    while process.returncode is None:  # noqa: ASYNC110 - there is no event of it
        await asyncio.sleep(LOOK)
