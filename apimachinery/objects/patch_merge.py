"""JSON merge patch (RFC 7386): maps are merged, null removes, everything else replaces."""

from typing import Any


def apply(document: Any, patch: Any) -> Any:
    """The patched document; shares what the patch does not touch with the one given."""
    if not isinstance(patch, dict):
        return patch
    merged: dict[str, Any] = dict(document) if isinstance(document, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = apply(merged.get(key), value)
    return merged


def diff(before: Any, after: Any) -> Any:
    """The smallest merge patch that turns `before` into `after`. Neither may hold nulls, which no patch can express."""
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return after
    patch: dict[str, Any] = dict.fromkeys(before.keys() - after.keys())
    for key, value in after.items():
        if key not in before:
            patch[key] = value
        elif before[key] != value or type(before[key]) is not type(value):
            patch[key] = diff(before[key], value)
    return patch
