"""What this machine is and has, read from the kernel's own files: small machines do without a library for it."""

from __future__ import annotations

import os
import platform
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

from apimachinery.objects import quantity
from nodeagent.cri.pause import architecture

_SIOCGIFADDR = 0x8915
OWN_LINKS = ("lo", "cni", "veth", "docker", "virbr", "flannel", "br-", "pilothouse", "ph-", "vxlan", "wg")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """What pods may never count on: thousandths of cores, bytes."""

    cpu: int = 0
    memory: int = 0
    disk: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """Bytes, cores and counts."""

    cpus: int
    memory: int
    disk: int
    pods: int
    reserved: Reserved = Reserved()

    def as_quantities(self) -> dict[str, str]:
        return {
            "cpu": str(self.cpus),
            "memory": f"{self.memory // 1024}Ki",
            "ephemeral-storage": f"{self.disk // 1024}Ki",
            "pods": str(self.pods),
        }

    def allocatable(self) -> dict[str, str]:
        return self.as_quantities() | {
            "cpu": quantity.canonical(f"{max(self.cpus * 1000 - self.reserved.cpu, 0)}m"),
            "memory": f"{max(self.memory - self.reserved.memory, 0) // 1024}Ki",
            "ephemeral-storage": str(max(self.disk - self.reserved.disk, 0)),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressure:
    """What runs out."""

    memory: bool = False
    disk: bool = False
    pids: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeUsage:
    """What the whole machine uses, and what it has."""

    cpus: int
    cpu_nanoseconds: int
    memory: int
    memory_working_set: int


def measure_usage() -> NodeUsage:
    memory = memory_info()
    total = memory.get("MemTotal", 0)
    return NodeUsage(
        cpus=os.cpu_count() or 1,
        cpu_nanoseconds=cpu_nanoseconds(),
        memory=total,
        memory_working_set=total - memory.get("MemAvailable", 0),
    )


def measure_capacity(disk_path: Path, max_pods: int) -> Capacity:
    """`disk_path` or its nearest existing parent is where pods keep their data."""
    disk = os.statvfs(_existing(disk_path))
    return Capacity(
        cpus=os.cpu_count() or 1,
        memory=memory_info().get("MemTotal", 0),
        disk=disk.f_blocks * disk.f_frsize,
        pods=max_pods,
    )


def measure_space(path: Path) -> int:
    """Bytes of the file system that `path` is or will be on."""
    disk = os.statvfs(_existing(path))
    return disk.f_blocks * disk.f_frsize


def measure_signals(disk_path: Path, image_path: Path | None) -> dict[str, tuple[int, int]]:
    """What is left of what there is, by the names of the kubelet's eviction signals."""
    memory = memory_info()
    pid_max = int(_read(Path("/proc/sys/kernel/pid_max")) or 32768)
    running = int((_read(Path("/proc/loadavg")).split() or ["", "", "", "0/0"])[3].partition("/")[2] or 0)
    found = {"pid.available": (pid_max - running, pid_max)}
    if "MemAvailable" in memory:
        found["memory.available"] = (memory["MemAvailable"], memory.get("MemTotal", 0))
    for name, path in (("nodefs", disk_path), ("imagefs", image_path)):
        if path is None:
            continue
        disk = os.statvfs(_existing(path))
        found[f"{name}.available"] = (disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize)
        if disk.f_files:
            found[f"{name}.inodesFree"] = (disk.f_favail, disk.f_files)
    return found


def memory_info() -> dict[str, int]:
    """/proc/meminfo in bytes."""
    found: dict[str, int] = {}
    for line in _read(Path("/proc/meminfo")).splitlines():
        name, _, rest = line.partition(":")
        amount = rest.split()
        if amount:
            found[name] = int(amount[0]) * (1024 if amount[-1] == "kB" else 1)
    return found


def cpu_nanoseconds() -> int:
    """Time all cores have worked since boot."""
    fields = _read(Path("/proc/stat")).partition("\n")[0].split()[1:]
    ticks = [int(field) for field in fields[:8]]
    idle = ticks[3] + ticks[4] if len(ticks) > 4 else 0
    return (sum(ticks) - idle) * (1_000_000_000 // os.sysconf("SC_CLK_TCK"))


def system_info(runtime_version: str, kubelet_version: str) -> dict[str, str]:
    """The nodeInfo of a Node's status."""
    machine_id = _read(Path("/etc/machine-id")).strip()
    return {
        "architecture": architecture(),
        "bootID": _read(Path("/proc/sys/kernel/random/boot_id")).strip(),
        "containerRuntimeVersion": runtime_version,
        "kernelVersion": platform.release(),
        "kubeProxyVersion": "",
        "kubeletVersion": kubelet_version,
        "machineID": machine_id,
        "operatingSystem": "linux",
        "osImage": _os_name(),
        "systemUUID": _read(Path("/sys/class/dmi/id/product_uuid")).strip() or machine_id,
    }


def node_address() -> str:
    """The address that leads out of this machine, or the first that is not for its own pods. Raises OSError."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # a documentation address; connecting a datagram socket sends nothing
            return probe.getsockname()[0]
        except OSError:
            return _first_address(probe)


def _first_address(probe: socket.socket) -> str:
    import fcntl

    for _, name in socket.if_nameindex():
        if name.startswith(OWN_LINKS):
            continue
        try:
            answer = fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
        except OSError:
            continue
        return socket.inet_ntoa(answer[20:24])
    raise OSError("no network interface has an address")


def _os_name() -> str:
    for line in _read(Path("/etc/os-release")).splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip().strip('"')
    return platform.system()


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.parent)


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
