"""An object as a text to edit, and what was edited as a patch. Pure."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import yaml

from tui.patching import merge_patch, named, places, value_at, written
from tui.yamltext import to_yaml

JSON = dict[str, Any]
_FIXED = ("apiVersion", "kind")


class NotUsable(ValueError):
    """The text cannot be taken; the message says why, with the line where there is one."""


def text_of(obj: Mapping[str, Any]) -> str:
    """What people edit: without status and what the server keeps; a Secret's values readable under stringData."""
    return to_yaml(_readable(written(obj)))


def patch_of(original: Mapping[str, Any], text: str) -> JSON:
    """What the edited text changes of the object, as a merge patch; empty for nothing. Raises NotUsable."""
    edited = _parsed(text)
    before = _readable(written(original))
    for key in _FIXED:
        if edited.get(key) != before.get(key):
            raise NotUsable(f"{key} cannot be changed: make a new object for that")
    for key in ("name", "namespace"):
        if (edited.get("metadata") or {}).get(key) != before["metadata"].get(key):
            raise NotUsable(f"metadata.{key} cannot be changed: make a new object for that")
    patch = merge_patch(before, edited)
    if original.get("kind") == "Secret" and "stringData" in patch:
        patch = _encoded(patch, original)
    return patch


def changed_meanwhile(original: Mapping[str, Any], latest: Mapping[str, Any], patch: Mapping[str, Any]) -> list[str]:
    """Places of the patch that somebody else has written since the text was made."""
    return [named(place) for place in places(patch) if value_at(original, place) != value_at(latest, place)]


def _parsed(text: str) -> JSON:
    try:
        edited = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}: " if mark is not None else ""
        raise NotUsable(f"{where}{error.problem or error}") from error
    except yaml.YAMLError as error:
        raise NotUsable(str(error)) from error
    if not isinstance(edited, dict) or not isinstance(edited.get("metadata"), dict):
        raise NotUsable("this is not an object: apiVersion, kind and metadata are needed")
    return edited


def _readable(obj: JSON) -> JSON:
    """A Secret whose values are texts shows them as stringData; what is no text stays in data."""
    if obj.get("kind") != "Secret" or not obj.get("data"):
        return obj
    texts: dict[str, str] = {}
    rest: dict[str, str] = {}
    for key, value in obj["data"].items():
        text = _decoded(value)
        if text is None:
            rest[key] = value
        else:
            texts[key] = text
    shown = {key: value for key, value in obj.items() if key != "data"}
    return shown | ({"stringData": texts} if texts else {}) | ({"data": rest} if rest else {})


def _decoded(value: str) -> str | None:
    try:
        text = base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    return text if all(char.isprintable() or char in "\n\t\r" for char in text) else None


def _encoded(patch: JSON, original: Mapping[str, Any]) -> JSON:
    texts: Mapping[str, Any] | None = patch["stringData"]
    if texts is None:
        texts = {key: None for key, value in (original.get("data") or {}).items() if _decoded(value) is not None}
    data = dict(patch.get("data") or {})
    for key, value in texts.items():
        data[key] = None if value is None else base64.b64encode(str(value).encode()).decode()
    return {key: value for key, value in patch.items() if key != "stringData"} | {"data": data}
