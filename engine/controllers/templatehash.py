"""A short name for a pod template, safe in names and labels."""

from typing import Any

import msgspec

_SAFE_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
"""No vowels and no look-alikes, so that no hash reads as a word."""


def digest(template: dict[str, Any], collisions: int | None) -> str:
    """FNV-1a of the sorted JSON; `collisions` makes another name for the same template."""
    value = 0x811C9DC5
    text = msgspec.json.encode(template, order="sorted")
    for byte in text + (str(collisions).encode() if collisions else b""):
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return "".join(_SAFE_LETTERS[ord(digit) % len(_SAFE_LETTERS)] for digit in str(value))
