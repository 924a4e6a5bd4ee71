"""Real etcd members on loopback for tests: one or three, each killable."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

ETCD = shutil.which("etcd")


def free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()


class Member:
    """One etcd process, which can be killed and started again on the same data."""

    def __init__(self, name: str, folder: Path, client: str, peer: str, cluster: str, extra: Sequence[str]) -> None:
        self.endpoint = client
        self._folder = folder / name
        self._arguments = (
            "--name", name, "--data-dir", str(self._folder), "--logger", "zap", "--log-level", "error",
            "--listen-client-urls", client, "--advertise-client-urls", client,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", cluster, "--initial-cluster-state", "new",
            *extra,
        )  # fmt: skip
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        assert ETCD is not None
        quiet = asyncio.subprocess.DEVNULL
        self._process = await asyncio.create_subprocess_exec(ETCD, *self._arguments, stdout=quiet, stderr=quiet)

    async def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
            await self._process.wait()

    async def listening(self) -> None:
        host, _, port = self.endpoint.partition("://")[2].partition(":")
        async with asyncio.timeout(20):
            while True:
                try:
                    _, writer = await asyncio.open_connection(host, int(port))
                except OSError:
                    await asyncio.sleep(0.02)
                    continue
                writer.close()
                await writer.wait_closed()
                return


class EtcdCluster:
    def __init__(self, members: list[Member]) -> None:
        self.members = members

    @property
    def endpoints(self) -> tuple[str, ...]:
        return tuple(member.endpoint for member in self.members)


@asynccontextmanager
async def etcd_cluster(
    folder: Path, size: int = 1, *, scheme: str = "http", extra: Sequence[str] = ()
) -> AsyncIterator[EtcdCluster]:
    """Runs etcd until the block is left; fails where it is not installed: a store must not pass unseen."""
    assert ETCD, "no etcd: run scripts/setup"
    ports = free_ports(2 * size)
    clients = [f"{scheme}://127.0.0.1:{port}" for port in ports[:size]]
    peers = [f"http://127.0.0.1:{port}" for port in ports[size:]]
    cluster = ",".join(f"m{number}={peer}" for number, peer in enumerate(peers))
    members = [
        Member(f"m{number}", folder, client, peers[number], cluster, extra) for number, client in enumerate(clients)
    ]
    try:
        for member in members:
            await member.start()
        for member in members:
            await member.listening()
        yield EtcdCluster(members)
    finally:
        for member in members:
            await member.kill()
