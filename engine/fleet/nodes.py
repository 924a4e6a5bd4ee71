"""What fleet reads and writes on Node objects: how a machine is reached, and whether the node is well."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from apimachinery.objects.meta import Object
from engine.fleet.ssh.connection import Hop
from engine.fleet.target import Target, parse, split_address

ADDRESS = "pilothouse.dev/ssh-address"
USER = "pilothouse.dev/ssh-user"
HOST_KEY = "pilothouse.dev/ssh-host-key"
JUMP = "pilothouse.dev/ssh-jump"
"""USER@HOST:PORT of each hop before the machine, comma-separated, first hop first."""
JUMP_HOST_KEYS = "pilothouse.dev/ssh-jump-host-keys"
"""The hops' host key lines, comma-separated, in the same order."""
MACHINE_LABEL = "pilothouse.dev/machine"


class Condition(msgspec.Struct, frozen=True, rename="camel"):
    type: str
    status: str = "Unknown"
    reason: str = ""
    message: str = ""


class NodeAddress(msgspec.Struct, frozen=True, rename="camel"):
    type: str
    address: str


class NodeInfo(msgspec.Struct, frozen=True, rename="camel"):
    architecture: str = ""
    os_image: str = ""
    kubelet_version: str = ""


class NodeSpec(msgspec.Struct, frozen=True, rename="camel"):
    unschedulable: bool = False
    pod_cidr: str = msgspec.field(name="podCIDR", default="")


class NodeStatus(msgspec.Struct, frozen=True, rename="camel"):
    conditions: tuple[Condition, ...] = ()
    addresses: tuple[NodeAddress, ...] = ()
    node_info: NodeInfo = NodeInfo()


class NodeView(Object, frozen=True, rename="camel"):
    """A Node as far as fleet cares."""

    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()

    @property
    def ready(self) -> Condition:
        """The Ready condition; Unknown while nobody has reported one."""
        known = [condition for condition in self.status.conditions if condition.type == "Ready"]
        return (
            known[0] if known else Condition(type="Ready", reason="NeverReported", message="no status was posted yet")
        )

    @property
    def internal_ip(self) -> str:
        return next((entry.address for entry in self.status.addresses if entry.type == "InternalIP"), "")


@dataclass(frozen=True, slots=True)
class Way:
    """How a machine is reached: the hops in order, the machine last, each with the key it must prove to hold."""

    hops: tuple[Hop, ...]

    @property
    def target(self) -> Target:
        return _target(self.hops[-1])

    @property
    def jump(self) -> list[Target]:
        return [_target(hop) for hop in self.hops[:-1]]

    @property
    def pins(self) -> dict[str, str]:
        return {hop.address: hop.host_key for hop in self.hops}


def annotations_for(hops: tuple[Hop, ...]) -> dict[str, str]:
    """The annotations that let the engine find the way again."""
    *before, machine = hops
    found = {ADDRESS: machine.address, USER: machine.user, HOST_KEY: _key(machine.host_key)}
    if before:
        found[JUMP] = ",".join(str(hop) for hop in before)
        found[JUMP_HOST_KEYS] = ",".join(_key(hop.host_key) for hop in before)
    return found


def way_of(annotations: dict[str, str]) -> Way | None:
    """The way that a Node's annotations tell; None without any. Raises ValueError when they are broken."""
    if not annotations.get(ADDRESS):
        return None
    host, port = split_address(annotations[ADDRESS])
    machine = Hop(host=host, port=port, user=annotations.get(USER, ""), host_key=annotations.get(HOST_KEY, ""))
    if not machine.user or not machine.host_key:
        raise ValueError(f"{USER} and {HOST_KEY} must be set beside {ADDRESS}")
    jump = [parse(text) for text in annotations.get(JUMP, "").split(",") if text]
    keys = [key for key in annotations.get(JUMP_HOST_KEYS, "").split(",") if key]
    if len(keys) != len(jump):
        raise ValueError(f"{JUMP} names {len(jump)} machines and {JUMP_HOST_KEYS} has {len(keys)} keys")
    before = [
        Hop(host=hop.host, port=hop.port or 22, user=hop.user or "root", host_key=key)
        for hop, key in zip(jump, keys, strict=True)
    ]
    return Way(hops=(*before, machine))


def _target(hop: Hop) -> Target:
    return Target(host=hop.host, user=hop.user, port=hop.port)


def _key(line: str) -> str:
    """Type and key without the comment."""
    return " ".join(line.split()[:2])
