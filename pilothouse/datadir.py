"""The data dir of the local engine: where it is, and what the command reads from it.

The engine alone writes there (engine/config.py); the command reads the kubeconfig and who is running.
"""

import os
import signal
from pathlib import Path

import msgspec
import platformdirs


def default() -> Path:
    return platformdirs.user_data_path("pilothouse")


class Running(msgspec.Struct, frozen=True):
    """engine.json: the process that serves this data dir."""

    pid: int
    address: str
    port: int


def running_engine(data_dir: Path) -> Running | None:
    """The engine that runs on this data dir, or None; a file left by one that was killed counts as none."""
    try:
        running = msgspec.json.decode((data_dir / "engine.json").read_bytes(), type=Running)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    return running if is_alive(running.pid) else None


def is_alive(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except OSError:
        return True  # no /proc (macOS): the signal reached it, that must do
    return stat.rpartition(")")[2].split()[0] != "Z"


def terminate(pid: int) -> None:
    os.kill(pid, signal.SIGTERM)


def kubeconfig(data_dir: Path) -> Path:
    return data_dir / "kubeconfig"
