"""The published definitions of the API's types, read when first asked for.

The file holds some 770 definitions in 1.6 MB. They are cut into slices of the one buffer (2 ms) and each is decoded
when something needs it: an engine that serves a dozen kinds never decodes most of them.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

VERSION = "v1.36.0"
_FILE = f"kubernetes-json-schema/{VERSION}-local/_definitions.json"
_REFERENCE = "#/$defs/"
# The first part of a definition's name for groups whose types live outside k8s.io/api.
_ELSEWHERE = {
    "apiextensions.k8s.io": "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions",
    "apiregistration.k8s.io": "io.k8s.kube-aggregator.pkg.apis.apiregistration",
    "meta.k8s.io": "io.k8s.apimachinery.pkg.apis.meta",
}


class Property(msgspec.Struct, frozen=True):
    """A field's type, or that of a list's or map's values."""

    type: str | list[str] | None = None
    format: str = ""
    ref: str = msgspec.field(default="", name="$ref")
    items: Property | None = None
    additional_properties: Property | bool | None = msgspec.field(default=None, name="additionalProperties")
    one_of: list[Any] | None = msgspec.field(default=None, name="oneOf")
    patch_strategy: str = msgspec.field(default="", name="x-kubernetes-patch-strategy")
    patch_merge_key: str = msgspec.field(default="", name="x-kubernetes-patch-merge-key")
    list_type: str = msgspec.field(default="", name="x-kubernetes-list-type")
    list_map_keys: list[str] = msgspec.field(default_factory=list[str], name="x-kubernetes-list-map-keys")
    map_type: str = msgspec.field(default="", name="x-kubernetes-map-type")

    @property
    def plain_type(self) -> str:
        """The JSON type, without the `null` that marks a field as optional."""
        if isinstance(self.type, list):
            return next((name for name in self.type if name != "null"), "")
        return self.type or ""

    @property
    def target(self) -> str:
        """The name of the definition referred to; empty when the type stands here."""
        return self.ref.removeprefix(_REFERENCE)


class Definition(Property, frozen=True):
    """A named type: an object with properties, or a scalar with a format."""

    properties: dict[str, Property] | None = None
    required: list[str] = msgspec.field(default_factory=list[str])


class _File(msgspec.Struct):
    definitions: dict[str, msgspec.Raw] = msgspec.field(name="$defs")


@cache
def slices() -> dict[str, msgspec.Raw]:
    """All definitions as bytes, by name: `io.k8s.api.core.v1.Pod`."""
    spec = find_spec("kubernetes_validate")
    if spec is None or spec.origin is None:
        raise RuntimeError("the kubernetes-validate package, which carries the API's definitions, is not installed")
    return msgspec.json.decode((Path(spec.origin).parent / _FILE).read_bytes(), type=_File).definitions


@cache
def definition(name: str) -> Definition:
    """One definition. Raises KeyError when there is none of this name."""
    return msgspec.json.decode(slices()[name], type=Definition)


def name_of(group: str, version: str, kind: str) -> str:
    """The definition's name of a served kind."""
    package = _ELSEWHERE.get(group) or f"io.k8s.api.{group.split('.', maxsplit=1)[0] or 'core'}"
    return f"{package}.{version}.{kind}"
