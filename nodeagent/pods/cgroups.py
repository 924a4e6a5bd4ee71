"""A cgroup for each pod, above those of its containers, in cgroup v1 and v2.

containerd makes the containers' own; the pod's carries the limits of the whole and keeps the statistics apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import structlog

from nodeagent.cri.types import Resources

log = structlog.get_logger(__name__)
_CONTROLLERS = ("cpu", "memory", "pids")


class Cgroups:
    """`root` is the folder of all pods within the hierarchy, ``/pilothouse``."""

    def __init__(self, root: str, mount: Path = Path("/sys/fs/cgroup")) -> None:
        self._root = root.strip("/")
        self._mount = mount
        self.unified = (mount / "cgroup.controllers").exists()

    def parent(self, uid: str) -> str:
        """What the runtime is told as a pod's cgroup_parent."""
        return f"/{self._root}/pod{uid}"

    def create(self, uid: str, limits: Resources) -> None:
        """Make the pod's cgroup with its limits; repeating it corrects them. Raises OSError."""
        if self.unified:
            self._create_unified(uid, limits)
        else:
            self._create_v1(uid, limits)

    def remove(self, uid: str) -> None:
        """Remove the pod's cgroup and what is left below it. What still holds a process stays, to be tried again."""
        for hierarchy in self._hierarchies():
            _remove_tree(hierarchy / self._root / f"pod{uid}")

    def limit_all(self, memory: int) -> None:
        """What all pods may use together, so that something is left for the machine; bytes. Raises OSError."""
        controller = "" if self.unified else "memory"
        folder = self._mount / controller / self._root
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / ("memory.max" if self.unified else "memory.limit_in_bytes"), memory)

    def processes(self, uid: str) -> int:
        """How many processes and threads a pod has; 0 where nobody counts."""
        folder = self._mount if self.unified else self._mount / "pids"
        try:
            return int((folder / self._root / f"pod{uid}" / "pids.current").read_text())
        except (OSError, ValueError):
            return 0

    def some_process(self, uid: str) -> int | None:
        """A process of the pod's, for what all of them share."""
        folder = (self._mount if self.unified else self._mount / "memory") / self._root / f"pod{uid}"
        try:
            for listed in folder.glob("*/cgroup.procs"):
                found = listed.read_text().split()
                if found:
                    return int(found[0])
        except (OSError, ValueError):
            return None
        return None

    def uids(self) -> set[str]:
        """Pods that have a cgroup, living or left over."""
        found: set[str] = set()
        for hierarchy in self._hierarchies():
            folder = hierarchy / self._root
            if folder.is_dir():
                found.update(entry.name.removeprefix("pod") for entry in folder.glob("pod*"))
        return found

    def _hierarchies(self) -> Iterator[Path]:
        if self.unified:
            yield self._mount
        else:
            # `cpu` is often a link to `cpu,cpuacct`: each real hierarchy once.
            yield from (entry for entry in self._mount.iterdir() if entry.is_dir() and not entry.is_symlink())

    def _create_v1(self, uid: str, limits: Resources) -> None:
        for controller in _CONTROLLERS:
            hierarchy = self._mount / controller
            if hierarchy.is_dir():
                (hierarchy / self._root / f"pod{uid}").mkdir(parents=True, exist_ok=True)
        cpu = self._mount / "cpu" / self._root / f"pod{uid}"
        if cpu.is_dir():
            _write(cpu / "cpu.shares", limits.cpu_shares or 2)
            if limits.cpu_quota:
                _write(cpu / "cpu.cfs_period_us", limits.cpu_period)
                _write(cpu / "cpu.cfs_quota_us", limits.cpu_quota)
        memory = self._mount / "memory" / self._root / f"pod{uid}"
        if memory.is_dir() and limits.memory_limit:
            _write(memory / "memory.limit_in_bytes", limits.memory_limit)

    def _create_unified(self, uid: str, limits: Resources) -> None:
        parent = self._mount / self._root
        parent.mkdir(parents=True, exist_ok=True)
        for level in (self._mount, *reversed([p for p in (parent, *parent.parents) if self._mount in p.parents])):
            for controller in _CONTROLLERS:
                _write(level / "cgroup.subtree_control", f"+{controller}")
        pod = parent / f"pod{uid}"
        pod.mkdir(exist_ok=True)
        # The weight that runc derives from shares, so that pods and containers are measured alike.
        _write(pod / "cpu.weight", 1 + ((max(limits.cpu_shares, 2) - 2) * 9999) // 262142)
        if limits.cpu_quota:
            _write(pod / "cpu.max", f"{limits.cpu_quota} {limits.cpu_period}")
        if limits.memory_limit:
            _write(pod / "memory.max", limits.memory_limit)


def _write(file: Path, value: object) -> None:
    """A controller that this kernel does not have must not keep pods from starting."""
    try:
        file.write_text(str(value))
    except OSError as error:
        log.debug("cgroup setting refused", file=str(file), error=str(error))


def _remove_tree(folder: Path) -> None:
    if not folder.is_dir():
        return
    for child in folder.iterdir():
        if child.is_dir():
            _remove_tree(child)
    try:
        folder.rmdir()
    except OSError as error:
        log.debug("cgroup not removed", folder=str(folder), error=str(error))
