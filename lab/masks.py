"""What a machine must not see of the computer it runs on.

A machine's root is an overlay over this computer's own, so that everything installed here is installed there. The rest
is kept to what a freshly installed Debian has: unknown folders of `/` and `/var/lib` vanish, and folders that hold
people's files, secrets, services or logs are replaced by empty ones.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Mask:
    """`absent`: the path does not exist in the machine. `empty`: it is a folder with nothing of the host's in it."""

    path: str
    how: Literal["absent", "empty"]
    mode: int = 0o755


_ROOT_KEPT = frozenset({"bin", "etc", "lib", "lib32", "lib64", "libx32", "sbin", "usr", "var"})
_ROOT_EMPTY: Mapping[str, int] = {
    "boot": 0o755, "dev": 0o755, "home": 0o755, "media": 0o755, "mnt": 0o755, "opt": 0o755, "proc": 0o555,
    "root": 0o700, "run": 0o755, "srv": 0o755, "sys": 0o555, "tmp": 0o1777,
}  # fmt: skip
_VAR_KEPT = frozenset({"lib", "lock", "run"})
_VAR_EMPTY: Mapping[str, int] = {
    "backups": 0o755, "cache": 0o755, "local": 0o2775, "log": 0o755, "mail": 0o2775, "opt": 0o755, "spool": 0o755,
    "tmp": 0o1777,
}  # fmt: skip
_VAR_LIB_KEPT = frozenset({"dpkg", "pam", "ucf"})
_VAR_LIB_EMPTY: Mapping[str, int] = {
    "apt": 0o755, "dbus": 0o755, "misc": 0o755, "private": 0o700, "python": 0o755, "systemd": 0o755, "nginx": 0o755,
}  # fmt: skip
_ETC_EMPTY: Mapping[str, int] = {
    "cni": 0o755, "containerd": 0o755, "cron.d": 0o755, "docker": 0o755, "kubernetes": 0o755, "nftables.d": 0o755,
    "pilothouse": 0o755, "rancher": 0o755, "ssh": 0o755, "ssl/private": 0o710, "sudoers.d": 0o750, "sysctl.d": 0o755,
    "systemd/network": 0o755, "systemd/system": 0o755, "systemd/user": 0o755, "wireguard": 0o700,
}  # fmt: skip


def masks(*, root: Collection[str], var: Collection[str], var_lib: Collection[str], etc: Collection[str]) -> list[Mask]:
    """What to mask, given the entries of the host's `/`, `/var`, `/var/lib` and `/etc`."""
    return [
        *_folder("/", root, _ROOT_KEPT, _ROOT_EMPTY),
        *_folder("/var/", var, _VAR_KEPT, _VAR_EMPTY),
        *_folder("/var/lib/", var_lib, _VAR_LIB_KEPT, _VAR_LIB_EMPTY),
        *(Mask(path=f"/etc/{path}", how="empty", mode=mode) for path, mode in _ETC_EMPTY.items() if _top(path) in etc),
        Mask(path="/usr/local", how="empty"),
    ]


def _folder(prefix: str, entries: Collection[str], kept: Collection[str], empty: Mapping[str, int]) -> list[Mask]:
    emptied = [Mask(path=prefix + name, how="empty", mode=mode) for name, mode in empty.items()]
    gone = [Mask(path=prefix + name, how="absent") for name in sorted(set(entries) - set(kept) - set(empty))]
    return emptied + gone


def _top(path: str) -> str:
    return path.partition("/")[0]
