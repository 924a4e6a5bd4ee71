"""What the disk may not show: values under some keys are encrypted on their way to the medium, and only there.

The form is upstream's AES-GCM provider (apiserver/pkg/storage/value/encrypt/aes): a prefix that names the key, a nonce
of 12 bytes, the ciphertext; the store's key is authenticated along with it, so no value can be moved to another place.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from engine.store.errors import StoreCorrupt

_MARK = b"k8s:enc:aesgcm:v1:"
_NONCE = 12


class Sealing:
    """Encrypts values whose key begins with one of `prefixes`, by the first of `keys`; opens those of any."""

    def __init__(self, keys: Mapping[str, bytes], prefixes: tuple[str, ...]) -> None:
        """`keys`: 16, 24 or 32 bytes by id."""
        self._ciphers = {name: AESGCM(key) for name, key in keys.items()}
        self._prefixes = prefixes
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
        cipher = self._ciphers.get(name.decode(errors="replace"))
        if cipher is None or not colon:
            raise StoreCorrupt(
                f"{key} is encrypted with the key {name.decode(errors='replace')!r}, which is not in secrets.key; "
                "put back the pki folder that belongs to this store"
            )
        try:
            return cipher.decrypt(rest[:_NONCE], rest[_NONCE:], key.encode())
        except InvalidTag as error:
            raise StoreCorrupt(f"{key} cannot be decrypted with the key {name.decode()!r} in secrets.key") from error

    def is_current(self, key: str, stored: bytes) -> bool:
        """Whether `seal` would use the same key and form."""
        return self._primary is None or not key.startswith(self._prefixes) or stored.startswith(self._mark)


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
