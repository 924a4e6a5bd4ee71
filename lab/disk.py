"""The disk of a machine: an overlay's upper folder with a freshly installed Debian's files, and folders of real ext4.

Made once, when the machine is new; whatever the machine writes later stays there across its reboots.
"""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.keys import write_key_pair
from lab.masks import Mask, masks

REAL_FOLDERS: Mapping[str, str] = {
    "pilothouse": "/var/lib/pilothouse",
    "containerd": "/var/lib/containerd",
    "pods": "/var/log/pods",
}
"""Folders that are no overlay: containerd's overlay snapshots are refused by the kernel on top of another overlay."""

_MASKED_UNITS = (
    # the host's hardware, kernel and clock are not the machine's to set up
    "systemd-udevd.service", "systemd-udevd-control.socket", "systemd-udevd-kernel.socket",
    "systemd-udev-trigger.service", "systemd-udev-settle.service", "systemd-modules-load.service",
    "systemd-sysctl.service", "systemd-random-seed.service", "systemd-binfmt.service", "systemd-pstore.service",
    "systemd-remount-fs.service", "systemd-repart.service", "systemd-timesyncd.service", "systemd-firstboot.service",
    "systemd-machine-id-commit.service", "systemd-sysusers.service", "kmod-static-nodes.service",
    "proc-sys-fs-binfmt_misc.automount", "dev-hugepages.mount", "dev-mqueue.mount",
    "sys-kernel-config.mount", "sys-kernel-debug.mount", "sys-kernel-tracing.mount", "sys-fs-fuse-connections.mount",
    # nobody logs in at a screen
    "getty.target", "console-getty.service", "systemd-logind.service", "dbus.service", "dbus.socket",
    "systemd-ask-password-console.path", "systemd-ask-password-wall.path", "systemd-update-utmp.service",
    "systemd-update-utmp-runlevel.service", "systemd-journal-flush.service", "systemd-networkd.service",
    "cryptsetup.target", "integritysetup.target", "veritysetup.target", "swap.target", "timers.target",
)  # fmt: skip

_SSHD_CONFIG = """\
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
MaxStartups 100
HostKey /etc/ssh/ssh_host_ed25519_key
Subsystem sftp internal-sftp
"""

_SSH_UNIT = """\
[Unit]
Description=OpenBSD Secure Shell server

[Service]
Type=notify
ExecStart=/usr/sbin/sshd -D -e
ExecReload=/bin/kill -HUP $MAINPID
KillMode=process
Restart=on-failure
RuntimeDirectory=sshd
RuntimeDirectoryMode=0755

[Install]
WantedBy=multi-user.target
Alias=sshd.service
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """Where the parts of a machine's disk are on this computer."""

    folder: Path

    @property
    def upper(self) -> Path:
        return self.folder / "upper"

    @property
    def work(self) -> Path:
        return self.folder / "work"

    @property
    def root(self) -> Path:
        """The mount point; empty outside the machine's own mount namespace."""
        return self.folder / "root"

    @property
    def console(self) -> Path:
        """What the machine's systemd said while it booted."""
        return self.folder / "console.log"

    def real(self, name: str) -> Path:
        return self.folder / "real" / name


def make_disk(disk: Disk, *, hostname: str, address: str, authorized_key: str) -> str:
    """Write a new machine's disk and return its sshd's public key. LabError when the file system cannot carry it."""
    for folder in (disk.upper, disk.work, disk.root, *(disk.real(name) for name in REAL_FOLDERS)):
        folder.mkdir(parents=True, exist_ok=True)
    disk.upper.chmod(0o755)
    for mask in _host_masks():
        _apply(mask, disk.upper)
    _write_files(disk.upper, _files(hostname, address, authorized_key))
    _write_units(disk.upper / "etc/systemd/system")
    return write_key_pair(disk.upper / "etc/ssh/ssh_host_ed25519_key", f"root@{hostname}")


def _host_masks() -> list[Mask]:
    return masks(root=_entries("/"), var=_entries("/var"), var_lib=_entries("/var/lib"), etc=_entries("/etc"))


def _entries(folder: str) -> list[str]:
    return [path.name for path in Path(folder).iterdir()]


def _apply(mask: Mask, upper: Path) -> None:
    """Write a mask in overlayfs' words: a 0/0 device is a whiteout, an "opaque" folder hides the host's."""
    path = upper / mask.path.lstrip("/")
    path.parent.mkdir(parents=True, exist_ok=True)
    if mask.how == "absent":
        os.mknod(path, 0o020000, os.makedev(0, 0))
        return
    path.mkdir(exist_ok=True)
    path.chmod(mask.mode)
    try:
        os.setxattr(path, "trusted.overlay.opaque", b"y")
    except OSError as error:
        raise LabError(
            f"{upper} cannot hold a machine's disk: {error.strerror}; put the data folder on ext4"
        ) from error


def _files(hostname: str, address: str, authorized_key: str) -> dict[str, tuple[int, str]]:
    return {
        "etc/hostname": (0o644, f"{hostname}\n"),
        "etc/hosts": (0o644, f"127.0.0.1\tlocalhost\n{address}\t{hostname}\n::1\tlocalhost ip6-localhost\n"),
        "etc/machine-id": (0o444, f"{secrets.token_hex(16)}\n"),
        "etc/resolv.conf": (0o644, "# a lab has no name server\n"),
        "etc/fstab": (0o644, ""),
        "etc/shadow": (0o640, _locked_passwords(Path("/etc/passwd").read_text())),
        "etc/environment": (0o644, ""),
        "etc/nftables.conf": (0o755, "#!/usr/sbin/nft -f\n\nflush ruleset\n"),
        "etc/ssh/sshd_config": (0o644, _SSHD_CONFIG),
        "root/.ssh/authorized_keys": (0o600, f"{authorized_key}\n"),
        "root/.bashrc": (0o644, "PS1='\\u@\\h:\\w# '\n"),
    }


def _locked_passwords(passwd: str) -> str:
    """A shadow file with the host's users, none of whom has a password."""
    return "".join(f"{line.partition(':')[0]}:*:19700:0:99999:7:::\n" for line in passwd.splitlines() if line)


def _write_files(upper: Path, files: Mapping[str, tuple[int, str]]) -> None:
    for name, (mode, text) in files.items():
        path = upper / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
    (upper / "root/.ssh").chmod(0o700)
    (upper / "var/run").symlink_to("/run")
    (upper / "var/lock").symlink_to("/run/lock")


def _write_units(units: Path) -> None:
    """systemd's own folder: none of the host's services, sshd enabled, what has no business in a machine masked."""
    wants = units / "multi-user.target.wants"
    wants.mkdir(parents=True)
    (units / "ssh.service").write_text(_SSH_UNIT)
    (wants / "ssh.service").symlink_to("/etc/systemd/system/ssh.service")
    (units / "sshd.service").symlink_to("/etc/systemd/system/ssh.service")
    (units / "default.target").symlink_to("/lib/systemd/system/multi-user.target")
    for unit in _MASKED_UNITS:
        (units / unit).symlink_to("/dev/null")
