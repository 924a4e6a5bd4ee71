"""Leaving: a node is emptied, its machine put back as it was before the join, its Node object deleted."""

from __future__ import annotations

import base64
import time
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files

from apimachinery.objects.errors import NotFound
from apimachinery.objects.resources import NODES, PODS
from engine.fleet import journal
from engine.fleet.drain import drain, pods_on
from engine.fleet.errors import FleetError, StepFailed
from engine.fleet.facts import gather
from engine.fleet.inventory import Inventory
from engine.fleet.join import Cluster
from engine.fleet.progress import Progress, Telling
from engine.fleet.reach import Access, ConfirmHostKey, reach
from engine.fleet.site import Site
from engine.fleet.ssh.hostkeys import generate_key
from engine.fleet.steps.link import withdraw_from_hops
from engine.fleet.target import Target

# Arguments: file, line. Keeps the file's owner, mode and links; removes it when it is ours and empty now.
_REMOVE_LINE = """
file=$1; [ -f "$file" ] || exit 0
kept=$(grep -vxF -- "$2" "$file"; printf x)
printf '%s' "${kept%x}" > "$file"
[ "$3" = created ] && [ ! -s "$file" ] && rm -f "$file"
exit 0
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveOptions:
    """How a node is to go."""

    drain_seconds: float = 300.0
    """0 does not drain: pods end with the node."""
    purge_packages: bool = False
    """Take the distribution's packages away that the join installed."""
    delete_data: bool = False
    """Remove the folders of volumes too; else they stay, and whoever comes back finds them."""


async def leave(
    name: str | None,
    target: Target,
    access: Access,
    options: LeaveOptions,
    *,
    cluster: Cluster,
    progress: Progress,
    confirm: ConfirmHostKey,
) -> list[str]:
    """Remove a node and everything on its machine that the join has put there. Raises FleetError.

    Returns the folders of volumes that stay on the machine.

    Without a name the machine's own journal tells it. Safe to run again after a failure: the journal goes last.
    """
    telling = Telling(name or str(target), progress)
    with telling.step("connect", "Connect"):
        connection = await reach(target, access, Inventory(cluster.data_dir), confirm)
    try:
        site = Site(connection, await gather(connection, time.time))
        await site.load_journal()
        node = name or site.journal.node
        if site.journal.cluster not in ("", cluster.id):
            raise FleetError(f"{target} is a node of another cluster: nothing was changed")
        if options.drain_seconds > 0 and node:
            with telling.step("drain", "Move the pods away"):
                await _drain_if_there(cluster, node, options.drain_seconds)
        with telling.step("stop", "Stop everything of ours"):
            await _take_away(site, "running")
        with telling.step("undo", "Put the machine back"):
            await undo(site, site.journal, purge_packages=options.purge_packages)
            await withdraw_from_hops(connection, generate_key(cluster.link_key_path, "pilothouse-link"))
            kept = await _take_away(site, "folders", "delete" if options.delete_data else "keep")
    finally:
        await connection.close()
    with telling.step("node", "Delete the node"):
        await forget(node, cluster)
    return kept


async def forget(name: str, cluster: Cluster) -> None:
    """Delete the Node, its pods, and what we remember of its machine; fine when there is none.

    The pods go at once: nobody is left who could end them gently, and their controllers wait for room to replace them.
    """
    if not name:
        return
    for pod in await pods_on(cluster.client, name):
        with suppress(NotFound):
            await cluster.client.delete(PODS, pod.metadata.name, pod.metadata.namespace, grace_period_seconds=0)
    with suppress(NotFound):
        await cluster.client.delete(NODES, name)
    Inventory(cluster.data_dir).forget(name)


async def _drain_if_there(cluster: Cluster, name: str, seconds: float) -> None:
    try:
        await drain(cluster.client, name, seconds=seconds)
    except NotFound:  # an earlier removal got further than this
        return


async def _take_away(site: Site, what: str, data: str = "keep") -> list[str]:
    """Remove what runs, or the folders; what was kept. Raises StepFailed naming what could not be removed."""
    script = files("engine.fleet").joinpath("leave.sh").read_text()
    lines = (await site.script(script, what, data, timeout=300)).text.splitlines()
    left = [line.removeprefix("left: ") for line in lines if line.startswith("left: ")]
    if left:
        raise StepFailed(f"not everything could be removed: {'; '.join(left)}")
    return [line.removeprefix("kept: ") for line in lines if line.startswith("kept: ")]


async def undo(site: Site, known: journal.Journal, *, purge_packages: bool) -> None:
    """Take the journal's changes back, the last one first. One that is gone already is no failure."""
    for entry in reversed(known.entries):
        match entry:
            case journal.UnitInstalled(name=name):
                await site.run(["systemctl", "disable", "--quiet", "--now", name], check=False, timeout=120)
                await site.run(["rm", "-f", f"/etc/systemd/system/{name}"])
                await site.run(["systemctl", "reset-failed", name], check=False)
            case journal.FileWritten(path=path, before=None):
                await site.run(["rm", "-f", path])
            case journal.FileWritten(path=path, before=before, mode=mode):
                await site.put(path, base64.b64decode(before or ""), mode=mode)
            case journal.LineAdded(path=path, line=line, created=created):
                await site.script(_REMOVE_LINE, path, line, "created" if created else "")
            case journal.SysctlSet(key=key, before=before):
                await site.run(["sysctl", "-q", "-w", f"{key}={before}"], check=False)
            case journal.PackagesInstalled(names=names):
                if purge_packages:
                    await _purge(site, names)
    await site.run(["systemctl", "daemon-reload"], check=False)


async def _purge(site: Site, names: tuple[str, ...]) -> None:
    options = ["-q", "-y", "-o", "DPkg::Lock::Timeout=300"]
    command = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", *options, "purge", "--auto-remove", *names]
    await site.run(command, timeout=600)
