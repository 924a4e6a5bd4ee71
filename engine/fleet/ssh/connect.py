"""Opening connections: resolve by ~/.ssh/config, dial, check the host key, log in, hop by hop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import asyncssh

from engine.fleet.errors import FleetError
from engine.fleet.ssh.connection import Connection, Hop
from engine.fleet.ssh.hostkeys import HostKeyPolicy, known_hosts_files
from engine.fleet.ssh.translate import translated
from engine.fleet.target import Target, address, parse

CONNECT_SECONDS = 8.0
LOGIN_SECONDS = 20.0
KEEPALIVE_SECONDS = 15.0
KEEPALIVE_COUNT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """How to prove who we are. With `key_files` only those are offered; else the agent's and the default keys."""

    key_files: tuple[str, ...] = ()
    password: str | None = field(default=None, repr=False)
    passphrase: str | None = field(default=None, repr=False)
    user_config: bool = True
    """Whether ~/.ssh/config, the SSH agent and the default keys take part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keepalive:
    """A connection is given up after `count` unanswered probes, `seconds` apart."""

    seconds: float = KEEPALIVE_SECONDS
    count: int = KEEPALIVE_COUNT


@asynccontextmanager
async def connected(
    target: Target,
    login: Login,
    *,
    jump: Sequence[Target] = (),
    pins: Mapping[str, str] | None = None,
    keepalive: Keepalive | None = None,
) -> AsyncGenerator[Connection]:
    """`connect` as a context."""
    connection = await connect(target, login, jump=jump, pins=pins, keepalive=keepalive)
    try:
        yield connection
    finally:
        await connection.close()


async def connect(
    target: Target,
    login: Login,
    *,
    jump: Sequence[Target] = (),
    pins: Mapping[str, str] | None = None,
    keepalive: Keepalive | None = None,
) -> Connection:
    """Open the hops one after another, then the machine. `pins` maps HOST:PORT to a host key line.

    Without `jump`, a ProxyJump of ~/.ssh/config is followed. Raises Unreachable, AuthenticationFailed,
    HostKeyUnknown (of the first machine on the way that is unknown), HostKeyChanged.
    """
    way = [*(jump or _configured_jump(target, login)), target]
    return await _open_way(way, login, pins or {}, keepalive or Keepalive())


async def _open_way(way: Sequence[Target], login: Login, pins: Mapping[str, str], keepalive: Keepalive) -> Connection:
    """Open the last of `way` through all before it; none stays open when one fails."""
    if len(way) == 1:
        return await _open(way[0], login, None, pins, keepalive)
    # The password is the machine's, not that of the machines before it.
    before = await _open_way(way[:-1], replace(login, password=None), pins, keepalive)
    try:
        return await _open(way[-1], login, before, pins, keepalive)
    except BaseException:
        await before.close()
        raise


async def _open(
    target: Target, login: Login, before: Connection | None, pins: Mapping[str, str], keepalive: Keepalive
) -> Connection:
    client = HostKeyPolicy()
    chosen = _chosen_options(target, login, client, keepalive) | {"tunnel": before.raw if before else None}
    with translated(target.address):
        options = await asyncssh.SSHClientConnectionOptions.construct(host=target.host, **chosen)
    where = address(options.host, options.port)
    client.pin = pins.get(where)
    client.files = known_hosts_files(options) if login.user_config else []
    with translated(where, client):
        direct = before is None and not options.proxy_command
        sock = await _dial(options.host, options.port) if direct else None
        try:
            async with asyncio.timeout(LOGIN_SECONDS):
                connection = await asyncssh.connect(target.host, sock=sock, **chosen)
        except BaseException:
            if sock is not None:
                sock.close()
            raise
    key = connection.get_server_host_key()
    line = key.export_public_key().decode().strip() if key else ""
    return Connection(
        connection, Hop(host=options.host, port=options.port, user=options.username, host_key=line), before
    )


async def _dial(host: str, port: int) -> socket.socket:
    """A TCP connection to the first address that takes one, within CONNECT_SECONDS in all."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failure: OSError = OSError(f"no address for {host}")
    for family, kind, protocol, _, where in found:
        sock = socket.socket(family, kind, protocol)
        sock.setblocking(False)
        try:
            async with asyncio.timeout(CONNECT_SECONDS / len(found)):
                await loop.sock_connect(sock, where)
        except OSError as error:  # TimeoutError is one
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise failure


def _chosen_options(target: Target, login: Login, client: HostKeyPolicy, keepalive: Keepalive) -> dict[str, Any]:
    """What we decide; the rest is left to ~/.ssh/config (which it is given again for each use, by the name typed)."""
    chosen: dict[str, Any] = {
        "config": () if login.user_config else None,  # (): the default files
        "client_factory": lambda: client,
        "known_hosts": client.known_hosts,
        "x509_trusted_certs": None,
        "login_timeout": LOGIN_SECONDS,
        "keepalive_interval": keepalive.seconds,
        "keepalive_count_max": keepalive.count,
        "password": login.password,
    }
    if target.port is not None:
        chosen["port"] = target.port
    if target.user is not None:
        chosen["username"] = target.user
    if login.key_files:
        files = [str(Path(name).expanduser()) for name in login.key_files]
        chosen |= {"client_keys": files, "agent_path": None, "ignore_encrypted": False}
    if login.passphrase is not None:
        chosen["passphrase"] = login.passphrase
    return chosen


def _configured_jump(target: Target, login: Login) -> list[Target]:
    """The hops that ~/.ssh/config names for a machine."""
    if not login.user_config:
        return []
    with translated(target.address):
        tunnel: object = asyncssh.SSHClientConnectionOptions(
            host=target.host, config=(), x509_trusted_certs=None
        ).tunnel
    if not isinstance(tunnel, str) or tunnel in ("", "none"):
        return []
    try:
        return [parse(hop.strip()) for hop in tunnel.split(",")]
    except ValueError as error:
        raise FleetError(f"{target}: ProxyJump of ~/.ssh/config: {error}") from error
