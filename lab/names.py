"""What a lab's things are called, derived from where its state lives.

Every name follows from the state folder alone, so that `down` finds bridge, links and cgroups even when the lab's own
records never reached the disk, and two labs with one name in different data folders do not touch each other.
"""

import hashlib
import ipaddress
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

IFNAMSIZ = 15
"""Longest name the kernel takes for a network interface (linux/if.h, without the final NUL)."""

MAX_MACHINES = 99
_LAB_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?")
_SUBNETS = tuple(ipaddress.IPv4Network("10.99.0.0/16").subnets(new_prefix=24))


@dataclass(frozen=True, slots=True, kw_only=True)
class LabNames:
    """Names on the host of one lab's bridge, links and cgroup."""

    tag: str

    @property
    def bridge(self) -> str:
        return self.tag

    @property
    def cgroup(self) -> str:
        return f"pilothouse-lab-{self.tag}"

    def link(self, machine: str) -> str:
        """The host's end of a machine's cable."""
        return f"{self.tag}-{machine}"


def lab_names(state_dir: Path) -> LabNames:
    digest = hashlib.sha256(str(state_dir).encode()).hexdigest()
    return LabNames(tag=f"ph{digest[:8]}")


def is_lab_name(name: str) -> bool:
    return _LAB_NAME.fullmatch(name) is not None


def machine_name(number: int) -> str:
    """m1, m2 and so on: short enough that the link's name fits IFNAMSIZ."""
    return f"m{number}"


def machine_address(subnet: str, number: int) -> str:
    return str(ipaddress.IPv4Network(subnet)[number])


def hardware_address(address: str) -> str:
    """The network card's address, always the same for a machine: others remember it across its reboots."""
    return "02:50:" + ":".join(f"{byte:02x}" for byte in ipaddress.IPv4Address(address).packed)


def gateway_address(subnet: str) -> str:
    return str(ipaddress.IPv4Network(subnet)[254])


def free_subnet(in_use: Collection[str]) -> str:
    """The first /24 of 10.99.0.0/16 that overlaps none of the networks `in_use`. ValueError when all are taken."""
    taken = [ipaddress.IPv4Network(network, strict=False) for network in in_use]
    for subnet in _SUBNETS:
        if not any(subnet.overlaps(network) for network in taken if network.prefixlen > 0):
            return str(subnet)
    raise ValueError("every network of 10.99.0.0/16 is in use on this computer")
