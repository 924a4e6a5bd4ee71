"""What draining a machine does to each of its pods. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tui.document import Line, Span
from tui.tones import Tone

JSON = dict[str, Any]
MIRROR = "kubernetes.io/config.mirror"


class Fate(StrEnum):
    MOVES = "moves"
    LOST = "is lost"
    STAYS = "stays"
    ENDED = "is cleared away"


@dataclass(frozen=True, slots=True)
class Leaving:
    """One pod of the machine. `note` says what to know about it."""

    namespace: str
    name: str
    fate: Fate
    note: str = ""


def plan(pods: Iterable[JSON]) -> list[Leaving]:
    """As `kubectl drain --ignore-daemonsets --delete-emptydir-data --force` would; what is lost comes first."""
    order = list(Fate)
    found = [_fate(pod) for pod in pods]
    return sorted(found, key=lambda one: (one.fate is not Fate.LOST, order.index(one.fate), one.namespace, one.name))


def _fate(pod: JSON) -> Leaving:
    meta, spec = pod["metadata"], pod.get("spec") or {}
    namespace, name = meta.get("namespace", ""), meta["name"]
    controller = next((owner for owner in meta.get("ownerReferences") or () if owner.get("controller")), None)
    if MIRROR in (meta.get("annotations") or {}):
        return Leaving(namespace, name, Fate.STAYS, "a static pod of the machine")
    if controller is not None and controller.get("kind") == "DaemonSet":
        return Leaving(namespace, name, Fate.STAYS, f"DaemonSet {controller['name']} runs on every machine")
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return Leaving(namespace, name, Fate.ENDED, "it has ended")
    if controller is None:
        return Leaving(namespace, name, Fate.LOST, "nothing makes it again elsewhere")
    local = [volume["name"] for volume in spec.get("volumes") or () if "emptyDir" in volume]
    return Leaving(namespace, name, Fate.MOVES, f"loses the contents of {', '.join(local)}" if local else "")


_TONES = {Fate.MOVES: Tone.OK, Fate.LOST: Tone.BAD, Fate.STAYS: Tone.MUTED, Fate.ENDED: Tone.MUTED}


def lines(leaving: Iterable[Leaving], said: dict[str, Span] | None = None) -> list[Line]:
    """One line a pod: its name, its fate or how far it is."""
    shown = list(leaving)
    width = max((len(f"{one.namespace}/{one.name}") for one in shown), default=0)
    found: list[Line] = []
    for one in shown:
        key = f"{one.namespace}/{one.name}"
        state = (said or {}).get(key, (str(one.fate), _TONES[one.fate]))
        note = f"  {one.note}" if one.note and key not in (said or {}) else ""
        found.append(((key.ljust(width + 2), Tone.TEXT), state, (note, Tone.MUTED)))
    return found
