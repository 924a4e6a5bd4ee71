"""A private OpenSSH server for tests: own host key, own authorized_keys, a free loopback port."""

from __future__ import annotations

import socket
import subprocess
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Sshd:
    """`start` returns when it answers; `stop` ends it with every session it holds."""

    folder: Path
    options: tuple[str, ...] = ()
    port: int = 0
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def host_key(self) -> str:
        return " ".join((self.folder / "host_key.pub").read_text().split()[:2])

    @property
    def client_key(self) -> str:
        return str(self.folder / "client_key")

    @property
    def authorized_keys(self) -> Path:
        return self.folder / "authorized_keys"

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        Path("/run/sshd").mkdir(exist_ok=True, mode=0o755)
        for name in ("host_key", "client_key"):
            if not (self.folder / name).exists():
                make_key(self.folder / name)
        if not self.authorized_keys.exists():
            self.authorized_keys.write_text((self.folder / "client_key.pub").read_text())
        self.authorized_keys.chmod(0o600)
        self.port = self.port or free_port()
        options = [
            f"ListenAddress=127.0.0.1:{self.port}",
            f"HostKey={self.folder}/host_key",
            f"AuthorizedKeysFile={self.authorized_keys}",
            "PermitRootLogin=prohibit-password",
            "PasswordAuthentication=no",
            "UsePAM=no",
            "PidFile=none",
            "StrictModes=no",
            "Subsystem=sftp internal-sftp",
            *self.options,
        ]
        log = (self.folder / "log").open("ab")
        with log:
            self.process = subprocess.Popen(
                [
                    "/usr/sbin/sshd",
                    "-D",
                    "-e",
                    "-f",
                    "/dev/null",
                    *(part for option in options for part in ("-o", option)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        for _ in range(200):
            with closing(socket.socket()) as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise RuntimeError((self.folder / "log").read_text())

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None

    def sessions(self) -> list[int]:
        """Processes of the sessions that are open, as children of the server."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in children.split()]


def make_key(path: Path, *more: str) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path), *more], check=True)


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
