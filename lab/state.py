"""What a lab remembers on disk, so that any process can take it over, and `down` can clean up after a killed `up`."""

from pathlib import Path

import msgspec

from lab.errors import LabError
from lab.names import machine_address, machine_name

STATE_FILE = "lab.json"


class MachineRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One machine: its number decides name and address. `host_key` is its sshd's public key, one OpenSSH line."""

    number: int
    address: str
    host_key: str

    @property
    def name(self) -> str:
        return machine_name(self.number)


class LabRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One lab: written before the first of its resources is made."""

    name: str
    subnet: str
    machines: tuple[MachineRecord, ...] = ()

    def with_machine(self, number: int, host_key: str) -> "LabRecord":
        machine = MachineRecord(number=number, address=machine_address(self.subnet, number), host_key=host_key)
        return msgspec.structs.replace(self, machines=(*self.machines, machine))


def load(state_dir: Path) -> LabRecord | None:
    """The lab recorded in `state_dir`, None when there is none. LabError when the record cannot be read."""
    path = state_dir / STATE_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=LabRecord)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        raise LabError(f"{path} is damaged ({error}); `pilothouse lab down` removes what is left of the lab") from error


def save(state_dir: Path, record: LabRecord) -> None:
    """Replace the record in one step: a reader sees the old one or the new one."""
    path = state_dir / STATE_FILE
    fresh = path.with_suffix(".tmp")
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2))
    fresh.replace(path)
