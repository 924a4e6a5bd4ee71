"""One open SSH connection: commands as argument lists, as root if wanted, and ports forwarded both ways."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import asyncssh

from engine.fleet.errors import CommandFailed, PrivilegeRefused
from engine.fleet.ssh.sudo import PasswordGate
from engine.fleet.ssh.translate import translated
from engine.fleet.target import address


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """What a command on the machine ended with."""

    status: int | None
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """Standard output as text without the trailing line end."""
        return self.stdout.decode(errors="replace").rstrip("\n")


class Forward:
    """A listening port of a connection, on our side or on the machine's."""

    def __init__(self, listener: asyncssh.SSHListener) -> None:
        self._listener = listener
        self.port = listener.get_port()

    def close(self) -> None:
        self._listener.close()


class Connection:
    """An open SSH connection to a machine, with the hops before it."""

    def __init__(self, connection: asyncssh.SSHClientConnection, hop: Hop, before: Connection | None) -> None:
        self._connection = connection
        self.before = before
        """The hop that this one was opened through."""
        self._sudo: tuple[str, ...] | None = None
        self._sudo_password: str | None = None
        self.hop = hop

    @property
    def hops(self) -> tuple[Hop, ...]:
        """Every machine on the way, the last one this connection's own."""
        return (*(self.before.hops if self.before else ()), self.hop)

    @property
    def local_address(self) -> str:
        """Our address as the machine's side of the network sees it, or empty."""
        name = self._connection.get_extra_info("sockname")
        return str(name[0]) if name else ""

    async def elevate(self, password: str | None = None) -> str:
        """Find out how to be root ("root", "sudo" or "sudo with password") for later `run(root=True)`."""
        if (await self.run(["id", "-u"])).text.split("\n")[-1] == "0":
            self._sudo = ()
            return "root"
        if (await self.run(["sudo", "-n", "true"], check=False)).status == 0:
            self._sudo = ("sudo", "-n", "--")
            return "sudo"
        if password is None:
            raise PrivilegeRefused(
                f"{self.hop}: {self.hop.user} is not root and sudo asks for a password: give it with --sudo-password"
            )
        self._sudo, self._sudo_password = ("sudo",), password
        await self.run(["true"], root=True)
        return "sudo with password"

    async def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        root: bool = False,
        check: bool = True,
        timeout: float = 60,
    ) -> Completed:
        """Run an argument list. Raises CommandFailed unless it exits 0 (with `check`) and within `timeout` seconds."""
        wanted = list(argv)
        gate: PasswordGate | None = None
        if root and self._sudo is None:
            await self.elevate()
        if root and self._sudo_password is not None:
            gate = PasswordGate(self._sudo_password)
            wanted = gate.wrap(wanted)
        elif root:
            wanted = [*(self._sudo or ()), *wanted]
        name = Path(argv[0]).name + (f" {argv[1]}" if len(argv) > 1 and argv[1].isidentifier() else "")
        with translated(str(self.hop)):
            process = await self._connection.create_process(shlex.join(wanted), encoding=None)
            try:
                async with asyncio.timeout(timeout):
                    stdout, stderr = await _converse(process, stdin, gate)
                    await process.wait_closed()
            except TimeoutError as error:
                raise CommandFailed(name, None, f"no end after {timeout:.0f} s") from error
            finally:
                process.close()
        if gate is not None and not gate.passed:
            raise PrivilegeRefused(f"{self.hop}: sudo refuses user {self.hop.user}: {gate.refusal(stderr)}")
        completed = Completed(status=process.exit_status, stdout=stdout, stderr=stderr)
        if check and completed.status != 0:
            raise CommandFailed(name, completed.status, (stderr or stdout).decode(errors="replace"))
        return completed

    async def hold(self, command: str) -> Held:
        """Start a command that lives as long as the connection; the first line it prints is its greeting."""
        with translated(str(self.hop)):
            process = await self._connection.create_process(command, encoding="utf-8")
            async with asyncio.timeout(20):
                greeting = await process.stdout.readline()
        return Held(process, greeting.strip())

    async def forward_from_machine(self, listen: tuple[str, int], to: tuple[str, int]) -> Forward:
        """Make the machine listen, and carry what connects there to an address on our side."""
        with translated(str(self.hop)):
            return Forward(await self._connection.forward_remote_port(listen[0], listen[1], to[0], to[1]))

    async def forward_to_machine(self, to: tuple[str, int]) -> Forward:
        """Listen on a free loopback port here, and carry what connects to an address as the machine sees it."""
        with translated(str(self.hop)):
            return Forward(await self._connection.forward_local_port("127.0.0.1", 0, to[0], to[1]))

    async def wait_closed(self) -> None:
        """Until the connection is gone, for whatever reason."""
        await self._connection.wait_closed()

    async def close(self) -> None:
        """End the connection and the hops before it; returns when the sockets are closed."""
        self._connection.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                await self._connection.wait_closed()
        self._connection.abort()
        if self.before is not None:
            await self.before.close()

    @property
    def raw(self) -> asyncssh.SSHClientConnection:
        """For the next hop, which is opened through this one."""
        return self._connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """A machine as it was really reached: after ~/.ssh/config, with the key it proved to hold."""

    host: str
    port: int
    user: str
    host_key: str

    @property
    def address(self) -> str:
        return address(self.host, self.port)

    def __str__(self) -> str:
        return f"{self.user}@{self.address}"


class Held:
    """A command that runs beside the connection, such as the one that guards a forwarded port."""

    def __init__(self, process: asyncssh.SSHClientProcess[str], greeting: str) -> None:
        self._process = process
        self.greeting = greeting

    def close(self) -> None:
        self._process.close()


async def _converse(
    process: asyncssh.SSHClientProcess[bytes], stdin: bytes, gate: PasswordGate | None
) -> tuple[bytes, bytes]:
    early = await gate.open(process) if gate else b""
    if gate is not None and not gate.passed:
        return b"", early

    async def feed() -> None:
        with suppress(OSError):  # the command ended without reading all of it
            process.stdin.write(stdin)
            await process.stdin.drain()
            process.stdin.write_eof()

    _, stdout, stderr = await asyncio.gather(feed(), process.stdout.read(), process.stderr.read())
    return stdout, early + stderr
