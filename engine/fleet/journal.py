"""What we have changed on a machine outside our own folders, so that leaving undoes exactly that.

The journal lies on the machine (/var/lib/pilothouse/journal.json) and is written before a change is made: after a
crash it may name a change that did not happen, never the other way round. Undoing is therefore always tolerant.
Our own folders need no entry: they are removed whole.
"""

from __future__ import annotations

import msgspec

OWN_FOLDERS = ("/etc/pilothouse", "/opt/pilothouse", "/var/lib/pilothouse", "/run/pilothouse")
PATH = "/var/lib/pilothouse/journal.json"
CLUSTER_PATH = "/var/lib/pilothouse/cluster"


class FileWritten(msgspec.Struct, frozen=True, tag="file", rename="camel"):
    """A file was made or replaced; `before` is its old content in base64, None when there was none."""

    path: str
    before: str | None = None
    mode: str = "0644"


class LineAdded(msgspec.Struct, frozen=True, tag="line", rename="camel"):
    """A line was added to a file of user `user`, such as authorized_keys; `created` when the file was not there."""

    path: str
    line: str
    user: str
    created: bool = False


class UnitInstalled(msgspec.Struct, frozen=True, tag="unit", rename="camel"):
    """A systemd unit of ours was installed and enabled."""

    name: str


class PackagesInstalled(msgspec.Struct, frozen=True, tag="packages", rename="camel"):
    """Packages of the distribution that were not there before."""

    names: tuple[str, ...]


class SysctlSet(msgspec.Struct, frozen=True, tag="sysctl", rename="camel"):
    """A kernel setting was changed in the running kernel."""

    key: str
    before: str


Entry = FileWritten | LineAdded | UnitInstalled | PackagesInstalled | SysctlSet


class Journal(msgspec.Struct, frozen=True, rename="camel"):
    """Entries in the order in which the changes were made."""

    node: str = ""
    cluster: str = ""
    entries: tuple[Entry, ...] = ()

    def adding(self, entry: Entry) -> Journal:
        """With one entry more; the first record of a thing is the one that knows what was there before us."""
        if any(_subject(known) == _subject(entry) for known in self.entries):
            return self
        return msgspec.structs.replace(self, entries=(*self.entries, entry))

    def to_json(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=1)


def read(content: bytes) -> Journal:
    """Raises ValueError when it is no journal of ours."""
    try:
        return msgspec.json.decode(content, type=Journal)
    except msgspec.MsgspecError as error:
        raise ValueError(f"{PATH}: {error}") from error


def _subject(entry: Entry) -> tuple[str, ...]:
    """What an entry is about."""
    match entry:
        case FileWritten(path=path):
            return ("file", path)
        case LineAdded(path=path, line=line):
            return ("line", path, line)
        case UnitInstalled(name=name):
            return ("unit", name)
        case PackagesInstalled(names=names):
            return ("packages", *names)
        case SysctlSet(key=key):
            return ("sysctl", key)
