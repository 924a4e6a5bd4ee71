"""JSON Web Tokens signed with ES256, and the key set by which others can verify them. RFC 7515, 7517, 7518.

The one algorithm that our key has: a library for all of them takes longer to load than the whole engine may to start.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

_HASH = ec.ECDSA(hashes.SHA256())
_SIZE = 32


class BadToken(Exception):
    """Not a token that this key signed."""


class SigningKey:
    """Signs and verifies with one P-256 key."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self._public = key.public_key()
        der = self._public.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )  # fmt: skip
        self.key_id = _encoded(hashlib.sha256(der).digest())
        """As upstream names keys, so that relying parties find it in the key set."""

    def sign(self, claims: dict[str, Any]) -> str:
        """The compact form."""
        header = {"alg": "ES256", "kid": self.key_id}
        signed = f"{_encoded(msgspec.json.encode(header))}.{_encoded(msgspec.json.encode(claims))}"
        r, s = decode_dss_signature(self._key.sign(signed.encode(), _HASH))
        return f"{signed}.{_encoded(r.to_bytes(_SIZE, 'big') + s.to_bytes(_SIZE, 'big'))}"

    def verified(self, token: str) -> bytes:
        """The claims as JSON. Raises BadToken."""
        try:
            header_text, claims_text, signature_text = token.split(".")
            header: dict[str, Any] = msgspec.json.decode(_decoded(header_text), type=dict[str, Any])
            signature = _decoded(signature_text)
        except (ValueError, msgspec.MsgspecError) as error:
            raise BadToken("not a signed token") from error
        if header.get("alg") != "ES256" or header.get("kid", self.key_id) != self.key_id:
            raise BadToken("signed with another key or algorithm")
        if len(signature) != 2 * _SIZE:
            raise BadToken("malformed signature")
        r, s = int.from_bytes(signature[:_SIZE], "big"), int.from_bytes(signature[_SIZE:], "big")
        try:
            self._public.verify(encode_dss_signature(r, s), f"{header_text}.{claims_text}".encode(), _HASH)
            return _decoded(claims_text)
        except InvalidSignature as error:
            raise BadToken("the signature is invalid") from error
        except ValueError as error:
            raise BadToken("malformed claims") from error

    def key_set(self) -> dict[str, Any]:
        """The public key as a JWK set."""
        numbers = self._public.public_numbers()
        x, y = (_encoded(number.to_bytes(_SIZE, "big")) for number in (numbers.x, numbers.y))
        return {
            "keys": [
                {"use": "sig", "kty": "EC", "kid": self.key_id, "crv": "P-256", "alg": "ES256", "x": x, "y": y}
            ]
        }  # fmt: skip


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    """Strictly: two texts must not stand for one token."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("not base64url") from error
    if _encoded(raw) != text:
        raise ValueError("not canonical base64url")
    return raw
