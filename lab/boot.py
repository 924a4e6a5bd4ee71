"""`python -m lab.boot PLAN`: switch one machine on. Ends with 0 when the machine's systemd has been started.

A program of its own, because a process that unshares and forks must have a single thread, and because the machine must
not die with whoever asked for it: its first process becomes an orphan, adopted by this computer's init.

The plan is JSON on the command line. What goes wrong is told in one line on stderr.
"""

import os
import sys
from pathlib import Path
from typing import NoReturn

import msgspec

from lab import cgroups, links, names
from lab.disk import Disk
from lab.errors import LabError
from lab.root import become_machine
from lab.syscalls import Clone, enter_namespace, unshare


class BootPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything needed to switch a machine on. `cgroup` must exist; so must the bridge."""

    hostname: str
    address: str
    gateway: str
    folder: str
    cgroup: str
    bridge: str
    link: str

    @property
    def pid_file(self) -> Path:
        """Holds the machine's first process, as this computer numbers it, and when that was started."""
        return Path(self.folder, "pid")


def main(arguments: list[str]) -> int:
    plan = msgspec.json.decode(arguments[0], type=BootPlan)
    trees = cgroups.hierarchies()
    try:
        cgroups.join(trees, plan.cgroup)
        own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY)
        unshare(Clone.NEWPID)
        ready_read, ready_write = os.pipe()
        go_read, go_write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(ready_read)
            os.close(go_write)
            _first_process(plan, trees, ready_write, go_read)
        enter_namespace(own_pids, Clone.NEWPID)  # or every program we run from here would be the machine's
        os.close(ready_write)
        os.close(go_read)
        plan.pid_file.write_text(f"{pid} {start_time(pid)}\n")
        _wait_for_byte(ready_read)
        links.plug_in(plan.link, plan.bridge, pid, names.hardware_address(plan.address))
        os.write(go_write, b"g")
        # the child closes this end when it becomes systemd; a word before that is its complaint
        complaint = os.read(ready_read, 1000).decode()
    except (OSError, LabError) as error:
        complaint = str(error)
    if complaint:
        sys.stderr.write(f"machine {plan.hostname} did not boot: {complaint}\n")
    return 1 if complaint else 0


def start_time(pid: int) -> str:
    """When the kernel started a process, in its own ticks: with the number it names a process for good. "" if gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _first_process(plan: BootPlan, trees: list[cgroups.Hierarchy], ready: int, go: int) -> NoReturn:
    def plugged_in() -> None:
        os.write(ready, b"r")
        _wait_for_byte(go)

    os.set_inheritable(ready, False)
    try:
        os.setsid()
        os.umask(0o022)
        unshare(Clone.NEWNS | Clone.NEWUTS | Clone.NEWIPC | Clone.NEWNET | Clone.NEWCGROUP)
        become_machine(
            Disk(folder=Path(plan.folder)), trees, hostname=plan.hostname, address=plan.address, gateway=plan.gateway,
            plugged_in=plugged_in,
        )  # fmt: skip
    except BaseException as error:  # noqa: BLE001 - nobody is above us: tell our parent, and end
        os.write(ready, f"{type(error).__name__}: {error}".encode()[:900])
    os._exit(1)


def _wait_for_byte(pipe: int) -> None:
    """Returns when the other side has come that far. Raises OSError when it ended or complained instead."""
    word = os.read(pipe, 1000)
    if word not in {b"r", b"g"}:
        raise OSError(word.decode() or "the other side ended")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
