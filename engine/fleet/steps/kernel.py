"""What the kernel has to be told: modules, forwarding, bridged packets through the filter, room for watches."""

from __future__ import annotations

from engine.fleet import journal
from engine.fleet.steps.step import Joining

MODULES = ("overlay", "br_netfilter", "nf_tables", "nf_conntrack", "vxlan")
SYSCTLS = {
    "net.ipv4.ip_forward": "1",
    "net.bridge.bridge-nf-call-iptables": "1",
    # Answers of a service on another machine come in on another interface than the question went out.
    "net.ipv4.conf.all.rp_filter": "0",
    # An agent and its containers watch many files; the kernel's default of 128 is used up by a few of them.
    "fs.inotify.max_user_instances": "1024",
    "fs.inotify.max_user_watches": "524288",
}
_MODULES_FILE = "/etc/modules-load.d/pilothouse.conf"
_SYSCTL_FILE = "/etc/sysctl.d/90-pilothouse.conf"


class Kernel:
    name = "kernel"
    title = "Set kernel modules and parameters"

    async def check(self, joining: Joining) -> bool:
        site = joining.site
        settled = await site.holds(_SYSCTL_FILE, _sysctl_text()) and await site.holds(_MODULES_FILE, _modules_text())
        return settled and await self._differing(joining) == {}

    async def apply(self, joining: Joining) -> None:
        site = joining.site
        await site.write(_MODULES_FILE, _modules_text())
        # One that is built in or missing is no failure here: preflight has tried what they are for.
        await site.script('for module in "$@"; do modprobe -q "$module" || true; done', *MODULES)
        await site.write(_SYSCTL_FILE, _sysctl_text())
        for key, before in (await self._differing(joining)).items():
            await site.record(journal.SysctlSet(key=key, before=before))
            # What may not be changed inside a container is left to whoever runs it.
            await site.run(["sysctl", "-q", "-w", f"{key}={SYSCTLS[key]}"], check=False)

    async def _differing(self, joining: Joining) -> dict[str, str]:
        """Settings that are not as they should be and can be written, with their values."""
        script = (
            'for key; do path=/proc/sys/$(echo "${key%%=*}" | tr . /); [ -w "$path" ] && '
            'echo "${key%%=*}=$(cat "$path")"; done; true'
        )
        completed = await joining.site.script(script, *SYSCTLS)
        now = dict(line.split("=", 1) for line in completed.text.splitlines() if "=" in line)
        return {key: value for key, value in now.items() if key in SYSCTLS and not _enough(key, value)}


def _enough(key: str, value: str) -> bool:
    """Limits may be higher than ours; all else is to be equal."""
    if key.startswith("fs."):
        return value.isdigit() and int(value) >= int(SYSCTLS[key])
    return value == SYSCTLS[key]


def _modules_text() -> bytes:
    return ("\n".join(MODULES) + "\n").encode()


def _sysctl_text() -> bytes:
    return "".join(f"{key} = {value}\n" for key, value in SYSCTLS.items()).encode()
