"""Prometheus' text format, as much as the agent's endpoints need. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

CONTENT_TYPE = "text/plain; version=0.0.4"


@dataclass(frozen=True, slots=True)
class Sample:
    """`at` is when it was taken, in seconds since the epoch; 0.0 leaves that to the scraper."""

    labels: Mapping[str, str]
    value: float
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Family:
    """All samples of one name. `type` is `counter` or `gauge`."""

    name: str
    type: str
    help: str
    samples: Iterable[Sample]


def text(families: Iterable[Family]) -> str:
    """Families without samples are left out."""
    lines: list[str] = []
    for family in families:
        samples = [_line(family.name, sample) for sample in family.samples]
        if samples:
            lines += (f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {family.type}", *samples)
    return "\n".join(lines) + "\n"


def _line(name: str, sample: Sample) -> str:
    labels = ",".join(f'{key}="{_escaped(value)}"' for key, value in sorted(sample.labels.items()))
    line = f"{name}{{{labels}}} {_number(sample.value)}" if labels else f"{name} {_number(sample.value)}"
    return f"{line} {round(sample.at * 1000)}" if sample.at else line


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
