"""What containerd calls to give a pod its interface: the CNI configuration of this machine."""

from pathlib import Path
from typing import Any

import msgspec

from nodeagent.network.files import replace_file
from nodeagent.network.layout import BRIDGE

FILE_NAME = "10-pilothouse.conflist"
NETWORK_NAME = "pilothouse"
ADDRESS_DIR = "/var/lib/cni/networks"
"""Where host-local writes down which address is whose, in a folder per network."""


def conflist(pod_cidr: str) -> dict[str, Any]:
    """Bridge with this machine's pod addresses, and host ports.

    The bridge plugin must not masquerade: it would hide pods from each other across machines; our own rule does it
    for what leaves the cluster. Hairpin lets a pod reach itself through a Service.
    """
    return {
        "cniVersion": "0.4.0",
        "name": NETWORK_NAME,
        "plugins": [
            {
                "type": "bridge",
                "bridge": BRIDGE,
                "isGateway": True,
                "isDefaultGateway": True,
                "ipMasq": False,
                "hairpinMode": True,
                "ipam": {"type": "host-local", "dataDir": ADDRESS_DIR, "ranges": [[{"subnet": pod_cidr}]]},
            },
            {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True},
        ],
    }


def write(conf_dir: Path, pod_cidr: str) -> bool:
    """Put the configuration in place; says whether it had to change. Raises OSError."""
    path = conf_dir / FILE_NAME
    content = msgspec.json.format(msgspec.json.encode(conflist(pod_cidr)), indent=2) + b"\n"
    try:
        if path.read_bytes() == content:
            return False
    except FileNotFoundError:
        conf_dir.mkdir(parents=True, exist_ok=True)
    replace_file(path, content, 0o644)
    return True


def remove(conf_dir: Path) -> None:
    (conf_dir / FILE_NAME).unlink(missing_ok=True)
