"""The distribution's packages: container runtime, CNI plugins, packet filter."""

from __future__ import annotations

import time

from engine.fleet import journal
from engine.fleet.errors import CommandFailed, StepFailed
from engine.fleet.facts import Facts, gather
from engine.fleet.steps.step import Joining

# Nothing that comes with a package is to start by itself: the user's containerd is not ours to run.
_INSTALL = """
set -e
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  trap 'rm -f $policy' EXIT
  printf '#!/bin/sh\\nexit 101\\n' > $policy
  chmod 755 $policy
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@" < /dev/null >&2
"""


class Packages:
    name = "packages"
    title = "Install container runtime and network tools"

    async def check(self, joining: Joining) -> bool:
        return not missing(joining.site.facts)

    async def apply(self, joining: Joining) -> None:
        site = joining.site
        names = missing(site.facts)
        absent = [
            name for name in names if not await site.succeeds("dpkg-query", "-W", "-f", "${db:Status-Status}", name)
        ]
        await site.record(journal.PackagesInstalled(names=tuple(absent or names)))
        try:
            await site.script(_INSTALL, *names, timeout=900)
        except CommandFailed:
            # The lists of a fresh machine are empty or old: fetch them, then the second failure is the real one.
            try:
                await site.run(["apt-get", "-q", "update"], timeout=300)
                await site.script(_INSTALL, *names, timeout=900)
            except CommandFailed as error:
                raise StepFailed(f"cannot install {', '.join(names)}: {error}") from error
        site.facts = await gather(site.connection, time.time)


def missing(facts: Facts) -> list[str]:
    """Debian's names of the packages that a machine lacks."""
    wanted = {
        "containerd": facts.containerd,
        "runc": facts.runc,
        "containernetworking-plugins": facts.cni,
        "nftables": facts.nft_version,
        "conntrack": facts.conntrack,
    }
    return [package for package, there in wanted.items() if not there]
