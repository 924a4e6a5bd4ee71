"""The few system calls that Python 3.11 does not wrap, raising OSError like those it does."""

import ctypes
import os
from enum import IntFlag
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)


class Clone(IntFlag):
    """Namespaces (sched.h)."""

    NEWNS = 0x00020000
    NEWCGROUP = 0x02000000
    NEWUTS = 0x04000000
    NEWIPC = 0x08000000
    NEWPID = 0x20000000
    NEWNET = 0x40000000


class Mount(IntFlag):
    """Mount flags (sys/mount.h)."""

    NONE = 0
    RDONLY = 1
    NOSUID = 2
    NODEV = 4
    NOEXEC = 8
    REMOUNT = 32
    BIND = 4096
    REC = 16384
    PRIVATE = 1 << 18
    SHARED = 1 << 20


_MNT_DETACH = 2
_SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "armv7l": 218, "riscv64": 41}


def unshare(namespaces: Clone) -> None:
    _check(_libc.unshare(int(namespaces)), "unshare")


def enter_namespace(descriptor: int, kind: Clone) -> None:
    _check(_libc.setns(descriptor, int(kind)), "setns")


def mount(source: str, target: str | Path, kind: str = "", flags: Mount = Mount.NONE, options: str = "") -> None:
    arguments = (source.encode(), str(target).encode(), kind.encode() or None, ctypes.c_ulong(int(flags)))
    _check(_libc.mount(*arguments, options.encode() or None), str(target))


def bind(source: Path, target: Path) -> None:
    mount(str(source), target, flags=Mount.BIND)


def read_only(target: Path) -> None:
    """Make what is mounted at `target` read-only there, and only there."""
    mount("none", target, flags=Mount.REMOUNT | Mount.BIND | Mount.RDONLY | Mount.NOSUID | Mount.NOEXEC | Mount.NODEV)


def detach(target: str) -> None:
    _check(_libc.umount2(target.encode(), _MNT_DETACH), target)


def pivot_root(new_root: str, put_old: str) -> None:
    number = _SYS_PIVOT_ROOT[os.uname().machine]
    _check(_libc.syscall(ctypes.c_long(number), new_root.encode(), put_old.encode()), new_root)


def _check(answer: int, subject: str) -> None:
    if answer != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), subject)
