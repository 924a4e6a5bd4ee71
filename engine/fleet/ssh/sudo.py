"""Getting a command past sudo's password question."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import asyncssh


class PasswordGate:
    """Gets a command past sudo's password question, and tells the question from what the command itself says.

    sudo prints a prompt that nobody else can print, or, when it does not ask, the command prints a mark: only then
    is it certain whether the next line on stdin is taken for the password or is the command's own input.
    """

    def __init__(self, password: str) -> None:
        self._password = password
        self._prompt = f"password-{secrets.token_hex(8)}:".encode()
        self._mark = f"root-{secrets.token_hex(8)};".encode()
        self.passed = False

    def wrap(self, argv: Sequence[str]) -> list[str]:
        script = f'printf %s "{self._mark.decode()}" >&2; exec "$@"'
        return ["sudo", "-S", "-p", self._prompt.decode(), "--", "sh", "-c", script, "sh", *argv]

    async def open(self, process: asyncssh.SSHClientProcess[bytes]) -> bytes:
        """Answer until the command runs or sudo gives up; what else came on stderr meanwhile."""
        seen = b""
        answered = False
        while chunk := await process.stderr.read(4096):
            seen += chunk
            if self._mark in seen:
                self.passed = True
                return seen.partition(self._mark)[2]
            if self._prompt in seen and not answered:
                answered = True
                process.stdin.write(self._password.encode() + b"\n")
            elif seen.count(self._prompt) > 1:
                process.stdin.write_eof()  # the password was wrong: do not try it again
        return seen

    def refusal(self, stderr: bytes) -> str:
        said = [
            line for line in stderr.replace(self._prompt, b"\n").decode(errors="replace").splitlines() if line.strip()
        ]
        return said[0].strip() if said else "it did not run the command"
