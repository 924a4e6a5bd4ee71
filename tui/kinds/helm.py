"""Helm's releases, as it keeps them in Secrets: gzipped JSON in base64, once more than Secrets do. Pure."""

import base64
import binascii
import zlib
from typing import Any

import msgspec

JSON = dict[str, Any]
SELECTOR = "owner=helm"
MOST = 64 * 1024 * 1024
"""Bytes that a release may unpack to; a Secret holds at most one megabyte, packed."""


class Metadata(msgspec.Struct, frozen=True, rename="camel"):
    name: str = ""
    version: str = ""
    app_version: str = ""


class Chart(msgspec.Struct, frozen=True):
    metadata: Metadata = Metadata()
    values: JSON = {}


class Info(msgspec.Struct, frozen=True):
    status: str = ""
    description: str = ""
    notes: str = ""
    last_deployed: str = ""


class Release(msgspec.Struct, frozen=True):
    """One revision of a release. `config` are the values that the user gave, `chart.values` the chart's own."""

    name: str = ""
    namespace: str = ""
    version: int = 0
    info: Info = Info()
    chart: Chart = Chart()
    config: JSON | None = None
    manifest: str = ""

    @property
    def chart_words(self) -> str:
        return f"{self.chart.metadata.name}-{self.chart.metadata.version}"


def decode(secret: JSON) -> Release:
    """Raises ValueError when the Secret holds no release that can be read."""
    try:
        packed = base64.b64decode(base64.b64decode((secret.get("data") or {})["release"], validate=True))
        if packed[:2] == b"\x1f\x8b":
            unpacker = zlib.decompressobj(wbits=31)
            packed = unpacker.decompress(packed, MOST)
            if unpacker.unconsumed_tail:
                raise ValueError("the release is larger than any that helm makes")
        return msgspec.json.decode(packed, type=Release)
    except (KeyError, TypeError, binascii.Error, zlib.error, msgspec.MsgspecError) as error:
        name = (secret.get("metadata") or {}).get("name", "")
        raise ValueError(f"secret {name} holds no release that can be read: {error}") from error


def all_values(release: Release) -> JSON:
    """The chart's values with the user's over them, as templates saw them."""
    return _merged(release.chart.values, release.config or {})


def _merged(below: JSON, above: JSON) -> JSON:
    result = dict(below)
    for key, value in above.items():
        inner = result.get(key)
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(inner, dict):
            result[key] = _merged(inner, value)
        else:
            result[key] = value
    return result


def rollback_words(release: Release, revision: int, context: str) -> list[str]:
    """The command line that goes back."""
    return [
        "helm",
        "rollback",
        release.name,
        str(revision),
        "--namespace",
        release.namespace,
        "--kube-context",
        context,
    ]
