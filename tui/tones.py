"""Roles that colours play; themes say which colour, kinds say which role. Pure."""

from enum import StrEnum


class Tone(StrEnum):
    TEXT = "text"
    OK = "ok"
    WARN = "warn"
    BAD = "bad"
    MUTED = "muted"
    FAINT = "faint"
    ACCENT = "accent"
    INFO = "info"
    HEADING = "heading"
    KEY = "key"
    STRING = "string"
    NUMBER = "number"
    KEYWORD = "keyword"
    ADDED = "added"
    REMOVED = "removed"
    SOURCE_1 = "source-1"
    SOURCE_2 = "source-2"
    SOURCE_3 = "source-3"
    SOURCE_4 = "source-4"
    SOURCE_5 = "source-5"
    SOURCE_6 = "source-6"
    SOURCE_7 = "source-7"
    SOURCE_8 = "source-8"


SOURCES = tuple(tone for tone in Tone if tone.startswith("source-"))
"""Told apart side by side: one per followed container, used round and round."""
