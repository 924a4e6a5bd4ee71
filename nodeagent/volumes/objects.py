"""The objects that volumes and environments read: ConfigMaps and Secrets as plain bytes by key."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import msgspec

from apimachinery.objects.meta import Object
from nodeagent.volumes.view import ServiceAccountTokenSource

CONFIG_MAP, SECRET, TOKEN = "configmap", "secret", "token"
Reference = tuple[str, str]
"""(kind, name) of an object in the pod's own namespace."""


class ConfigMap(Object, frozen=True, rename="camel"):
    data: dict[str, str] = {}
    binary_data: dict[str, str] = {}

    def content(self) -> dict[str, bytes]:
        text = {key: value.encode() for key, value in self.data.items()}
        return text | {key: base64.b64decode(value) for key, value in self.binary_data.items()}


class Secret(Object, frozen=True, rename="camel"):
    type: str = ""
    data: dict[str, str] = {}

    def content(self) -> dict[str, bytes]:
        return {key: base64.b64decode(value) for key, value in self.data.items()}


class Contents:
    """What each referenced object holds; a missing one is known to be missing."""

    def __init__(self, found: Mapping[Reference, Mapping[str, bytes]]) -> None:
        self._found = found

    def joined(self, more: Mapping[Reference, Mapping[str, bytes]]) -> Contents:
        """These and more."""
        return Contents({**self._found, **more})

    def get(self, kind: str, name: str, *, optional: bool) -> Mapping[str, bytes]:
        """The keys of an object; an absent optional one is empty. Raises MissingReference."""
        content = self._found.get((kind, name))
        if content is None:
            if optional:
                return {}
            raise MissingReference(f'{kind} "{name}" not found')
        return content


class MissingReference(Exception):
    """A volume or an environment variable names an object or a key that is not there."""


def token_key(source: ServiceAccountTokenSource) -> str:
    """The name under which a token for this audience and life is found among a pod's contents."""
    return f"{source.expiration_seconds} {source.audience}"


def encode_content(content: Mapping[str, bytes]) -> bytes:
    """For the disk cache."""
    return msgspec.json.encode(dict(content))


def decode_content(raw: bytes) -> dict[str, bytes]:
    return msgspec.json.decode(raw, type=dict[str, bytes])
