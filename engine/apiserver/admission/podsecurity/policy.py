"""Which level of which version a namespace's labels ask for. Pure.

Source: k8s.io/pod-security-admission/api/{helpers,constants}.go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from apimachinery.objects.field import FieldError, invalid

Level = Literal["privileged", "baseline", "restricted"]
Mode = Literal["enforce", "audit", "warn"]

_LEVELS: tuple[Level, ...] = ("privileged", "baseline", "restricted")
_KNOWN: Mapping[str, Level] = {level: level for level in _LEVELS}
_PREFIX = "pod-security.kubernetes.io/"
_VERSION = re.compile(r"v1\.(0|[1-9][0-9]*)")

LATEST = 1 << 30
"""The minor version that stands for `latest`."""


@dataclass(frozen=True, slots=True)
class LevelVersion:
    """A level as one release of Kubernetes understood it."""

    level: Level = "privileged"
    minor: int = LATEST

    def __str__(self) -> str:
        return f"{self.level}:{'latest' if self.minor == LATEST else f'v1.{self.minor}'}"

    def equivalent(self, other: LevelVersion) -> bool:
        """Whether both ask for the same; all versions of privileged do."""
        return self == other or self.level == other.level == "privileged"

    def stricter(self, other: LevelVersion) -> bool:
        """Whether this level forbids more, versions left aside."""
        return _LEVELS.index(self.level) > _LEVELS.index(other.level)


@dataclass(frozen=True, slots=True)
class Policy:
    """What a namespace enforces, notes for the audit log, and warns of."""

    enforce: LevelVersion = LevelVersion()
    audit: LevelVersion = LevelVersion()
    warn: LevelVersion = LevelVersion()

    @property
    def fully_privileged(self) -> bool:
        return self.enforce.level == self.audit.level == self.warn.level == "privileged"


PRIVILEGED = Policy()


def policy_of(labels: Mapping[str, str], defaults: Policy = PRIVILEGED) -> tuple[Policy, list[FieldError]]:
    """The policy that labels ask for, and what is wrong with them. What cannot be read fails closed for enforce."""
    errors: list[FieldError] = []
    enforce = _read(labels, "enforce", defaults.enforce, "restricted", errors)
    audit = _read(labels, "audit", defaults.audit, "privileged", errors)
    warn = _read(labels, "warn", defaults.warn, "privileged", errors)
    enforced = labels.get(f"{_PREFIX}enforce") in _LEVELS
    if enforced and f"{_PREFIX}warn" not in labels and enforce.stricter(warn):
        # Who enforces wants to hear of workloads whose pods will be refused.
        own_version = f"{_PREFIX}warn-version" in labels
        warn = replace(warn, level=enforce.level, minor=warn.minor if own_version else enforce.minor)
    return Policy(enforce, audit, warn), errors


def _read(
    labels: Mapping[str, str], mode: Mode, default: LevelVersion, unreadable: Level, errors: list[FieldError]
) -> LevelVersion:
    level: Level = default.level
    minor = default.minor
    text = labels.get(f"{_PREFIX}{mode}")
    if text is not None:
        known = _KNOWN.get(text)
        level = unreadable if known is None else known
        if known is None:
            errors.append(_wrong(mode, text, f"must be one of {', '.join(_LEVELS)}"))
    text = labels.get(f"{_PREFIX}{mode}-version")
    if text is not None:
        found = _VERSION.fullmatch(text)
        minor = int(found[1]) if found is not None else LATEST
        if found is None and text != "latest":
            errors.append(_wrong(f"{mode}-version", text, 'must be "latest" or "v1.x"'))
    return LevelVersion(level, minor)


def _wrong(label: str, value: str, text: str) -> FieldError:
    return invalid(f"metadata.labels[{_PREFIX}{label}]", value, text)


def labelled(labels: Mapping[str, str], mode: Mode) -> bool:
    """Whether labels say anything about a mode."""
    return f"{_PREFIX}{mode}" in labels or f"{_PREFIX}{mode}-version" in labels
