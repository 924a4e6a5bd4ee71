"""The lab's network on this computer: one bridge, one cable to each machine.

Packets stay here: the bridge does not forward, so what a machine sends to an address outside the lab is dropped instead
of leaving by this computer's default route, even when this computer is a router.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

from lab.errors import LabError


def networks_in_use() -> list[str]:
    """The IPv4 networks that this computer has an address in or a route to."""
    addresses = [
        f"{info['local']}/{info['prefixlen']}" for link in _show("addr", "show") for info in link.get("addr_info", ())
    ]
    routes = [route["dst"] for route in _show("route", "show", "table", "all", "type", "unicast")]
    return addresses + [route for route in routes if route != "default"]


def exists(name: str) -> bool:
    return Path("/sys/class/net", name).exists()


def make_bridge(name: str, gateway: str) -> None:
    """Make the lab's bridge, or leave the one that is there; `gateway` is this computer's address on it."""
    if not exists(name):
        # nobody else is to see packets before forwarding is off: up comes last
        _ip(["link", "add", name, "type", "bridge"])
    for family in ("ipv4", "ipv6"):
        setting = Path("/proc/sys/net", family, "conf", name, "forwarding")
        if setting.exists():
            setting.write_text("0")
    _ip(["addr", "replace", f"{gateway}/24", "dev", name])
    _ip(["link", "set", name, "up"])


def plug_in(link: str, bridge: str, pid: int, hardware_address: str) -> None:
    """Lay the cable from the bridge to `eth0` in the network namespace of process `pid`."""
    lines = f"""\
link add {link} type veth peer name eth0 address {hardware_address} netns {pid}
link set {link} master {bridge}
link set {link} up
"""
    _ip(["-batch", "-"], lines)


def set_up(link: str, *, up: bool) -> None:
    _ip(["link", "set", link, "up" if up else "down"])


def is_up(link: str) -> bool:
    """Whether the cable is there and was not cut."""
    found = _show("link", "show", "dev", link) if exists(link) else []
    return any("UP" in item["flags"] for item in found)


def remove(link: str) -> None:
    """Remove a bridge or a cable; one that is not there is fine."""
    if exists(link):
        try:
            _ip(["link", "del", link])
        except LabError:
            if exists(link):  # the kernel removes a cable by itself when the machine's end goes
                raise


def with_prefix(prefix: str) -> list[str]:
    return [path.name for path in Path("/sys/class/net").iterdir() if path.name.startswith(prefix)]


def _show(*arguments: str) -> list[dict[str, Any]]:
    return json.loads(_ip(["-4", "-json", *arguments] if arguments[0] != "link" else ["-json", *arguments]) or "[]")


def _ip(arguments: list[str], lines: str = "") -> str:
    done = subprocess.run(["ip", *arguments], input=lines, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout
