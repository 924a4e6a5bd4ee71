"""A lab: machines that are switched on, cut off, switched off and thrown away."""

import fcntl
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from lab import cgroups, links, names
from lab.boot import BootPlan, start_time
from lab.disk import Disk, make_disk
from lab.errors import LabError
from lab.keys import write_key_pair
from lab.registry import Registry
from lab.state import LabRecord, MachineRecord, load, save

MachineState = Literal["running", "cut off", "off"]
_BOOT_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One machine as a stranger needs to know it: `ssh -i ssh_key_path root@address`, which must show `host_key`."""

    name: str
    address: str
    ssh_key_path: Path
    host_key: str
    state: MachineState = "off"
    ssh_user: str = "root"
    ssh_port: int = 22


class Lab:
    """A lab and its state folder. Any process of root may open it; a lock lets one at a time change it."""

    def __init__(self, state_dir: Path, name: str) -> None:
        self.state_dir = state_dir
        self.name = name
        self._names = names.lab_names(state_dir)
        self._trees = cgroups.hierarchies()

    @classmethod
    def open(cls, data_dir: Path | str, name: str = "lab") -> "Lab":
        """The lab `name` of the data folder, whether it exists or not. LabError for a bad name."""
        if not names.is_lab_name(name):
            raise LabError(f"{name!r} is no name for a lab: use a-z, 0-9 and '-', at most 32 of them")
        return cls(Path(data_dir).resolve() / "lab" / name, name)

    @property
    def gateway(self) -> str:
        """This computer's address in the lab. LabError when the lab does not exist."""
        return names.gateway_address(self._record().subnet)

    @property
    def ssh_key_path(self) -> Path:
        return self.state_dir / "id_ed25519"

    @property
    def registry(self) -> Registry:
        """The registry that serves the machines. LabError when the lab does not exist."""
        return Registry(self.state_dir / "registry", self.gateway, self._trees, f"{self._names.cgroup}/registry")

    def exists(self) -> bool:
        return load(self.state_dir) is not None

    def up(self, machines: int, *, on_boot: Callable[[str], None] = lambda _: None) -> list[Machine]:
        """Bring the lab to at least `machines` machines, all running; return them all when every sshd answers.

        `on_boot` hears each machine's name as it answers. Running it again adds or boots what is missing.
        """
        require_root()
        if not 1 <= machines <= names.MAX_MACHINES:
            raise LabError(f"a lab has 1 to {names.MAX_MACHINES} machines, not {machines}")
        with self._locked():
            record = self._make_network()
            registry = self.registry
            registry.start()
            authorized = self.ssh_key_path.with_suffix(".pub").read_text().strip()
            for number in range(len(record.machines) + 1, machines + 1):
                record = self._make_machine(record, number, authorized)
            self._boot([machine for machine in record.machines if self._pid(machine.name) is None], on_boot)
            registry.wait()
        return self.machines()

    def down(self) -> None:
        """Remove the lab with everything it was. Works on half-made and damaged labs; nothing to do is fine."""
        require_root()
        with self._locked():
            # groups first: without them a boot that an `up` left half-way ends before it makes anything
            cgroups.destroy(self._trees, self._names.cgroup)
            for link in links.with_prefix(self._names.link("")):
                links.remove(link)
            links.remove(self._names.bridge)
            if self.state_dir.exists():
                shutil.rmtree(self.state_dir)

    def boot(self, name: str) -> Machine:
        """Switch a machine on, with the disk it had. One that runs is left alone."""
        with self._locked():
            machine = self._machine_record(name)
            if self._pid(name) is None:
                self._boot([machine], lambda _: None)
        return self.machine(name)

    def stop(self, name: str) -> None:
        """Pull the plug: every process ends at once, the disk stays."""
        with self._locked():
            self._machine_record(name)
            self._switch_off(name)

    def cut(self, name: str) -> None:
        """Cut the machine's cable; it runs on alone until `heal`."""
        self._cable(name, up=False)

    def heal(self, name: str) -> None:
        self._cable(name, up=True)

    def machines(self) -> list[Machine]:
        return [self._describe(machine) for machine in self._record().machines]

    def machine(self, name: str) -> Machine:
        return self._describe(self._machine_record(name))

    def run(
        self, name: str, argv: Sequence[str], *, stdin: bytes | None = None, timeout: float | None = 60
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command inside a machine, even one that is cut off: without SSH. Any exit code is returned."""
        return subprocess.run(
            self.enter(name, argv), input=stdin, capture_output=True, timeout=timeout, check=False, env=_ENVIRONMENT
        )

    def enter(self, name: str, argv: Sequence[str]) -> list[str]:
        """The command line that runs `argv` inside a running machine, its cgroup included."""
        pid = self._pid(self._machine_record(name).name)
        if pid is None:
            raise LabError(f"machine {name} is off; `pilothouse lab boot {name}` switches it on")
        groups = [Path(tree.mount_point, self._cgroup(name)) for tree in self._trees]
        # beside systemd itself where it has a group of its own: version 2 allows processes in leaves only
        joined = [group / "init.scope" if (group / "init.scope").exists() else group for group in groups]
        files = shlex.join(str(group / "cgroup.procs") for group in joined)
        script = f'for file in {files}; do echo $$ >"$file"; done; exec "$@"'
        into = ["nsenter", "--target", str(pid), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root"]
        return ["sh", "-c", script, "sh", *into, "--wdns=/", *argv]

    def _record(self) -> LabRecord:
        record = load(self.state_dir)
        if record is None:
            raise LabError(f"there is no lab {self.name!r}; `pilothouse lab up` makes one")
        return record

    def _machine_record(self, name: str) -> MachineRecord:
        record = self._record()
        for machine in record.machines:
            if machine.name == name:
                return machine
        known = ", ".join(machine.name for machine in record.machines)
        raise LabError(f"lab {self.name!r} has no machine {name!r} (it has: {known or 'none'})")

    def _describe(self, machine: MachineRecord) -> Machine:
        state: MachineState = "off"
        if self._pid(machine.name) is not None:
            state = "running" if links.is_up(self._names.link(machine.name)) else "cut off"
        return Machine(
            name=machine.name, address=machine.address, ssh_key_path=self.ssh_key_path, host_key=machine.host_key,
            state=state,
        )  # fmt: skip

    def _make_network(self) -> LabRecord:
        self.state_dir.mkdir(parents=True, exist_ok=True)
        self.state_dir.chmod(0o700)
        with _network_lock():
            record = load(self.state_dir)
            if record is None:
                record = LabRecord(name=self.name, subnet=names.free_subnet(links.networks_in_use()))
                save(self.state_dir, record)
            links.make_bridge(self._names.bridge, names.gateway_address(record.subnet))
        if not self.ssh_key_path.with_suffix(".pub").exists():
            write_key_pair(self.ssh_key_path, f"pilothouse lab {self.name}")
        return record

    def _make_machine(self, record: LabRecord, number: int, authorized: str) -> LabRecord:
        name = names.machine_name(number)
        folder = self._folder(name)
        if folder.exists():  # left by an `up` that was killed before it could record the machine
            shutil.rmtree(folder)
        disk = Disk(folder=folder)
        address = names.machine_address(record.subnet, number)
        host_key = make_disk(disk, hostname=name, address=address, authorized_key=authorized)
        grown = record.with_machine(number, host_key)
        save(self.state_dir, grown)
        return grown

    def _boot(self, machines: Sequence[MachineRecord], on_boot: Callable[[str], None]) -> None:
        """Switch machines on side by side; return when each answers. LabError naming those that do not."""
        booting = {machine.name: self._start_boot(machine) for machine in machines}
        for name, process in booting.items():
            _, complaint = process.communicate(timeout=_BOOT_SECONDS)
            if process.returncode != 0:
                raise LabError(complaint.decode().strip() or f"machine {name} did not boot")
        deadline = time.monotonic() + _BOOT_SECONDS
        waiting = {machine.name: machine.address for machine in machines}
        while waiting:
            for name, address in list(waiting.items()):
                if _answers_ssh(address):
                    del waiting[name]
                    on_boot(name)
            if waiting and time.monotonic() > deadline:
                console = Disk(folder=self._folder(next(iter(waiting)))).console
                raise LabError(f"no sshd answers on {', '.join(waiting)}; see {console}")
            time.sleep(0.02)

    def _start_boot(self, machine: MachineRecord) -> "subprocess.Popen[bytes]":
        record = self._record()
        cgroup = self._cgroup(machine.name)
        cgroups.create(self._trees, cgroup)
        plan = BootPlan(
            hostname=machine.name, address=machine.address, gateway=names.gateway_address(record.subnet),
            folder=str(self._folder(machine.name)), cgroup=cgroup, bridge=self._names.bridge,
            link=self._names.link(machine.name),
        )  # fmt: skip
        links.remove(plan.link)
        source = str(Path(__file__).resolve().parent.parent)
        return subprocess.Popen(
            [sys.executable, "-m", "lab.boot", msgspec.json.encode(plan).decode()],
            cwd=source, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip

    def _switch_off(self, name: str) -> None:
        pid = self._pid(name)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)  # the kernel ends all of a pid namespace with its first process
        cgroups.destroy(self._trees, self._cgroup(name))
        links.remove(self._names.link(name))
        (self._folder(name) / "pid").unlink(missing_ok=True)

    def _cable(self, name: str, *, up: bool) -> None:
        require_root()
        if self._pid(self._machine_record(name).name) is None:
            raise LabError(f"machine {name} is off; `pilothouse lab boot {name}` switches it on")
        links.set_up(self._names.link(name), up=up)

    def _pid(self, name: str) -> int | None:
        """The machine's first process, None when it is off. A number that another process got since does not count."""
        try:
            pid, started = (self._folder(name) / "pid").read_text().split()
        except (OSError, ValueError):
            return None
        state = _process_state(int(pid))
        return int(pid) if state not in {"", "Z", "X"} and start_time(int(pid)) == started else None

    def _folder(self, name: str) -> Path:
        return self.state_dir / "machines" / name

    def _cgroup(self, name: str) -> str:
        return f"{self._names.cgroup}/{name}"

    @contextmanager
    def _locked(self) -> Generator[None]:
        """Wait for other processes that change this lab. The lock lies beside the state folder, which may go."""
        lock = self.state_dir.with_suffix(".lock")
        lock.parent.mkdir(parents=True, exist_ok=True)
        with lock.open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield
            if not self.state_dir.exists():
                lock.unlink(missing_ok=True)


_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "TERM": "xterm",
}


def require_root() -> None:
    """LabError unless this process may make namespaces."""
    if os.geteuid() != 0:
        raise LabError("a lab needs root: run it with sudo")


@contextmanager
def _network_lock() -> Generator[None]:
    """Labs that start at once must not choose one network."""
    with Path("/run/lock/pilothouse-lab").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _process_state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def _answers_ssh(address: str) -> bool:
    try:
        with socket.create_connection((address, 22), timeout=1) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
