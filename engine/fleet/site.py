"""A machine while it is worked on: its connection, its facts, and changes that are journalled before they are made."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

from engine.fleet import journal
from engine.fleet.errors import FleetError, StepFailed
from engine.fleet.facts import Facts
from engine.fleet.ssh.connection import Completed, Connection

# Written beside the file and renamed, so that no reader ever sees half of it.
# A connection that is cut looks to `cat` like the end of the content: half of it must not take the file's place.
_WRITE = (
    'set -e; umask 077; mkdir -p -m 755 "$(dirname "$1")"; cat > "$1.new"; [ "$(wc -c < "$1.new")" -eq "$3" ]; '
    'chmod "$2" "$1.new"; mv "$1.new" "$1"'
)


class Site:
    """Commands run as root here; `Connection.run` is for what the login user does."""

    def __init__(self, connection: Connection, facts: Facts) -> None:
        self.connection = connection
        self.facts = facts
        self.journal = journal.Journal()

    async def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", check: bool = True, timeout: float = 60
    ) -> Completed:
        return await self.connection.run(argv, stdin=stdin, root=True, check=check, timeout=timeout)

    async def script(self, text: str, *arguments: str, check: bool = True, timeout: float = 60) -> Completed:
        """Run a shell script of ours; what varies goes in as arguments, never into the text."""
        return await self.run(["sh", "-c", text, "sh", *arguments], check=check, timeout=timeout)

    async def succeeds(self, *argv: str) -> bool:
        """Whether a command exits 0."""
        return (await self.run(argv, check=False)).status == 0

    async def load_journal(self) -> None:
        """Take up the journal that an earlier run has left. Raises FleetError when it cannot be read."""
        found = await self.read(journal.PATH)
        if found is None:
            return
        try:
            self.journal = journal.read(found)
        except ValueError as error:
            raise FleetError(f"{self.connection.hop}: {error}") from error

    async def record(self, entry: journal.Entry) -> None:
        """Note a change; call it before the change is made."""
        extended = self.journal.adding(entry)
        if extended is not self.journal:
            self.journal = extended
            await self.save_journal()

    async def save_journal(self) -> None:
        await self.put(journal.PATH, self.journal.to_json(), mode="0600")

    async def read(self, path: str) -> bytes | None:
        """A file's content, or None when there is none."""
        completed = await self.run(["cat", path], check=False)
        return completed.stdout if completed.status == 0 else None

    async def holds(self, path: str, content: bytes) -> bool:
        """Whether a file has this content, compared by its hash."""
        completed = await self.run(["sha256sum", path], check=False)
        return completed.status == 0 and completed.text.split()[0] == hashlib.sha256(content).hexdigest()

    async def put(self, path: str, content: bytes, *, mode: str = "0644") -> None:
        """Write a file in one of our own folders."""
        await self.run(["sh", "-c", _WRITE, "sh", path, mode, str(len(content))], stdin=content, timeout=600)

    async def write(self, path: str, content: bytes, *, mode: str = "0644") -> None:
        """Write a file anywhere else, with what was there before in the journal."""
        before = await self.read(path)
        if before == content:
            return
        encoded = None if before is None else base64.b64encode(before).decode()
        await self.record(journal.FileWritten(path=path, before=encoded, mode=mode))
        await self.put(path, content, mode=mode)

    async def install_unit(self, name: str, text: str) -> None:
        """Install and enable a systemd unit of ours."""
        await self.record(journal.UnitInstalled(name=name))
        await self.put(f"/etc/systemd/system/{name}", text.encode())
        await self.run(["systemctl", "daemon-reload"])
        await self.run(["systemctl", "enable", "--quiet", name])

    async def restart_unit(self, name: str) -> None:
        """Start a unit anew. Raises StepFailed with the last lines of its log when it does not stay up."""
        await self.run(["systemctl", "reset-failed", name], check=False)
        restarted = await self.run(["systemctl", "restart", name], check=False, timeout=120)
        if restarted.status != 0 or not await self.succeeds("systemctl", "is-active", "--quiet", name):
            log = await self.run(["journalctl", "-u", name, "-n", "5", "--no-pager", "-o", "cat"], check=False)
            said = log.text.strip() or restarted.stderr.decode(errors="replace").strip()
            raise StepFailed(f"{name} does not start: {said.splitlines()[-1] if said else 'it left no log'}")
