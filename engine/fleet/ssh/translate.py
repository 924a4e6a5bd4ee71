"""asyncssh's and the socket's errors as fleet's own, each with one line that says what to do."""

from __future__ import annotations

import os
import socket
from collections.abc import Generator
from contextlib import contextmanager

import asyncssh

from engine.fleet.errors import (
    AuthenticationFailed,
    FleetError,
    HostKey,
    HostKeyChanged,
    HostKeyUnknown,
    PortRefused,
    Unreachable,
)
from engine.fleet.ssh.hostkeys import HostKeyPolicy

# First match wins: subclasses stand before what they derive from.
_TRANSLATIONS: tuple[tuple[type[Exception], type[FleetError], str], ...] = (
    (asyncssh.PermissionDenied, AuthenticationFailed, "{where} refused the login"),
    (asyncssh.ChannelOpenError, Unreachable, "{where}: the channel was refused: {reason}"),
    (asyncssh.ChannelListenError, PortRefused, "{where} does not let us listen there: {reason}"),
    (asyncssh.ConnectionLost, Unreachable, "{where}: connection lost: {reason}"),
    (asyncssh.Error, Unreachable, "{where}: {reason}"),
    (asyncssh.KeyImportError, AuthenticationFailed, "{where}: {reason}"),
    (asyncssh.KeyEncryptionError, AuthenticationFailed, "{where}: {reason}"),
    (asyncssh.ConfigParseError, AuthenticationFailed, "{where}: ~/.ssh/config: {reason}"),
    (TimeoutError, Unreachable, "{where} did not answer in time"),
    (socket.gaierror, Unreachable, "{where}: the name does not resolve"),
    (ConnectionRefusedError, Unreachable, "{where} refused the connection: does sshd run there?"),
    (OSError, Unreachable, "{where}: {reason}"),
)


@contextmanager
def translated(where: str, client: HostKeyPolicy | None = None) -> Generator[None]:
    """Within this context nothing of asyncssh gets out; `client` tells what was known and offered as host key."""
    try:
        yield
    except asyncssh.HostKeyNotVerifiable as error:
        raise _host_key_error(where, client, error) from error
    except asyncssh.KeyExchangeFailed as error:
        known = f" of the kind known for it ({', '.join(client.known)})" if client and client.known else ""
        raise HostKeyChanged(f"{where} offers no host key{known}: {error.reason}") from error
    except (asyncssh.Error, asyncssh.ChannelListenError, OSError, ValueError) as error:
        for foreign, ours, message in _TRANSLATIONS:
            if isinstance(error, foreign):
                raise ours(message.format(where=where, reason=_reason(error))) from error
        raise


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno and error.errno > 0:
        return os.strerror(error.errno)  # asyncio puts its own words into the error's text
    return getattr(error, "reason", None) or str(error)


def _host_key_error(where: str, client: HostKeyPolicy | None, error: asyncssh.Error) -> FleetError:
    offered = client.offered if client else None
    if client is None or offered is None:
        return HostKeyChanged(f"{where}: {error.reason}")
    print_ = offered.get_fingerprint()
    if client.known:
        return HostKeyChanged(
            f"{where} offers host key {print_}, but {', '.join(client.known)} is known for it: if the machine was"
            " set up anew, forget the old key (ssh-keygen -R); if not, do not connect"
        )
    line = offered.export_public_key().decode().strip()
    return HostKeyUnknown(HostKey(address=where, algorithm=offered.get_algorithm(), fingerprint=print_, line=line))
