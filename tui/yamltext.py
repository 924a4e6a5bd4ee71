"""Objects as YAML lines with roles, and the differences between two of them. Pure."""

import difflib
import re
from collections.abc import Mapping
from typing import Any

import yaml

from tui.document import Line, Span
from tui.tones import Tone

try:
    from yaml import CSafeDumper as _BaseDumper
except ImportError:  # PyYAML built without libyaml
    from yaml import SafeDumper as _BaseDumper  # type: ignore[assignment]


class _Dumper(_BaseDumper):  # type: ignore[misc,valid-type]
    """Multi-line texts as blocks, as people write them."""


def _text(dumper: Any, value: str) -> Any:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)

_NOISE = ("managedFields",)


def to_yaml(obj: Mapping[str, Any], *, managed_fields: bool = False) -> str:
    shown = dict(obj)
    if not managed_fields and isinstance(shown.get("metadata"), dict):
        shown["metadata"] = {k: v for k, v in shown["metadata"].items() if k not in _NOISE}
    return yaml.dump(shown, Dumper=_Dumper, sort_keys=False, default_flow_style=False, allow_unicode=True, width=10_000)


_KEYED = re.compile(r"^(?P<lead>[\s-]*?)(?P<dash>(?:- )*)(?P<key>[^\s:][^:]*?|\"[^\"]+\"|'[^']+'):(?P<rest>\s.*|)$")
_NUMBER = re.compile(r"^-?\d+(\.\d+)?$")
_KEYWORDS = frozenset({"true", "false", "null", "~", "{}", "[]"})
_BLOCK = re.compile(r":?\s*[|>][+-]?\d*$")


def yaml_lines(text: str) -> list[Line]:
    """Colours by line: enough for YAML that we printed ourselves."""
    lines: list[Line] = []
    block_indent = -1
    for raw in text.rstrip("\n").split("\n"):
        indent = len(raw) - len(raw.lstrip(" "))
        if block_indent >= 0 and (indent > block_indent or not raw.strip()):
            lines.append(((raw, Tone.STRING),))
            continue
        block_indent = -1
        lines.append(_line(raw))
        if _BLOCK.search(raw):
            block_indent = indent
    return lines


def _line(raw: str) -> Line:
    match = _KEYED.match(raw)
    if match is None:
        body = raw.lstrip(" -")
        lead = raw[: len(raw) - len(body)]
        return ((lead, Tone.FAINT), _scalar(body))
    lead = match["lead"] + match["dash"]
    rest = match["rest"]
    spans: list[Span] = [(lead, Tone.FAINT), (match["key"], Tone.KEY), (":", Tone.FAINT)]
    if rest:
        spans.append(_scalar(rest))
    return tuple(spans)


def _scalar(text: str) -> Span:
    bare = text.strip()
    if bare in _KEYWORDS:
        return (text, Tone.KEYWORD)
    if _NUMBER.match(bare):
        return (text, Tone.NUMBER)
    return (text, Tone.STRING)


_SERVER_OWNED = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp")


def comparable(obj: Mapping[str, Any]) -> dict[str, Any]:
    """The object without what the server keeps for itself: status, versions, managed fields."""
    shown = {key: value for key, value in obj.items() if key != "status"}
    if isinstance(shown.get("metadata"), dict):
        shown["metadata"] = {k: v for k, v in shown["metadata"].items() if k not in _SERVER_OWNED}
    return shown


def diff_lines(before: Mapping[str, Any], after: Mapping[str, Any], *, context: int = 3) -> list[Line]:
    """A unified diff of two objects, without file headers; empty when they say the same."""
    old = to_yaml(before).splitlines()
    new = to_yaml(after).splitlines()
    lines: list[Line] = []
    for text in list(difflib.unified_diff(old, new, n=context, lineterm=""))[2:]:
        if text.startswith("@@"):
            if lines:
                lines.append((("  ⋯", Tone.FAINT),))
        elif text.startswith("+"):
            lines.append((("+ " + text[1:], Tone.ADDED),))
        elif text.startswith("-"):
            lines.append((("- " + text[1:], Tone.REMOVED),))
        else:
            lines.append((("  " + text[1:], Tone.MUTED),))
    return lines
