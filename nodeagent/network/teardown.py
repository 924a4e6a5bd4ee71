"""Takes everything away that this package put on the machine: `python -m nodeagent.network.teardown`.

Kernel settings stay: another program may rely on them by now, and they end with the next boot.
"""

import argparse
import asyncio
import shutil
import sys
from pathlib import Path

from nodeagent.network import cache, cniconf
from nodeagent.network.bridge import remove_bridge
from nodeagent.network.command import CommandFailed
from nodeagent.network.firewall import remove_openings
from nodeagent.network.iproute import Ip
from nodeagent.network.nft.kernel import Nft
from nodeagent.network.routes import remove_routes
from nodeagent.network.services.rules import FAMILY_TABLE
from nodeagent.network.tunnel import remove_tunnel

CNI_CONF_DIR = Path("/etc/pilothouse/cni")
STATE_DIR = Path("/var/lib/pilothouse/agent")
ADDRESS_DIR = Path(cniconf.ADDRESS_DIR)


async def teardown(
    conf_dir: Path = CNI_CONF_DIR, state_dir: Path = STATE_DIR, address_dir: Path = ADDRESS_DIR
) -> list[str]:
    """Remove it all, each part even when another fails; the answer says what could not be removed."""
    nft, ip = Nft(), Ip()
    # Adding first makes deleting succeed whether or not there is a table.
    drop_table = f"add table {FAMILY_TABLE}\ndelete table {FAMILY_TABLE}\n"
    problems: list[str] = []
    for work in (nft.apply(drop_table), remove_openings(nft), remove_routes(ip), remove_tunnel(ip), remove_bridge(ip)):
        try:
            await work
        except CommandFailed as error:
            problems.append(str(error))
    try:
        cniconf.remove(conf_dir)
        cache.path_in(state_dir).unlink(missing_ok=True)
        leases = address_dir / cniconf.NETWORK_NAME
        if leases.exists():
            await asyncio.to_thread(shutil.rmtree, leases)
    except OSError as error:
        problems.append(str(error))
    return problems


def main() -> int:
    parser = argparse.ArgumentParser(description="Remove Pilothouse's network from this machine.")
    parser.add_argument("--cni-conf-dir", type=Path, default=CNI_CONF_DIR)
    parser.add_argument("--state-dir", type=Path, default=STATE_DIR)
    arguments = parser.parse_args()
    problems = asyncio.run(teardown(arguments.cni_conf_dir, arguments.state_dir))
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
