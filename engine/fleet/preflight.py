"""Whether a machine can be a node: a table of rules over its facts, each with its evidence and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_network

from engine.fleet.errors import Finding, PreflightFailed
from engine.fleet.facts import Facts

GIB = 1024**3
MIB = 1024**2
CLUSTER_NETWORKS = ("10.42.0.0/16", "10.43.0.0/16")
SUPPORTED_ARCHITECTURES = ("amd64", "arm64")
CGROUP_CONTROLLERS = ("cpu", "cpuset", "memory", "pids")
_NODE_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the machine is to become: node `name` of the cluster with this fingerprint."""

    name: str
    cluster: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`evidence` returns what is wrong in words, or None when all is well."""

    id: str
    level: str
    evidence: Callable[[Facts, Wanted], str | None]
    fix: str


def judge(facts: Facts, wanted: Wanted, ignore: Collection[str] = ()) -> list[Finding]:
    """Findings by weight, failures first. A rule named in `ignore` only warns."""
    found: list[Finding] = []
    for rule in RULES:
        evidence = rule.evidence(facts, wanted)
        if evidence is not None:
            level = "warn" if rule.id in ignore else rule.level
            found.append(Finding(id=rule.id, level=level, evidence=evidence, fix=rule.fix))
    return sorted(found, key=lambda finding: finding.level != "fail")


def require(findings: list[Finding]) -> None:
    """Raises PreflightFailed when one of the findings is a failure."""
    if any(finding.level == "fail" for finding in findings):
        raise PreflightFailed(findings)


def _privilege(facts: Facts, _: Wanted) -> str | None:
    return None if facts.root else "the probe did not run as root"


def _arch(facts: Facts, _: Wanted) -> str | None:
    if facts.arch in SUPPORTED_ARCHITECTURES:
        return None
    return f"its programs are built for {facts.arch or facts.uname_machine or 'an unknown processor'}"


def _init(facts: Facts, _: Wanted) -> str | None:
    return None if facts.init == "systemd" else f"process 1 is {facts.init or 'unknown'}, not systemd"


def _packages(facts: Facts, _: Wanted) -> str | None:
    wanted = {"containerd": facts.containerd, "runc": facts.runc, "CNI plugins": facts.cni, "nft": facts.nft_version}
    missing = [name for name, there in wanted.items() if not there]
    return f"{', '.join(missing)} missing and no apt-get to install from" if missing and not facts.has_apt else None


def _python(facts: Facts, _: Wanted) -> str | None:
    return None if facts.python else f"no Python 3.11 or later (found {facts.python_default or 'none'})"


def _python_modules(facts: Facts, _: Wanted) -> str | None:
    said = facts.features.get("python_modules", "ok")
    return None if said == "ok" else f"{facts.python} lacks a module of the standard library: {said}"


def _libc(facts: Facts, _: Wanted) -> str | None:
    return None if facts.libc is not None and facts.libc >= (2, 28) else "its C library is not glibc 2.28 or later"


def _memory(facts: Facts, _: Wanted) -> str | None:
    return f"{facts.memory_total // MIB} MiB of memory" if facts.memory_total < 400 * MIB else None


def _little_memory(facts: Facts, _: Wanted) -> str | None:
    little = 400 * MIB <= facts.memory_total < 900 * MIB or facts.memory_available < 200 * MIB
    return f"{facts.memory_total // MIB} MiB of memory, {facts.memory_available // MIB} MiB free" if little else None


def _disk(facts: Facts, _: Wanted) -> str | None:
    return f"{facts.data_free // MIB} MiB free under /var/lib" if facts.data_free < 1 * GIB else None


def _little_disk(facts: Facts, _: Wanted) -> str | None:
    return f"{facts.data_free / GIB:.1f} GiB free under /var/lib" if 1 * GIB <= facts.data_free < 5 * GIB else None


def _data_file_system(facts: Facts, _: Wanted) -> str | None:
    return f"/var/lib is on {facts.data_type}" if facts.data_type in ("tmpfs", "nfs", "ramfs") else None


def _memory_controller(facts: Facts, _: Wanted) -> str | None:
    if "memory" in facts.cgroup_controllers:
        return None
    off = " (cgroup_disable=memory on the kernel's command line)" if "cgroup_disable=memory" in facts.cmdline else ""
    return f"the memory cgroup is off{off}"


def _controllers(facts: Facts, _: Wanted) -> str | None:
    missing = [name for name in CGROUP_CONTROLLERS if name not in facts.cgroup_controllers and name != "memory"]
    return f"cgroup controllers {', '.join(missing)} are off" if missing else None


def _feature(name: str, what: str) -> Callable[[Facts, Wanted], str | None]:
    def evidence(facts: Facts, _: Wanted) -> str | None:
        said = facts.features.get(name, "ok")
        return None if said == "ok" else f"{what} does not work: {said.removeprefix('no: ')}"

    return evidence


def _skew(facts: Facts, _: Wanted) -> str | None:
    return f"its clock is {_seconds(facts.skew)}" if abs(facts.skew) >= 30 else None


def _small_skew(facts: Facts, _: Wanted) -> str | None:
    return f"its clock is {_seconds(facts.skew)}" if 2 <= abs(facts.skew) < 30 else None


def _seconds(skew: float) -> str:
    return f"{abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}"


def _node_name(_: Facts, wanted: Wanted) -> str | None:
    fits = _NODE_NAME.fullmatch(wanted.name) and len(wanted.name) <= 253
    return None if fits else f'"{wanted.name}" cannot name a node'


def _machine_id(facts: Facts, _: Wanted) -> str | None:
    fits = re.fullmatch(r"[0-9a-f]{32}", facts.machine_id)
    return None if fits else f"/etc/machine-id is {facts.machine_id or 'empty'}"


def _managers(facts: Facts, _: Wanted) -> str | None:
    return f"{', '.join(facts.managers)} runs there" if facts.managers else None


def _other_cluster(facts: Facts, wanted: Wanted) -> str | None:
    other = facts.cluster and facts.cluster != wanted.cluster
    return "it is a node of another Pilothouse cluster" if other else None


def _ports(facts: Facts, wanted: Wanted) -> str | None:
    if facts.cluster == wanted.cluster and facts.cluster:
        return None  # we are the ones who listen there
    ports = ", ".join(str(port) for port in facts.listening)
    return f"port {ports} is taken on 127.0.0.1" if ports else None


def _forwarding(facts: Facts, _: Wanted) -> str | None:
    allowed = facts.sshd_forwarding in ("", "yes", "all")
    return None if allowed else f"its sshd has AllowTcpForwarding {facts.sshd_forwarding}"


def _networks(facts: Facts, _: Wanted) -> str | None:
    if facts.cluster:
        return None
    ours = [IPv4Network(network) for network in CLUSTER_NETWORKS]
    clashing = [route for route in facts.routes if (found := _network(route)) and any(map(found.overlaps, ours))]
    return f"it has a route to {', '.join(clashing)}, which the cluster's pods and services use" if clashing else None


def _network(route: str) -> IPv4Network | None:
    try:
        found = ip_network(route, strict=False)
    except ValueError:  # "default", "unreachable"
        return None
    return found if isinstance(found, IPv4Network) and found.prefixlen > 0 else None


def _package_manager(facts: Facts, _: Wanted) -> str | None:
    return "another program holds the package manager's lock" if facts.dpkg_locked else None


def _swap(facts: Facts, _: Wanted) -> str | None:
    on_card = [device for device in facts.swap if "mmcblk" in device]
    return f"swap on {', '.join(on_card)}" if on_card else None


RULES: tuple[Rule, ...] = (
    Rule(id="privilege", level="fail", evidence=_privilege, fix="log in as root or as a user that may use sudo"),
    Rule(
        id="arch",
        level="fail",
        evidence=_arch,
        fix="amd64 and arm64 machines can be nodes; on a Raspberry Pi 3 or later use the 64-bit image",
    ),
    Rule(id="init", level="fail", evidence=_init, fix="only machines that run systemd can be nodes for now"),
    Rule(id="packages", level="fail", evidence=_packages, fix="install them, then join again"),
    Rule(
        id="python",
        level="fail",
        evidence=_python,
        fix="install python3 3.11 or later (Debian 12 and Ubuntu 24.04 have it)",
    ),
    Rule(id="python-modules", level="fail", evidence=_python_modules, fix="install the whole of python3"),
    Rule(id="libc", level="fail", evidence=_libc, fix="use a glibc distribution such as Debian, Ubuntu or Fedora"),
    Rule(id="memory", level="fail", evidence=_memory, fix="a node needs 512 MB"),
    Rule(id="little-memory", level="warn", evidence=_little_memory, fix="few pods will fit"),
    Rule(id="disk", level="fail", evidence=_disk, fix="make room for images: 5 GB is comfortable"),
    Rule(id="little-disk", level="warn", evidence=_little_disk, fix="images may fill it; 5 GB is comfortable"),
    Rule(id="data-file-system", level="fail", evidence=_data_file_system, fix="mount a disk at /var/lib/pilothouse"),
    Rule(
        id="memory-cgroup",
        level="fail",
        evidence=_memory_controller,
        fix="add cgroup_enable=memory to the one line of /boot/firmware/cmdline.txt and reboot",
    ),
    Rule(id="cgroups", level="fail", evidence=_controllers, fix="use a kernel with these controllers"),
    Rule(
        id="overlay",
        level="fail",
        evidence=_feature("overlay", "overlayfs"),
        fix="put /var/lib/pilothouse on ext4 or xfs",
    ),
    Rule(
        id="netns",
        level="fail",
        evidence=_feature("netns", "a network namespace"),
        fix="use a kernel with CONFIG_NET_NS",
    ),
    Rule(id="veth", level="fail", evidence=_feature("veth", "a veth pair"), fix="load or install the veth module"),
    Rule(id="bridge", level="fail", evidence=_feature("bridge", "a bridge"), fix="load or install the bridge module"),
    Rule(
        id="nftables", level="fail", evidence=_feature("nft", "nftables"), fix="load or install the nf_tables modules"
    ),
    Rule(
        id="bridge-netfilter",
        level="fail",
        evidence=_feature("bridge_netfilter", "filtering on bridges"),
        fix="install the br_netfilter module (linux-modules-extra-raspi on older Ubuntu for the Pi)",
    ),
    Rule(
        id="clock",
        level="fail",
        evidence=_skew,
        fix="set its clock, or certificates will not be valid: timedatectl set-ntp on",
    ),
    Rule(id="small-skew", level="warn", evidence=_small_skew, fix="let it follow a time server"),
    Rule(
        id="node-name",
        level="fail",
        evidence=_node_name,
        fix="choose one of lower-case letters, digits, '-' and '.' with --name",
    ),
    Rule(id="machine-id", level="warn", evidence=_machine_id, fix="systemd-machine-id-setup gives it one of its own"),
    Rule(id="other-cluster", level="fail", evidence=_other_cluster, fix="remove it there first (node remove)"),
    Rule(id="managers", level="fail", evidence=_managers, fix="stop and uninstall it first"),
    Rule(
        id="ports", level="fail", evidence=_ports, fix="the link and the agent use 127.0.0.1:6443 and 127.0.0.1:10250"
    ),
    Rule(id="forwarding", level="fail", evidence=_forwarding, fix="set AllowTcpForwarding yes and reload sshd"),
    Rule(id="networks", level="fail", evidence=_networks, fix="free 10.42.0.0/16 and 10.43.0.0/16 on this machine"),
    Rule(id="package-lock", level="warn", evidence=_package_manager, fix="the join waits for it"),
    Rule(id="swap-on-card", level="warn", evidence=_swap, fix="swap wears an SD card out: use zram or none"),
)
