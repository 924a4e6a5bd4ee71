"""Links, addresses and routes through the `ip` program: JSON out, batches in.

A library for rtnetlink costs the agent more memory than everything else in this package together, for a handful of
calls an hour; `ip` is on every machine.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from nodeagent.network.command import CommandFailed, run


class Ip:
    """Speaks `ip`, or with another `command` its sibling `bridge`. All methods raise CommandFailed."""

    def __init__(self, command: Sequence[str] = ("ip", "-N")) -> None:
        self._command = tuple(command)

    async def show(self, *words: str) -> list[dict[str, Any]]:
        """The answer of `ip -json …`, with numbers for protocols and tables."""
        output = await run((*self._command, "-json", *words))
        return [entry for entry in msgspec.json.decode(output or b"[]") if entry]

    async def batch(self, lines: Iterable[str]) -> None:
        """Run these commands in order, on past those that fail; raises with what failed first."""
        text = "".join(f"{line}\n" for line in lines)
        if text:
            await run((*self._command, "-force", "-batch", "-"), text)

    async def link(self, name: str) -> dict[str, Any] | None:
        """A link with its addresses (`addr_info`), None when there is none of this name."""
        try:
            found = await self.show("address", "show", "dev", name)
        except CommandFailed as error:
            if "does not exist" in str(error):
                return None
            raise
        return found[0] if found else None
