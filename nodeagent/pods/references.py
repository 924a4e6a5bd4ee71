"""ConfigMaps and Secrets that pods refer to: fetched one by one, kept for a while, remembered on disk.

Only what a pod of this machine names is ever asked for. The copy on disk lets pods start again while the engine
is away, after a reboot too; it is readable by root alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import structlog

from apimachinery.aio.clock import Clock
from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import NotFound, StatusError
from apimachinery.objects.resources import CONFIGMAPS, SECRETS
from nodeagent import disk
from nodeagent.volumes.objects import (
    CONFIG_MAP,
    SECRET,
    ConfigMap,
    Contents,
    MissingReference,
    Reference,
    Secret,
    decode_content,
    encode_content,
)

log = structlog.get_logger(__name__)
REFRESH_SECONDS = 60.0
Key = tuple[str, str, str]
"""(namespace, kind, name)"""


class References:
    """`folder` holds one file for each object."""

    def __init__(self, client: Client, folder: Path, clock: Clock) -> None:
        self._client = client
        self._folder = folder
        self._clock = clock
        self._found: dict[Key, tuple[float, Mapping[str, bytes] | None]] = {}

    async def contents(self, namespace: str, wanted: Iterable[Reference], *, max_age: float) -> Contents:
        """What the objects hold, at most `max_age` seconds old while the engine answers, else as last known.

        Raises MissingReference when an object cannot be had and was never known.
        """
        found: dict[Reference, Mapping[str, bytes]] = {}
        for kind, name in sorted(wanted):
            content = await self._content((namespace, kind, name), max_age)
            if content is not None:
                found[kind, name] = content
        return Contents(found)

    def keep_only(self, keys: set[Key]) -> None:
        """Forget, on disk too, what no pod refers to any more."""
        for key in self._found.keys() - keys:
            del self._found[key]
        if self._folder.is_dir():
            wanted = {self._file(key) for key in keys}
            for file in self._folder.iterdir():
                if file not in wanted:
                    file.unlink(missing_ok=True)

    async def _content(self, key: Key, max_age: float) -> Mapping[str, bytes] | None:
        known = self._found.get(key)
        now = self._clock.monotonic()
        if known is not None and known[1] is not None and now - known[0] < max_age:
            return known[1]
        try:
            content = await self._fetch(*key)
        except NotFound:
            content = None
            self._file(key).unlink(missing_ok=True)
        except (ConnectionFailed, StatusError) as error:
            if known is not None and known[1] is not None:
                return known[1]
            remembered = self._remembered(key)
            if remembered is None:
                raise MissingReference(f'failed to fetch {key[1]} "{key[2]}": {error}') from error
            return remembered
        if content is not None and (known is None or known[1] != content):
            disk.write_private(self._file(key), encode_content(content))
        self._found[key] = (now, content)
        return content

    async def _fetch(self, namespace: str, kind: str, name: str) -> Mapping[str, bytes]:
        if kind == CONFIG_MAP:
            return (await self._client.get(CONFIGMAPS, name, namespace, view=ConfigMap)).content()
        if kind == SECRET:
            return (await self._client.get(SECRETS, name, namespace, view=Secret)).content()
        raise MissingReference(f"unknown kind of reference: {kind}")

    def _remembered(self, key: Key) -> Mapping[str, bytes] | None:
        raw = disk.read_if_there(self._file(key))
        return None if raw is None else decode_content(raw)

    def _file(self, key: Key) -> Path:
        namespace, kind, name = key
        return self._folder / f"{namespace}_{kind}_{name}.json"
