"""What went through network interfaces, from the kernel's own tables: of the machine, and of whoever owns a process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nodeagent.stats.machine import OWN_LINKS


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """Counters since the interface was made."""

    name: str
    received: int
    receive_errors: int
    received_packets: int
    received_dropped: int
    sent: int
    send_errors: int
    sent_packets: int
    sent_dropped: int


def parse(table: str) -> list[Interface]:
    """/proc/net/dev without the loopback."""
    found: list[Interface] = []
    for line in table.splitlines()[2:]:
        name, _, rest = line.partition(":")
        fields = [int(field) for field in rest.split()]
        if name.strip() == "lo" or len(fields) < 12:
            continue
        found.append(
            Interface(
                name=name.strip(),
                received=fields[0],
                received_packets=fields[1],
                receive_errors=fields[2],
                received_dropped=fields[3],
                sent=fields[8],
                sent_packets=fields[9],
                send_errors=fields[10],
                sent_dropped=fields[11],
            )
        )
    return found


def of_process(pid: int) -> list[Interface]:
    """Of the network that a process lives in; nothing once it has ended."""
    try:
        return parse(Path(f"/proc/{pid}/net/dev").read_text())
    except (OSError, ValueError):
        return []


def of_machine() -> list[Interface]:
    """Without what is there for pods only."""
    try:
        found = parse(Path("/proc/net/dev").read_text())
    except OSError:
        return []
    return [one for one in found if not one.name.startswith(OWN_LINKS)]
