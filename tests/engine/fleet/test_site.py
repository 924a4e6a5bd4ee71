"""Files on a machine, put there by the very shell words that go over SSH."""

import asyncio
import subprocess
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from engine.fleet.errors import CommandFailed
from engine.fleet.facts import Facts
from engine.fleet.site import Site
from engine.fleet.ssh.connection import Completed, Connection


class Here:
    """Runs on this computer; `cut` is how many bytes still get through."""

    cut: int | None = None

    async def run(self, argv: Sequence[str], *, stdin: bytes, check: bool, **_: Any) -> Completed:
        run = partial(subprocess.run, list(argv), input=stdin[: self.cut], capture_output=True, check=False)
        done = await asyncio.to_thread(run)
        if check and done.returncode:
            raise CommandFailed(" ".join(argv), done.returncode, done.stderr.decode())
        return Completed(status=done.returncode, stdout=done.stdout, stderr=done.stderr)


async def test_a_connection_that_is_cut_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    here, path = Here(), tmp_path / "own" / "journal.json"
    site = Site(cast("Connection", here), cast("Facts", None))
    await site.put(str(path), b"before", mode="0600")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"before", 0o600)
    for here.cut in (0, 3):
        with pytest.raises(CommandFailed):
            await site.put(str(path), b"after")
        assert path.read_bytes() == b"before"
    here.cut = None
    await site.put(str(path), b"")
    assert path.read_bytes() == b""
