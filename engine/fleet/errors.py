"""What can go wrong with a machine, each with a one-line reason that names the machine, the cause, and what to do.

FleetError
├── Unreachable            no TCP connection, no name, no SSH banner, connection lost
├── AuthenticationFailed   the machine is there and refuses us
├── HostKeyUnknown         first contact: .key is what it offers, for a person to confirm
├── HostKeyChanged         it is not the machine we know
├── PrivilegeRefused       no root: neither uid 0 nor sudo
├── CommandFailed          a command on the machine ended with a non-zero status
├── PreflightFailed        the machine cannot be a node as it is: .findings
└── StepFailed             a step of the join did not get through
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HostKey:
    """A machine's public host key as offered: `line` in OpenSSH's form ('ssh-ed25519 AAAA...'), SHA256 fingerprint."""

    address: str
    algorithm: str
    fingerprint: str
    line: str


class FleetError(Exception):
    """Base of everything that fleet raises; str() is one line for a person."""


class Unreachable(FleetError):
    """There is no SSH conversation with the machine."""


class AuthenticationFailed(FleetError):
    """The machine answers and accepts none of our credentials."""


class HostKeyUnknown(FleetError):
    """First contact with a machine whose key neither we nor the user's known_hosts know."""

    def __init__(self, key: HostKey) -> None:
        super().__init__(
            f"{key.address} offers an unknown host key {key.algorithm} {key.fingerprint}; it was not confirmed"
        )
        self.key = key


class HostKeyChanged(FleetError):
    """The machine offers another key than the one known for its address."""


class PortRefused(FleetError):
    """The machine does not let us listen on a port of its own."""


class PrivilegeRefused(FleetError):
    """The user on the machine cannot become root."""


class CommandFailed(FleetError):
    """A command on a machine failed; `output` is the end of what it said."""

    def __init__(self, command: str, status: int | None, output: str) -> None:
        said = last_line(output)
        ending = "was cut off" if status is None else f"exited with {status}"
        super().__init__(f"{command} {ending}" + (f": {said}" if said else ""))
        self.status = status
        self.output = output


class StepFailed(FleetError):
    """A step of a join failed; the reason says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One judgement on a machine: `level` is "fail" or "warn", `fix` says what a person can do about it."""

    id: str
    level: str
    evidence: str
    fix: str


class PreflightFailed(FleetError):
    """The machine cannot be a node as it is."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        failing = [finding for finding in findings if finding.level == "fail"]
        super().__init__("; ".join(f"{finding.evidence} ({finding.fix})" for finding in failing))
        self.findings = tuple(findings)


def last_line(text: str) -> str:
    """The last line with something on it, which is where most programs put the cause."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""
