"""The first moments of a machine, inside its new namespaces: build the root, move into it, become systemd."""

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NoReturn

from lab.cgroups import Hierarchy
from lab.disk import REAL_FOLDERS, Disk
from lab.syscalls import Mount, bind, detach, mount, pivot_root, read_only

_DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
_LINKS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2", "ptmx": "pts/ptmx"}
_SYSTEMD = "/lib/systemd/systemd"
_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "container": "pilothouse-lab",
}


def become_machine(
    disk: Disk, trees: Iterable[Hierarchy], *, hostname: str, address: str, gateway: str, plugged_in: Callable[[], None]
) -> NoReturn:
    """Turn this process, the first of its pid namespace, into the machine's systemd.

    `plugged_in` returns once the machine's `eth0` is there. Raises OSError or CalledProcessError when a step fails.
    """
    mount("none", "/", flags=Mount.REC | Mount.PRIVATE)
    socket.sethostname(hostname)
    root = disk.root
    _mount_root(disk)
    _mount_kernel(root, trees)
    _make_devices(root, disk.console)
    mount("tmpfs", root / "run", "tmpfs", Mount.NOSUID | Mount.NODEV, "mode=755")
    mount("tmpfs", root / "tmp", "tmpfs", Mount.NOSUID | Mount.NODEV, "mode=1777")
    for name, target in REAL_FOLDERS.items():
        (root / target.lstrip("/")).mkdir(parents=True, exist_ok=True)
        bind(disk.real(name), root / target.lstrip("/"))
    plugged_in()
    _configure_network(address, gateway)
    _enter(root)
    console = os.open("/dev/console", os.O_WRONLY | os.O_APPEND)
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(console, 1)
    os.dup2(console, 2)
    os.closerange(3, 1024)
    os.execve(_SYSTEMD, [_SYSTEMD, "--log-target=console", "--show-status=0"], _ENVIRONMENT)  # noqa: S606 - this is what we came for


def _mount_root(disk: Disk) -> None:
    # "volatile" makes fsync on the root free; the kernel's marker of it must go before the same disk is mounted again
    shutil.rmtree(disk.work / "work/incompat", ignore_errors=True)
    options = f"lowerdir=/,upperdir={disk.upper},workdir={disk.work},volatile"
    mount("overlay", disk.root, "overlay", options=options)


def _mount_kernel(root: Path, trees: Iterable[Hierarchy]) -> None:
    """Mount proc and sys. What would set this computer's kernel is read-only; networking is the machine's own."""
    careful = Mount.NOSUID | Mount.NODEV | Mount.NOEXEC
    mount("proc", root / "proc", "proc", careful)
    frozen = [path for path in (root / "proc/sys", root / "proc/sysrq-trigger") if path.exists()]
    for path in frozen:
        bind(path, path)
    bind(root / "proc/sys/net", root / "proc/sys/net")
    for path in frozen:
        read_only(path)
    mount("sysfs", root / "sys", "sysfs", careful | Mount.RDONLY)
    _mount_cgroups(root, trees)


def _mount_cgroups(root: Path, trees: Iterable[Hierarchy]) -> None:
    careful = Mount.NOSUID | Mount.NODEV | Mount.NOEXEC
    top = "/sys/fs/cgroup"
    if all(tree.mount_point != top for tree in trees):
        mount("tmpfs", root / top.lstrip("/"), "tmpfs", careful, "mode=755")
    for tree in trees:
        target = root / tree.mount_point.lstrip("/")
        target.mkdir(exist_ok=True)
        if tree.version == 2:
            mount("cgroup2", target, "cgroup2", careful)
        else:
            mount("cgroup", target, "cgroup", careful, tree.options)


def _make_devices(root: Path, console: Path) -> None:
    dev = root / "dev"
    mount("tmpfs", dev, "tmpfs", Mount.NOSUID, "mode=755")
    for name, (major, minor) in _DEVICES.items():
        _make_device(dev / name, major, minor)
    for folder in ("pts", "shm", "mqueue", "net"):
        (dev / folder).mkdir()
    _make_device(dev / "net/tun", 10, 200)
    for name, target in _LINKS.items():
        (dev / name).symlink_to(target)
    mount("devpts", dev / "pts", "devpts", options="newinstance,ptmxmode=0666,mode=620,gid=5")
    mount("tmpfs", dev / "shm", "tmpfs", Mount.NOSUID | Mount.NODEV, "mode=1777")
    mount("mqueue", dev / "mqueue", "mqueue")
    console.touch()
    (dev / "console").touch()
    bind(console, dev / "console")


def _make_device(path: Path, major: int, minor: int) -> None:
    os.mknod(path, 0o020666, os.makedev(major, minor))
    path.chmod(0o666)


def _configure_network(address: str, gateway: str) -> None:
    lines = f"""\
link set lo up
addr add {address}/24 dev eth0
link set eth0 up
route add default via {gateway}
"""
    subprocess.run(["ip", "-batch", "-"], input=lines, text=True, check=True)


def _enter(root: Path) -> None:
    os.chdir(root)
    pivot_root(".", ".")
    detach(".")
    os.chdir("/")
    # as systemd does for a machine that booted by itself: containers' mounts propagate from here
    mount("none", "/", flags=Mount.REC | Mount.SHARED)
