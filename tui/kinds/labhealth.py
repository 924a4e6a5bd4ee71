"""What one should look after in a cluster of one's own: certificates, disks, heat, backups, versions. Pure.

Each finding says what is looked at and how it stands; what is well is listed too, so that one sees it was looked at.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from apimachinery.objects.meta import parse_time
from tui.amounts import size
from tui.kinds.machinestats import Reading, is_hot

JSON = Mapping[str, Any]
DAY = 86400.0
CERTIFICATE_WARN, CERTIFICATE_BAD = 30 * DAY, 7 * DAY
BACKUP_WARN, BACKUP_BAD = 2 * DAY, 7 * DAY
DISK_WARN, DISK_BAD = 80, 90
POINTS = (20, 7, 0, 0)
"""What a finding takes off the score of 100, by how bad it is."""
BACKUP_WORDS = ("backup", "velero", "restic", "borg", "snapshot")
_VERSION = re.compile(r"v?(\d+)\.(\d+)")
MOST_SKEW = 3
"""Minor versions that a machine's agent may be older than the API server; newer it may not be at all.
Source: kubernetes.io/releases/version-skew-policy."""
_PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable")


class State(IntEnum):
    """The worst first."""

    BAD = 0
    WARN = 1
    UNKNOWN = 2
    OK = 3

    @property
    def word(self) -> str:
        return ("bad", "look", "?", "ok")[self]


@dataclass(frozen=True, slots=True)
class Finding:
    state: State
    area: str
    what: str
    detail: str
    then: str = ""
    """What to do about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """`until` is seconds since the epoch."""

    what: str
    until: float
    renewed: str = ""
    """Who or what makes a new one."""


@dataclass(slots=True, kw_only=True)
class Facts:
    """What could be read; what could not is in `untold`, by area, with the reason."""

    now: float
    server_version: str = ""
    certificates: Sequence[Certificate] = ()
    nodes: Sequence[JSON] = ()
    readings: Mapping[str, Reading] = field(default_factory=dict[str, Reading])
    volumes: Sequence[tuple[str, int, int]] = ()
    """Claims: `namespace/name`, bytes used, bytes there are."""
    cron_jobs: Sequence[JSON] = ()
    untold: Mapping[str, str] = field(default_factory=dict[str, str])


def findings(facts: Facts) -> list[Finding]:
    """The worst first."""
    found = [
        *_certificates(facts),
        *_machines(facts),
        *_disks(facts),
        *_heat(facts),
        *_backups(facts),
        *_versions(facts),
        *(Finding(State.UNKNOWN, area, "not told", reason) for area, reason in facts.untold.items()),
    ]
    return sorted(found, key=lambda finding: finding.state)


def score(found: Iterable[Finding]) -> int:
    """100 when nothing is to be done."""
    return max(0, 100 - sum(POINTS[finding.state] for finding in found))


def _certificates(facts: Facts) -> Iterable[Finding]:
    for one in facts.certificates:
        left = one.until - facts.now
        state = State.BAD if left < CERTIFICATE_BAD else State.WARN if left < CERTIFICATE_WARN else State.OK
        detail = f"expired {_days(-left)} ago" if left < 0 else f"expires in {_days(left)}"
        yield Finding(state, "certificates", one.what, detail, one.renewed if state is not State.OK else "")


def _machines(facts: Facts) -> Iterable[Finding]:
    for node in facts.nodes:
        name, status = node["metadata"]["name"], node.get("status") or {}
        conditions = {one["type"]: one for one in status.get("conditions") or ()}
        ready = conditions.get("Ready") or {}
        pressing = [kind for kind in _PRESSURES if (conditions.get(kind) or {}).get("status") == "True"]
        if ready and ready.get("status") != "True":
            yield Finding(State.BAD, "machines", name, f"not ready: {ready.get('message') or ready.get('reason', '')}",
                          ":no, w on it says why")  # fmt: skip
        elif pressing:
            yield Finding(State.BAD, "machines", name, ", ".join(pressing))
        elif (node.get("spec") or {}).get("unschedulable"):
            yield Finding(State.WARN, "machines", name, "takes no new pods: it is cordoned", ":no, u on it")
        else:
            yield Finding(State.OK, "machines", name, "ready")


def _disks(facts: Facts) -> Iterable[Finding]:
    for name, reading in facts.readings.items():
        for word, used, total in reading.disks:
            yield _filled(f"{name} {word.lower()}", used, total, "free some, or prune images")
    for name, used, total in facts.volumes:
        yield _filled(f"claim {name}", used, total, "let it grow: edit spec.resources.requests.storage")


def _filled(what: str, used: int, total: int, then: str) -> Finding:
    share = round(used * 100 / total) if total else 0
    state = State.BAD if share >= DISK_BAD else State.WARN if share >= DISK_WARN else State.OK
    detail = f"{share}% full, {size(max(0, total - used))} free"
    return Finding(state, "disks", what, detail, then if state is not State.OK else "")


def _heat(facts: Facts) -> Iterable[Finding]:
    for name, reading in facts.readings.items():
        if reading.slowed:
            yield Finding(State.BAD, "heat", name, f"slowed down now: {', '.join(reading.slowed)}",
                          "a stronger power supply" if "under-voltage" in reading.slowed else "cool it")  # fmt: skip
        elif reading.slowed_before:
            yield Finding(State.WARN, "heat", name, f"was slowed down: {', '.join(reading.slowed_before)}")
        if reading.temperatures:
            word, degrees, critical = max(reading.temperatures, key=lambda one: one[1] - (one[2] or 95))
            hot = is_hot(degrees, critical)
            yield Finding(State.WARN if hot else State.OK, "heat", name, f"{degrees:.0f} °C ({word})",
                          "cool it" if hot else "")  # fmt: skip


def _backups(facts: Facts) -> Iterable[Finding]:
    jobs = [job for job in facts.cron_jobs if any(word in job["metadata"]["name"] for word in BACKUP_WORDS)]
    if not jobs and "backups" not in facts.untold:
        yield Finding(State.WARN, "backups", "none known", "no CronJob here makes one that its name tells of",
                      "pilothouse engine backup FILE, from a timer of your own")  # fmt: skip
    for job in jobs:
        meta, status = job["metadata"], job.get("status") or {}
        what = f"{meta.get('namespace', '')}/{meta['name']}"
        last = status.get("lastSuccessfulTime")
        if not last:
            yield Finding(State.BAD, "backups", what, "has never succeeded", ":cj, l on it")
            continue
        age = facts.now - parse_time(last).timestamp()
        state = State.BAD if age > BACKUP_BAD else State.WARN if age > BACKUP_WARN else State.OK
        suspended = " (suspended)" if (job.get("spec") or {}).get("suspend") else ""
        yield Finding(state, "backups", what, f"succeeded {_days(age)} ago{suspended}")


def _versions(facts: Facts) -> Iterable[Finding]:
    server = _minor(facts.server_version)
    versions: dict[str, list[str]] = {}
    for node in facts.nodes:
        info = (node.get("status") or {}).get("nodeInfo") or {}
        versions.setdefault(info.get("kubeletVersion", ""), []).append(node["metadata"]["name"])
    newest = max(versions, key=lambda one: [int(number) for number in re.findall(r"\d+", one)], default="")
    for version, names in versions.items():
        minor = _minor(version)
        if server is None or minor is None:
            continue
        detail = f"agent {version}, API server {facts.server_version}"
        who = ", ".join(names)
        if minor > server:
            yield Finding(State.BAD, "versions", who, f"{detail}: newer than the server", "upgrade the server first")
        elif server - minor > MOST_SKEW:
            yield Finding(State.BAD, "versions", who, f"{detail}: too old for it", "m, then upgrade")
        elif minor < server or version != newest:
            yield Finding(State.WARN, "versions", who, detail, "m, then upgrade")
        else:
            yield Finding(State.OK, "versions", who, detail)
    runtimes = {
        ((node.get("status") or {}).get("nodeInfo") or {}).get("containerRuntimeVersion", "") for node in facts.nodes
    }
    if len(runtimes - {""}) > 1:
        yield Finding(State.WARN, "versions", "container runtimes", f"differ: {', '.join(sorted(runtimes - {''}))}")


def _minor(version: str) -> int | None:
    match = _VERSION.match(version)
    return int(match[1]) * 100 + int(match[2]) if match else None


def _days(seconds: float) -> str:
    if seconds < 2 * 3600:
        return f"{max(0, seconds) // 60:.0f} min"
    if seconds < 2 * DAY:
        return f"{seconds // 3600:.0f} h"
    return f"{seconds // DAY:.0f} days"
