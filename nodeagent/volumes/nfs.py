"""NFS exports as mounts: by the machine's own mount program, which must not be waited for without end."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path

from nodeagent.volumes import kernel
from nodeagent.volumes.view import NfsSource

MOUNT_SECONDS = 60.0
_HELPER = "mount.nfs"


class NfsFailed(Exception):
    """The export cannot be mounted; the text says why."""


def command(source: NfsSource, target: Path, options: Sequence[str]) -> list[str]:
    """The call that mounts an export. A bare IPv6 address gets the brackets that mount.nfs wants."""
    server = f"[{source.server}]" if ":" in source.server and not source.server.startswith("[") else source.server
    wanted = [*options, *(["ro"] if source.read_only and "ro" not in options else [])]
    asked = ["-o", ",".join(wanted)] if wanted else []
    return ["mount", "-t", "nfs", *asked, f"{server}:{source.path}", str(target)]


async def mount(source: NfsSource, target: Path, options: Sequence[str] = ()) -> None:
    """Mount an export on `target`, unless it is there. Raises NfsFailed."""
    if kernel.is_mounted(target):
        return
    if shutil.which(_HELPER, path="/sbin:/usr/sbin:/bin:/usr/bin") is None:
        raise NfsFailed(
            "bad option; for several filesystems (e.g. nfs, cifs) you might need a /sbin/mount.<type> helper program:"
            " install the package nfs-common (or nfs-utils) on this machine"
        )
    await asyncio.to_thread(target.mkdir, mode=0o750, parents=True, exist_ok=True)
    words = command(source, target, options)
    process = await asyncio.create_subprocess_exec(
        *words, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(MOUNT_SECONDS):
            said, _ = await process.communicate()
    except TimeoutError as error:
        raise NfsFailed(f"mount of {words[-2]} timed out after {MOUNT_SECONDS:.0f} s") from error
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode != 0:
        output = said.decode(errors="replace").strip()
        raise NfsFailed(
            f"mount failed: exit status {process.returncode}\nMounting command: mount\n"
            f"Mounting arguments: {' '.join(words[1:])}\nOutput: {output}"
        )
