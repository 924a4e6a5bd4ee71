"""Files into a container and out of it, as `kubectl cp` does it: by tar, run there."""

import asyncio
import posixpath
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.client.exec import STDOUT, ExitStatus, open_exec

CHUNK = 128 * 1024
Progress = Callable[[int], None]
"""Told how many bytes have passed."""


@dataclass(frozen=True, slots=True)
class Place:
    """The container whose files are meant."""

    namespace: str
    pod: str
    container: str


async def download(client: Client, place: Place, remote: str, local: Path, *, progress: Progress) -> int:
    """Copy a file or a folder out of the container; returns how many files came.

    Into `local` when that is a folder, else as `local`. Raises ConnectionFailed with what tar says.
    """
    parent, name = _split(remote)
    with tempfile.TemporaryFile() as archive:
        command = ("tar", "cf", "-", "-C", parent, "--", name)
        said, size = b"", 0
        async with open_exec(client, place.namespace, place.pod, command=command, container=place.container) as stream:
            async for channel, data in stream:
                if channel == STDOUT:
                    await asyncio.to_thread(archive.write, data)
                    size += len(data)
                    progress(size)
                else:
                    said = (said + data)[-2000:]
            _check(stream.exit_status, said)
        archive.seek(0)
        return await asyncio.to_thread(_extract, archive, name, local)


async def upload(client: Client, place: Place, local: Path, remote: str, *, progress: Progress) -> int:
    """Copy a file or a folder into the container, as `remote`, or into it when it ends with a slash."""
    name = posixpath.basename(remote.rstrip("/")) if not remote.endswith("/") else local.name
    parent = posixpath.dirname(remote.rstrip("/")) or "/" if not remote.endswith("/") else remote
    with tempfile.TemporaryFile() as archive:
        count = await asyncio.to_thread(_pack, archive, local, name)
        archive.seek(0)
        command = ("tar", "xmf", "-", "-C", parent or "/")
        said = b""
        async with open_exec(
            client, place.namespace, place.pod, command=command, container=place.container, stdin=True
        ) as stream:
            size = 0
            while chunk := await asyncio.to_thread(archive.read, CHUNK):
                await stream.send_stdin(chunk)
                size += len(chunk)
                progress(size)
            await stream.close_stdin()
            async for _, data in stream:
                said = (said + data)[-2000:]
            _check(stream.exit_status, said)
        return count


def _split(remote: str) -> tuple[str, str]:
    path = posixpath.normpath(remote)
    parent, name = posixpath.split(path)
    return (parent or ".", name) if name else ("/", ".")


def _check(status: ExitStatus | None, said: bytes) -> None:
    text = said.decode(errors="replace").strip()
    if status is None:
        raise ConnectionFailed(text or "the connection broke before all was copied")
    if status.code:
        text = text or status.message
        if status.code in (126, 127) or ("tar" in text and "not found" in text):
            raise ConnectionFailed("the container has no tar, which copying needs; a debug container (b) has one")
        raise ConnectionFailed(text or f"tar ended with code {status.code}")


def _extract(archive: IO[bytes], name: str, local: Path) -> int:
    """Nothing leaves `local`'s folder, whatever the archive says: tarfile's data filter sees to that."""
    count = 0
    as_is = local.is_dir()
    try:
        with tarfile.open(fileobj=archive, mode="r|") as tar:
            for member in tar:
                inner = member.name.removeprefix("./").removeprefix(name).lstrip("/")
                renamed = (
                    member if as_is else member.replace(name=posixpath.join(local.name, inner).rstrip("/"), deep=False)
                )
                tar.extract(renamed, local if as_is else local.parent, filter="data")
                count += member.isfile()
    except (tarfile.TarError, OSError) as error:
        raise ConnectionFailed(f"{local}: {error}") from error
    return count


def _pack(archive: IO[bytes], local: Path, name: str) -> int:
    count = 0

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        nonlocal count
        count += member.isfile()
        # Who owns a file here means nothing there.
        return member.replace(uid=0, gid=0, uname="", gname="", deep=False)

    try:
        with tarfile.open(fileobj=archive, mode="w|") as tar:
            tar.add(local, arcname=name, filter=plain)
    except OSError as error:
        raise ConnectionFailed(f"{local}: {error.strerror or error}") from error
    return count
