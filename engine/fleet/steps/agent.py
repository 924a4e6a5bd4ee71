"""The agent as a service: its settings, its unit, and a start."""

from __future__ import annotations

from typing import Any

import msgspec

from engine.fleet.steps.environment import PYTHON, ROOT
from engine.fleet.steps.runtime import SOCKET
from engine.fleet.steps.runtime import UNIT as RUNTIME_UNIT
from engine.fleet.steps.step import Joining

UNIT = "pilothouse-agent.service"
CONFIG = "/etc/pilothouse/agent.json"
_RUNNING = f"{ROOT}/running"
"""The environment that the running agent was started from: an upgrade restarts it, a second join does not."""


class Agent:
    name = "agent"
    title = "Start the agent"

    async def check(self, joining: Joining) -> bool:
        site = joining.site
        return (
            await site.holds(CONFIG, settings(joining))
            and await site.holds(f"/etc/systemd/system/{UNIT}", _unit().encode())
            and await runs_current(joining)
        )

    async def apply(self, joining: Joining) -> None:
        site = joining.site
        await site.put(CONFIG, settings(joining), mode="0600")
        await site.install_unit(UNIT, _unit())
        await start(joining)


async def runs_current(joining: Joining) -> bool:
    """Whether the agent runs, and from the environment that is current now."""
    running = (await joining.site.read(_RUNNING) or b"").decode()
    return running == await _current(joining) and await joining.site.succeeds("systemctl", "is-active", "--quiet", UNIT)


async def start(joining: Joining) -> None:
    """Start the agent anew from the current environment."""
    await joining.site.restart_unit(UNIT)
    await joining.site.put(_RUNNING, (await _current(joining)).encode())


async def _current(joining: Joining) -> str:
    return (await joining.site.run(["readlink", f"{ROOT}/current"], check=False)).text


def settings(joining: Joining) -> bytes:
    """agent.json; what stands nowhere here is the agent's own default."""
    options = joining.options
    told: dict[str, Any] = {"node_name": joining.name, "cri_socket": SOCKET, "labels": options.labels}
    told["taints"] = [{"key": taint.key, "value": taint.value, "effect": taint.effect} for taint in options.taints]
    if options.node_ip:
        told["node_ip"] = options.node_ip
    return msgspec.json.format(msgspec.json.encode(told), indent=1) + b"\n"


def _unit() -> str:
    return f"""\
[Unit]
Description=Node agent of Pilothouse
After=network-online.target {RUNTIME_UNIT}
Wants=network-online.target {RUNTIME_UNIT}
# It is to come back for ever: nobody may be near the machine to start it by hand.
StartLimitIntervalSec=0

[Service]
ExecStart={PYTHON} -m nodeagent --config {CONFIG}
KillMode=process
Restart=always
RestartSec=2
LimitNOFILE=1048576
Environment=PYTHONUNBUFFERED=1
# One heap for all threads: they wait more than they work, and each heap of its own holds on to what it had.
Environment=MALLOC_ARENA_MAX=1

[Install]
WantedBy=multi-user.target
"""
