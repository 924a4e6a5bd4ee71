"""The containers of one pod as rows of a table. Pure."""

from collections.abc import Mapping
from typing import Any

from apimachinery.objects.meta import parse_time
from tui.kinds.podspec import probe_words, state_words
from tui.kinds.words import general_tone
from tui.rows import Cell, Column, Moment, Row
from tui.tones import Tone

JSON = dict[str, Any]

COLUMNS = (
    Column("Name"),
    Column("Ready"),
    Column("State"),
    Column("Restarts", "integer"),
    Column("Image"),
    Column("Age"),
    Column("Kind", priority=1),
    Column("Ports", priority=1),
    Column("Probes", priority=1),
)
_GROUPS = (
    ("init", "initContainers", "initContainerStatuses"),
    ("", "containers", "containerStatuses"),
    ("debug", "ephemeralContainers", "ephemeralContainerStatuses"),
)

SPECS = tuple(specs for _, specs, _ in _GROUPS)
"""Where a pod's spec keeps containers, in the order they start."""


def rows(pod: JSON, now: float) -> list[Row]:
    """In the order they start; a row's uid is the container's name."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    meta = pod.get("metadata") or {}
    found: list[Row] = []
    for kind, specs, statuses in _GROUPS:
        known: Mapping[str, JSON] = {one["name"]: one for one in status.get(statuses) or ()}
        for container in spec.get(specs) or ():
            cells = _cells(kind, container, known.get(container["name"]), now)
            found.append(Row(container["name"], meta.get("namespace", ""), container["name"], cells))
    return found


def _cells(kind: str, spec: JSON, status: JSON | None, now: float) -> tuple[Cell, ...]:
    words = state_words(status, now)[0].split(",")[0].split(":")[0] if status else "not started"
    state = "Running" if words.startswith("running") else words
    started = ((status or {}).get("state") or {}).get("running", {}).get("startedAt")
    ports = ", ".join(f"{port['containerPort']}/{port.get('protocol', 'TCP')}" for port in spec.get("ports") or ())
    probes = [spec[name] for name in ("livenessProbe", "readinessProbe", "startupProbe") if spec.get(name)]
    return (
        spec["name"],
        "yes" if (status or {}).get("ready") else "no",
        state,
        (status or {}).get("restartCount", 0),
        spec.get("image", ""),
        Moment(parse_time(started).timestamp()) if started else "",
        kind or "app",
        ports,
        "; ".join(probe_words(probe) for probe in probes),
    )


def tone(row: Row, column: Column, text: str) -> Tone:
    match column.name:
        case "Ready":
            finished = str(row.cells[2]) == "Completed"
            return Tone.MUTED if finished else Tone.OK if text == "yes" else Tone.WARN
        case "Restarts":
            return Tone.MUTED if text == "0" else Tone.WARN
        case "Image":
            return Tone.TEXT
        case _:
            return general_tone(row, column, text)
