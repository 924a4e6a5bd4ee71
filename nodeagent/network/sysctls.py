"""Kernel settings without which pods and Services do not work."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import structlog

from nodeagent.network.command import CommandFailed, run
from nodeagent.network.layout import BRIDGE

log = structlog.get_logger(__name__)
PROC_SYS = Path("/proc/sys")

WANTED: Mapping[str, str] = {
    "net/ipv4/ip_forward": "1",
    # Bridged packets between two pods of one machine must pass nat too, or answers come from the wrong address.
    "net/bridge/bridge-nf-call-iptables": "1",
    # Loose: a machine on two networks may get the answer for a pod on the other one.
    f"net/ipv4/conf/{BRIDGE}/rp_filter": "2",
    # Pods that reach each other through a service address are not to be told a shorter way. The kernel asks whether
    # either of these two is set; other interfaces keep their own.
    "net/ipv4/conf/all/send_redirects": "0",
    f"net/ipv4/conf/{BRIDGE}/send_redirects": "0",
}


async def ensure_sysctls(root: Path = PROC_SYS, wanted: Mapping[str, str] = WANTED) -> dict[str, str]:
    """Set what differs; the answer names settings that could not be set, with the reason."""
    if not (root / "net/bridge").exists():
        try:
            await run(("modprobe", "br_netfilter"))
        except CommandFailed as error:
            log.warning("bridge netfilter is not available", error=str(error))
    return await asyncio.to_thread(_write_all, root, wanted)


def _write_all(root: Path, wanted: Mapping[str, str]) -> dict[str, str]:
    problems: dict[str, str] = {}
    for name, value in wanted.items():
        path = root / name
        try:
            if path.read_text().strip() != value:
                path.write_text(value)
                log.info("kernel setting changed", setting=name.replace("/", "."), value=value)
        except OSError as error:
            problems[name] = error.strerror or str(error)
    return problems
