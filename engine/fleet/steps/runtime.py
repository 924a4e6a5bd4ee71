"""A containerd of our own: own configuration, root, state and socket, so that the user's is never touched."""

from __future__ import annotations

from urllib.parse import urlsplit

from engine.fleet.facts import Facts
from engine.fleet.steps.step import Joining

UNIT = "pilothouse-containerd.service"
CONFIG = "/etc/pilothouse/containerd.toml"
SOCKET = "/run/pilothouse/containerd.sock"
MIRRORS = "/etc/pilothouse/certs.d"
PAUSE_IMAGE = "pilothouse.local/pause:1"


class Runtime:
    name = "runtime"
    title = "Set up containerd"

    async def check(self, joining: Joining) -> bool:
        site = joining.site
        for path, content in _files(joining).items():
            if not await site.holds(path, content):
                return False
        return await site.succeeds("systemctl", "is-active", "--quiet", UNIT)

    async def apply(self, joining: Joining) -> None:
        site = joining.site
        changed = False
        for path, content in _files(joining).items():
            if not await site.holds(path, content):
                # The registry's hosts are read at each pull; the rest is read once, on start.
                changed = changed or not path.startswith(MIRRORS)
                if not path.startswith("/etc/systemd/"):
                    await site.put(path, content)
        if changed:
            await site.install_unit(UNIT, _unit())
        if changed or not await site.succeeds("systemctl", "is-active", "--quiet", UNIT):
            await site.restart_unit(UNIT)


def _files(joining: Joining) -> dict[str, bytes]:
    files = {CONFIG: configuration(joining.site.facts).encode(), f"/etc/systemd/system/{UNIT}": _unit().encode()}
    if joining.options.registry_mirror:
        files[f"{MIRRORS}/_default/hosts.toml"] = mirror(joining.options.registry_mirror).encode()
    return files


def configuration(facts: Facts) -> str:
    """containerd.toml, version 2: read by containerd 1.6, 1.7 and 2."""
    # Without CAP_SYS_RESOURCE no process may lower its OOM score, and runc fails when told to.
    restricted = "false" if facts.sys_resource else "true"
    return f"""\
version = 2
root = "/var/lib/pilothouse/containerd"
state = "/run/pilothouse/containerd"
oom_score = 0
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
  "io.containerd.tracing.processor.v1.otlp",
  "io.containerd.internal.v1.tracing",
]

[grpc]
  address = "{SOCKET}"

[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/pilothouse/containerd/opt"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  restrict_oom_score_adj = {restricted}
  disable_apparmor = {"true" if not facts.sys_resource else "false"}
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
        Root = "/run/pilothouse/runc"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{facts.cni or "/usr/lib/cni"}"
    conf_dir = "/etc/pilothouse/cni"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{MIRRORS}"
"""


def mirror(url: str) -> str:
    """hosts.toml that sends pulls of every registry to `url`. Raises ValueError unless it is http or https."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError(f"{url!r} is not the address of a registry")
    return f'[host."{parts.scheme}://{parts.netloc}"]\n  capabilities = ["pull", "resolve"]\n'


def _unit() -> str:
    return f"""\
[Unit]
Description=Container runtime of Pilothouse
After=network.target local-fs.target

[Service]
Type=notify
ExecStart=/usr/bin/env containerd --config {CONFIG}
Delegate=yes
# Pods live on when containerd is restarted.
KillMode=process
Restart=always
RestartSec=2
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
OOMScoreAdjust=-999

[Install]
WantedBy=multi-user.target
"""
