"""A lab's own subtree in every cgroup hierarchy of this computer: version 1, version 2, and both at once.

Each machine lives in a group of its own, and nothing that a machine starts can leave it; so a group's members are
exactly the machine's processes, which is what lets `down` find them without any record.
"""

import os
import signal
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError

_ROOT = "/sys/fs/cgroup"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hierarchy:
    """One mounted cgroup tree. `options`: how a version 1 tree is mounted again, "memory" or "none,name=systemd"."""

    mount_point: str
    version: int
    options: str = ""


def parse_hierarchies(mountinfo: str) -> list[Hierarchy]:
    """The trees under /sys/fs/cgroup, from the text of /proc/self/mountinfo (proc(5)), one per mount point."""
    found: dict[str, Hierarchy] = {}
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        mount_point = before.split()[4]
        kind, _, super_options = after.split(" ", 2)
        if mount_point != _ROOT and not mount_point.startswith(_ROOT + "/"):
            continue
        if kind == "cgroup2":
            found[mount_point] = Hierarchy(mount_point=mount_point, version=2)
        elif kind == "cgroup":
            wanted = [option for option in super_options.split(",") if option not in {"rw", "ro", "xattr"}]
            kept = [option for option in wanted if not option.startswith(("release_agent=", "clone_children"))]
            named = any(option.startswith("name=") for option in kept)
            options = ",".join(["none", *kept] if named else kept)
            found[mount_point] = Hierarchy(mount_point=mount_point, version=1, options=options)
    return [found[mount_point] for mount_point in sorted(found)]


def hierarchies() -> list[Hierarchy]:
    found = parse_hierarchies(Path("/proc/self/mountinfo").read_text())
    if not found:
        raise LabError("no cgroups are mounted under /sys/fs/cgroup; a lab needs them")
    return found


def create(trees: Iterable[Hierarchy], path: str) -> None:
    """Make the group `path` ("lab/machine") in every tree, ready for processes."""
    for tree in trees:
        group = Path(tree.mount_point)
        for part in Path(path).parts:
            if tree.version == 2:
                _hand_down_controllers(group)
            group /= part
            group.mkdir(exist_ok=True)
            if (group / "cpuset.cpus").exists() and tree.version == 1:
                _inherit_cpuset(group)


def join(trees: Iterable[Hierarchy], path: str) -> None:
    """Move the calling process into the group `path` of every tree."""
    for tree in trees:
        (Path(tree.mount_point) / path / "cgroup.procs").write_text("0")


def members(trees: Iterable[Hierarchy], path: str) -> set[int]:
    """The processes, as this computer numbers them, in the group `path` or below it, in any tree."""
    found: set[int] = set()
    for tree in trees:
        for folder in _depth_first(Path(tree.mount_point) / path):
            try:
                text = (folder / "cgroup.procs").read_text()
            except OSError:  # the group went while we walked
                continue
            found.update(int(line) for line in text.split())
    return found - {0}


def destroy(trees: Sequence[Hierarchy], path: str, *, within: float = 10.0) -> None:
    """Kill every process in the group `path` and below, and remove the group from every tree; absent is fine.

    When it returns nothing can enter the group any more. LabError when something resists for `within` seconds.
    """
    deadline = time.monotonic() + within
    groups = [Path(tree.mount_point) / path for tree in trees]
    while left := [group for group in groups if group.exists()]:
        for pid in members(trees, path):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for folder in (folder for group in left for folder in _depth_first(group)):
            with suppress(OSError):  # still busy: the kernel lets go of dying tasks a little later
                folder.rmdir()
        if time.monotonic() > deadline:
            alive = ", ".join(map(str, sorted(members(trees, path)))) or "none"
            raise LabError(f"cannot remove the cgroup {left[0]} (processes in it: {alive})")
        time.sleep(0.01)


def _depth_first(folder: Path) -> list[Path]:
    return [Path(parent) for parent, _, _ in os.walk(folder, topdown=False)]


def _hand_down_controllers(group: Path) -> None:
    """Let a version 2 group's children use its controllers; each is tried alone, for some refuse (realtime tasks)."""
    for controller in (group / "cgroup.controllers").read_text().split():
        try:
            (group / "cgroup.subtree_control").write_text(f"+{controller}")
        except OSError:
            continue


def _inherit_cpuset(group: Path) -> None:
    """A new version 1 cpuset is empty, and no process may enter it until it names CPUs and memory nodes."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        if not (group / name).read_text().strip():
            (group / name).write_text((group.parent / name).read_text())
