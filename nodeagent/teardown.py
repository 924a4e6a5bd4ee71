"""`python -m nodeagent.teardown`: end every pod of this machine and take its network away, as the machine leaves.

The runtime ends the pods, so that their addresses, interfaces and cgroups go the way they came; then the bridge, the
routes and the rules of ours go. What fails is said and the rest goes on: whoever calls looks at what is left.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from nodeagent.config import AgentConfig, ConfigError, load
from nodeagent.cri.containerd import Containerd
from nodeagent.cri.errors import RuntimeFailure
from nodeagent.network.bridge import remove_bridge
from nodeagent.network.command import CommandFailed
from nodeagent.network.firewall import remove_openings
from nodeagent.network.iproute import Ip
from nodeagent.network.layout import TABLE
from nodeagent.network.nft.kernel import Nft
from nodeagent.network.routes import remove_routes

AT_ONCE = 4
"""containerd takes about as long for many at once as one after another; a few keep it busy."""


def main(arguments: Sequence[str]) -> int:
    """The command; 1 when something could not be removed."""
    parser = argparse.ArgumentParser(prog="nodeagent teardown", description="End all pods and remove their network.")
    parser.add_argument("--config", type=Path, default=Path("/etc/pilothouse/agent.json"))
    try:
        config = load(parser.parse_args(arguments).config)
    except ConfigError as error:
        sys.stderr.write(f"nodeagent teardown: {error}\n")
        return 1
    problems = asyncio.run(tear_down(config))
    sys.stderr.writelines(f"nodeagent teardown: {problem}\n" for problem in problems)
    return 1 if problems else 0


async def tear_down(config: AgentConfig) -> list[str]:
    """Remove all pods, then the network; what could not be removed, in words."""
    return [*await _remove_pods(config.cri_socket), *await _remove_network()]


async def _remove_pods(socket: str) -> list[str]:
    problems: list[str] = []
    room = asyncio.Semaphore(AT_ONCE)
    async with Containerd(socket) as runtime:

        async def remove(sandbox_id: str, name: str) -> None:
            async with room:
                try:
                    await runtime.stop_sandbox(sandbox_id)
                    await runtime.remove_sandbox(sandbox_id)
                except RuntimeFailure as error:
                    problems.append(f"pod {name}: {error}")

        try:
            sandboxes = await runtime.sandboxes()
        except RuntimeFailure as error:
            return [str(error)]
        await asyncio.gather(*(remove(each.id, f"{each.namespace}/{each.name}") for each in sandboxes))
    return problems


async def _remove_network() -> list[str]:
    problems: list[str] = []
    ip, nft = Ip(), Nft()
    works = (remove_routes(ip), remove_openings(nft), _remove_table(nft), remove_bridge(ip))
    for work in works:
        try:
            await work
        except (CommandFailed, OSError) as error:
            problems.append(str(error))
    return problems


async def _remove_table(nft: Nft) -> None:
    # Declaring it first makes the deletion good for a machine that never had one.
    await nft.apply(f"add table ip {TABLE}\ndelete table ip {TABLE}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
