"""What a machine is, as its own shell reports it: the probe's output read into one frozen value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files

from engine.fleet.errors import FleetError
from engine.fleet.ssh.connection import Connection

_BEGIN = "--- facts"
_END = "--- end"
# (ELF class, machine) as od prints them: the userland's architecture in the words of container images.
_ARCHITECTURES = {("02", "3e00"): "amd64", ("02", "b700"): "arm64", ("01", "2800"): "arm", ("02", "f300"): "riscv64"}
FEATURES = ("netns", "veth", "bridge", "nft", "bridge_netfilter", "overlay", "python_modules")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Sizes in bytes, `skew` in seconds (positive: the machine is ahead of us), empty text for what is not there.

    `features` maps a thing tried for real to "ok" or to the complaint; what could not be tried is missing.
    """

    arch: str = ""
    uname_machine: str = ""
    kernel: str = ""
    hostname: str = ""
    machine_id: str = ""
    os_id: str = ""
    os_like: tuple[str, ...] = ()
    os_version: str = ""
    os_name: str = ""
    libc: tuple[int, int] | None = None
    """Version of glibc; None for another C library."""
    init: str = ""
    has_apt: bool = False
    root: bool = False
    memory_total: int = 0
    memory_available: int = 0
    swap: tuple[str, ...] = ()
    data_free: int = 0
    data_type: str = ""
    cgroup_version: int = 0
    cgroup_controllers: tuple[str, ...] = ()
    cmdline: str = ""
    features: dict[str, str]
    sys_resource: bool = True
    python: str = ""
    python_version: tuple[int, ...] = ()
    python_default: str = ""
    containerd: str = ""
    runc: str = ""
    cni: str = ""
    nft_version: str = ""
    conntrack: str = ""
    managers: tuple[str, ...] = ()
    listening: tuple[int, ...] = ()
    sshd_forwarding: str = ""
    dpkg_locked: bool = False
    cluster: str = ""
    """The cluster that the machine belongs to already, by its authority's fingerprint."""
    addresses: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    skew: float = 0.0

    @property
    def python_tag(self) -> str:
        """Version as wheels name it: "311"."""
        return "".join(str(number) for number in self.python_version[:2])


async def gather(connection: Connection, now: Callable[[], float]) -> Facts:
    """Probe a machine as root; `now` is our wall clock in seconds. Raises FleetError when the answer makes no sense."""
    script = files("engine.fleet").joinpath("probe.sh").read_text()
    before = now()
    completed = await connection.run(["sh", "-c", script], root=True, timeout=60)
    return parse(completed.text, asked_at=(before + now()) / 2)


def parse(text: str, *, asked_at: float) -> Facts:
    """Read the probe's output, whatever a noisy login shell put around it. Raises FleetError when it is not whole."""
    _, begin, rest = text.partition(_BEGIN + "\n")
    body, end, _ = rest.partition(_END)
    if not begin or not end:
        raise FleetError(f"the machine's shell did not run the probe; it said {text.strip()[:80]!r}")
    told = dict(line.split("=", 1) for line in body.splitlines() if "=" in line)

    def get(key: str) -> str:
        return told.get(key, "").strip()

    return Facts(
        arch=_architecture(get("elf"), get("uname_machine")),
        uname_machine=get("uname_machine"),
        kernel=get("kernel"),
        hostname=get("hostname"),
        machine_id=get("machine_id"),
        os_id=get("os_id"),
        os_like=tuple(get("os_like").split()),
        os_version=get("os_version"),
        os_name=get("os_name"),
        libc=_glibc(get("libc")),
        init=get("init"),
        has_apt=bool(get("apt")),
        root=get("uid") == "0",
        memory_total=_number(get("memory_total_kb")) * 1024,
        memory_available=_number(get("memory_available_kb")) * 1024,
        swap=tuple(get("swap").split()),
        data_free=_number(get("data_free_kb")) * 1024,
        data_type=get("data_type"),
        cgroup_version=_number(get("cgroup_version")),
        cgroup_controllers=tuple(get("cgroup_controllers").split()),
        cmdline=get("cmdline"),
        features={name: get(name) for name in FEATURES if name in told},
        sys_resource=get("sys_resource") == "1",
        python=get("python"),
        python_version=tuple(_number(part) for part in get("python_version").split(".") if part),
        python_default=get("python_default"),
        containerd=get("containerd"),
        runc=get("runc"),
        cni=get("cni"),
        nft_version=get("nft_version"),
        conntrack=get("conntrack"),
        managers=tuple(get("managers").split()),
        listening=tuple(_number(port) for port in get("listening").split()),
        sshd_forwarding=get("sshd_forwarding"),
        dpkg_locked=get("dpkg_locked") == "yes",
        cluster=get("cluster"),
        addresses=tuple(get("addresses").split()),
        routes=tuple(get("routes").split()),
        skew=(_decimal(get("clock")) or asked_at) - asked_at,
    )


def _architecture(elf: str, uname_machine: str) -> str:
    """By the ELF header of /bin/sh; ARM before version 7 is told apart, for nothing is built for it."""
    arch = _ARCHITECTURES.get((elf[8:10], elf[36:40]), "")
    return "armv6" if arch == "arm" and uname_machine.startswith("armv6") else arch


def _glibc(text: str) -> tuple[int, int] | None:
    name, _, version = text.partition(" ")
    major, _, minor = version.partition(".")
    return (_number(major), _number(minor)) if name == "glibc" else None


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _decimal(text: str) -> float | None:
    whole, _, fraction = text.partition(".")
    if not whole.isdigit():
        return None
    return float(f"{whole}.{fraction}") if fraction.isdigit() else float(whole)  # busybox's date knows no %N
