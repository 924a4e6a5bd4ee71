"""Connecting to a machine for work on it: host keys confirmed once, privilege found out, facts gathered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from engine.fleet.errors import HostKey, HostKeyUnknown
from engine.fleet.inventory import Inventory
from engine.fleet.ssh.connect import Login, connect
from engine.fleet.ssh.connection import Connection
from engine.fleet.target import Target

ConfirmHostKey = Callable[[HostKey], Awaitable[bool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How a person reaches a machine: by which credentials, through which hops, as root by which password."""

    login: Login
    jump: tuple[Target, ...] = ()
    sudo_password: str | None = None


async def reach(target: Target, access: Access, inventory: Inventory, confirm: ConfirmHostKey) -> Connection:
    """Open a connection with root's rights. Unknown host keys on the way are shown to `confirm`, then pinned.

    Raises HostKeyUnknown when one is not confirmed, PrivilegeRefused, and what `connect` raises.
    """
    connection = await _connect(target, access.login, access.jump, inventory, confirm)
    try:
        await connection.elevate(access.sudo_password)
    except BaseException:
        await connection.close()
        raise
    for hop in connection.hops:
        inventory.pin(hop.address, hop.host_key)
    return connection


async def _connect(
    target: Target, login: Login, jump: Sequence[Target], inventory: Inventory, confirm: ConfirmHostKey
) -> Connection:
    confirmed: dict[str, str] = {}
    while True:
        try:
            return await connect(target, login, jump=jump, pins=inventory.pins() | confirmed)
        except HostKeyUnknown as unknown:
            key = unknown.key
            if key.address in confirmed or not await confirm(key):
                raise
            confirmed[key.address] = key.line
            inventory.pin(key.address, key.line)
