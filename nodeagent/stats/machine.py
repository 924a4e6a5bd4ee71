"""What this machine is and has, read from the kernel's own files: small machines do without a library for it."""

from __future__ import annotations

import os
import platform
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

from nodeagent.cri.pause import architecture

_MEMORY_RESERVE = 100 * 1024 * 1024
"""Upstream's default hard eviction threshold: what pods may never count on."""
_DISK_RESERVE = 0.10
_SIOCGIFADDR = 0x8915
_OWN_LINKS = ("lo", "cni", "veth", "docker", "virbr", "flannel", "br-", "pilothouse", "ph-", "vxlan", "wg")


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """Bytes, cores and counts."""

    cpus: int
    memory: int
    disk: int
    pods: int

    def as_quantities(self) -> dict[str, str]:
        return {
            "cpu": str(self.cpus),
            "memory": f"{self.memory // 1024}Ki",
            "ephemeral-storage": f"{self.disk // 1024}Ki",
            "pods": str(self.pods),
        }

    def allocatable(self) -> dict[str, str]:
        return self.as_quantities() | {
            "memory": f"{max(self.memory - _MEMORY_RESERVE, 0) // 1024}Ki",
            "ephemeral-storage": str(int(self.disk * (1 - _DISK_RESERVE))),
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


def measure_pressure(disk_path: Path) -> Pressure:
    """By upstream's default thresholds: 100 MiB of memory, 10 % of disk, 5 % of inodes."""
    disk = os.statvfs(_existing(disk_path))
    inodes_low = disk.f_files > 0 and disk.f_favail < 0.05 * disk.f_files
    pid_max = int(_read(Path("/proc/sys/kernel/pid_max")) or 32768)
    running = int((_read(Path("/proc/loadavg")).split() or ["", "", "", "0/0"])[3].partition("/")[2] or 0)
    return Pressure(
        memory=memory_info().get("MemAvailable", _MEMORY_RESERVE) < _MEMORY_RESERVE,
        disk=disk.f_bavail < 0.10 * disk.f_blocks or inodes_low,
        pids=running > 0.999 * pid_max,
    )


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
        if name.startswith(_OWN_LINKS):
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
