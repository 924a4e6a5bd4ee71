"""What the disk may not show: values under some keys are encrypted on their way to the medium, and only there.

The form is upstream's AES-GCM provider (apiserver/pkg/storage/value/encrypt/aes): a prefix that names the key, a nonce
of 12 bytes, the ciphertext; the store's key is authenticated along with it, so no value can be moved to another place.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import os
from collections.abc import Callable, Mapping

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from engine.store.errors import KeyMissing, RevisionMismatch, StoreCorrupt, StoreUnavailable
from engine.store.protocol import Store

log = structlog.get_logger(__name__)

_MARK = b"k8s:enc:aesgcm:v1:"
_NONCE = 12


class Sealing:
    """Encrypts values whose key begins with one of `prefixes`, by the first of `keys`; opens those of any."""

    def __init__(
        self,
        keys: Mapping[str, bytes],
        prefixes: tuple[str, ...],
        read_again: Callable[[], Mapping[str, bytes]] | None = None,
    ) -> None:
        """`keys`: 16, 24 or 32 bytes by id. `read_again` gives them anew when one is met that is not among them."""
        self._prefixes = prefixes
        self._read_again = read_again
        self._use(keys)

    def _use(self, keys: Mapping[str, bytes]) -> None:
        self._ciphers = {name: AESGCM(key) for name, key in keys.items()}
        name = next(iter(keys), "")
        self._primary = self._ciphers.get(name)
        self._mark = b"%b%b:" % (_MARK, name.encode())

    def seal(self, key: str, value: bytes) -> bytes:
        """What the medium holds for `value`."""
        if self._primary is None or not key.startswith(self._prefixes):
            return value
        nonce = os.urandom(_NONCE)
        return self._mark + nonce + self._primary.encrypt(nonce, value, key.encode())

    def unseal(self, key: str, stored: bytes) -> bytes:
        """The value; what was never sealed is returned as it is. Raises StoreCorrupt."""
        if not stored.startswith(_MARK):
            return stored
        name, colon, rest = stored[len(_MARK) :].partition(b":")
        cipher = self._cipher(name.decode(errors="replace"))
        if cipher is None or not colon:
            raise StoreCorrupt(
                f"{key} is encrypted with the key {name.decode(errors='replace')!r}, which is not in secrets.key; "
                "put back the pki folder that belongs to this store"
            )
        try:
            return cipher.decrypt(rest[:_NONCE], rest[_NONCE:], key.encode())
        except InvalidTag as error:
            raise StoreCorrupt(f"{key} cannot be decrypted with the key {name.decode()!r} in secrets.key") from error

    def _cipher(self, name: str) -> AESGCM | None:
        if name not in self._ciphers and self._read_again is not None:
            # Another engine may have begun to use a new key of the folder that we share.
            self._use(self._read_again())
        return self._ciphers.get(name)

    def is_current(self, key: str, stored: bytes) -> bool:
        """Whether `seal` would use the same key and form."""
        return self._primary is None or not key.startswith(self._prefixes) or stored.startswith(self._mark)


async def reseal(store: Store, stale: Mapping[str, bytes]) -> None:
    """Write anew, sealed as it should be, what the medium holds in an older form: values as they were read, by key."""

    async def write(key: str, value: bytes) -> None:
        record = store.latest(key)
        if record is not None:
            try:
                await store.update(key, value, record.revision)
            except (RevisionMismatch, KeyMissing):
                # Somebody else wrote it in the meantime, sealed like any write.
                return

    if not stale:
        return
    try:
        await asyncio.gather(*(write(key, value) for key, value in stale.items()))
    except StoreUnavailable as error:
        log.warning("secrets could not be encrypted anew; trying at the next start", error=str(error))
    else:
        log.info("secrets encrypted anew on disk", count=len(stale))


OPEN = Sealing({}, ())
"""Seals nothing."""


def parse_keys(text: str) -> dict[str, bytes]:
    """Keys as a file holds them, `id:base64` a line, the one to encrypt with first. Raises ValueError."""
    keys: dict[str, bytes] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        name, _, encoded = line.strip().partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
            AESGCM(key)
        except (binascii.Error, ValueError) as error:
            raise ValueError(f"line {number} is not an id, a colon and an AES key in base64") from error
        keys[name] = key
    return keys


def format_keys(keys: Mapping[str, bytes]) -> str:
    return "".join(f"{name}:{base64.b64encode(key).decode()}\n" for name, key in keys.items())
