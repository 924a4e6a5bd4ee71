"""The string formats that upstream's schemas check. Others are notes for the reader and hold anything. Pure.

Source: k8s.io/kube-openapi/pkg/validation/strfmt.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
import uuid
from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlsplit

_HOST = re.compile(r"([a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)(\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_MAC = re.compile(r"([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}")
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:?\d\d)")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_HEX_COLOR = re.compile(r"#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})")
_RGB_COLOR = re.compile(r"rgb\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*\)")
_BSON_ID = re.compile("[0-9a-fA-F]{24}")
_CREDIT_CARD = re.compile(
    r"(?:4\d{12}(?:\d{3})?|5[1-5]\d{14}|6(?:011|5\d\d)\d{12}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}|"
    r"(?:2131|1800|35\d{3})\d{11})"
)
_SSN = re.compile(r"\d{3}[- ]?\d{2}[- ]?\d{4}")
_SHORT_NAME = re.compile("[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_WORDY = re.compile(r"(\d+)\s*(ns|nano|us|µs|micro|ms|milli|s|sec|second|m|min|minute|h|hr|hour|d|day|w|wk|week)s?")


def duration_seconds(text: str) -> float | None:
    """A duration as Go writes it (`1h30m`), in seconds; None when it is none."""
    sign, rest = (-1.0, text[1:]) if text.startswith("-") else (1.0, text.removeprefix("+"))
    if rest == "0":
        return 0.0
    total, at = 0.0, 0
    while at < len(rest):
        part = _PART.match(rest, at)
        if part is None:
            return None
        total += float(part[1]) * _UNITS[part[2]]
        at = part.end()
    return sign * total if at else None


def duration_text(seconds: float) -> str:
    """Seconds as CEL prints a duration: `90s`, `1.5s`."""
    return f"{int(seconds)}s" if seconds == int(seconds) else f"{seconds:.9f}".rstrip("0") + "s"


def _parses(read: Callable[[str], object]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            read(text)
        except ValueError:
            return False
        return True

    return check


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error


def _is_date_time(text: str) -> bool:
    return _DATE_TIME.fullmatch(text) is not None and _parses(datetime.fromisoformat)(text.upper())


def _is_uri(text: str) -> bool:
    try:
        return bool(urlsplit(text).scheme) or text.startswith("/")
    except ValueError:
        return False


def _is_isbn10(text: str) -> bool:
    digits = re.sub("[ -]", "", text)
    if re.fullmatch(r"\d{9}[\dXx]", digits) is None:
        return False
    return sum(at * (10 if digit in "Xx" else int(digit)) for at, digit in enumerate(digits, 1)) % 11 == 0


def _is_isbn13(text: str) -> bool:
    digits = re.sub("[ -]", "", text)
    if re.fullmatch(r"97[89]\d{10}", digits) is None:
        return False
    return sum(int(digit) * (3 if at % 2 else 1) for at, digit in enumerate(digits)) % 10 == 0


def _is_credit_card(text: str) -> bool:
    digits = re.sub("[^0-9]", "", text)
    if _CREDIT_CARD.fullmatch(digits) is None:
        return False
    doubled = (int(digit) * (1 + at % 2) for at, digit in enumerate(reversed(digits)))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def _is_uuid_of(version: int) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            return uuid.UUID(text).version == version
        except ValueError:
            return False

    return check


def _is_long_name(text: str) -> bool:
    return len(text) <= 253 and all(_SHORT_NAME.fullmatch(part) is not None for part in text.split("."))


FORMATS: dict[str, Callable[[str], bool]] = {
    "bsonobjectid": lambda text: _BSON_ID.fullmatch(text) is not None,
    "byte": _parses(_decoded),
    "cidr": lambda text: "/" in text and _parses(lambda t: ipaddress.ip_network(t, strict=False))(text),
    "creditcard": _is_credit_card,
    "date": lambda text: _DATE.fullmatch(text) is not None and _parses(datetime.fromisoformat)(text),
    "date-time": _is_date_time,
    "datetime": _is_date_time,
    "duration": lambda text: duration_seconds(text) is not None or _WORDY.fullmatch(text) is not None,
    "email": lambda text: _EMAIL.fullmatch(text) is not None,
    "hexcolor": lambda text: _HEX_COLOR.fullmatch(text) is not None,
    "hostname": lambda text: len(text) <= 255 and _HOST.fullmatch(text) is not None,
    "ipv4": _parses(ipaddress.IPv4Address),
    "ipv6": _parses(ipaddress.IPv6Address),
    "isbn": lambda text: _is_isbn10(text) or _is_isbn13(text),
    "isbn10": _is_isbn10,
    "isbn13": _is_isbn13,
    "k8s-long-name": _is_long_name,
    "k8s-short-name": lambda text: len(text) <= 63 and _SHORT_NAME.fullmatch(text) is not None,
    "mac": lambda text: _MAC.fullmatch(text) is not None,
    "rgbcolor": lambda text: _RGB_COLOR.fullmatch(text) is not None,
    "uri": _is_uri,
    "ssn": lambda text: _SSN.fullmatch(text) is not None,
    "uuid": _parses(uuid.UUID),
    "uuid3": _is_uuid_of(3),
    "uuid4": _is_uuid_of(4),
    "uuid5": _is_uuid_of(5),
}


def holds(name: str, text: str) -> bool:
    """Whether a text is of a format; one that nobody knows takes anything."""
    check = FORMATS.get(name)
    return check is None or check(text)
