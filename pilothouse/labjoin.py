"""The one place where lab and fleet meet: machines of a lab become nodes, and stop being nodes when the lab goes."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import click

from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import NotFound, StatusError
from apimachinery.objects.resources import NODES
from engine.fleet.errors import FleetError
from engine.fleet.inventory import Inventory
from engine.fleet.join import Cluster, Joiner
from engine.fleet.leave import forget
from engine.fleet.nodes import ADDRESS, HOST_KEY, NodeView
from engine.fleet.progress import Progress
from engine.fleet.reach import Access
from engine.fleet.ssh.connect import Login
from engine.fleet.steps.step import JoinOptions
from engine.fleet.target import Target
from lab.errors import LabError
from lab.machines import Lab, Machine
from pilothouse import datadir
from pilothouse.machines import Confirmer, local_cluster, on_each


def node_name(lab: Lab, machine: Machine) -> str:
    """The default lab's machines are called as they are; a second lab's must not clash with them."""
    return machine.name if lab.name == "lab" else f"{lab.name}-{machine.name}"


def join_machines(data_dir: Path, lab: Lab) -> None:
    """Make every machine of the lab a node of the local engine, which is started when it does not run."""
    if datadir.running_engine(data_dir) is None:
        from pilothouse.commands.engine import start_detached

        running = start_detached(data_dir)
        click.echo(f"engine started on https://{running.address}:{running.port} (pid {running.pid})")
    machines = {machine.name: machine for machine in lab.machines()}
    asyncio.run(_forget_stale(data_dir, lab, list(machines.values())))
    for machine in machines.values():
        # the lab made the key itself: there is nobody to ask, and what an earlier lab had there does not count
        Inventory(data_dir).pin(_address(machine), machine.host_key)
    joiners: list[Joiner] = []  # one for all: they share what is built for the machines

    async def join(cluster: Cluster, name: str, tell: Progress, confirm: Confirmer) -> str:
        machine = machines[name]
        if not joiners:
            joiners.append(Joiner(cluster, confirm))
        target = Target(host=machine.address, user=machine.ssh_user, port=machine.ssh_port)
        access = Access(login=Login(key_files=(str(machine.ssh_key_path),), user_config=False))
        options = JoinOptions(
            name=node_name(lab, machine), registry_mirror=lab.registry.url, node_ip=machine.address
        )  # fmt: skip
        return f"node {await joiners[0].join(target, access, options, tell)} is ready"

    on_each(data_dir, list(machines), join, yes=False, failed="could not join")


def forget_machines(data_dir: Path, lab: Lab) -> None:
    """Take a lab's nodes out of the cluster, when the local engine runs: nobody will see these machines again."""
    try:
        machines = lab.machines()
    except LabError:  # no lab, or a damaged record: there is nothing that we could forget by name
        return
    for machine in machines:
        Inventory(data_dir).unpin(_address(machine))
    if datadir.running_engine(data_dir) is None:
        return
    try:
        asyncio.run(_forget_all(data_dir, [node_name(lab, machine) for machine in machines]))
    except (ConnectionFailed, FleetError, StatusError) as error:
        click.echo(f"the nodes stay in the cluster: {error}", err=True)


async def _forget_stale(data_dir: Path, lab: Lab, machines: Sequence[Machine]) -> None:
    """Nodes left by an earlier lab that went while no engine ran: same address, another machine."""
    async with local_cluster(data_dir) as cluster:
        for machine in machines:
            name = node_name(lab, machine)
            try:
                node = await cluster.client.get(NODES, name, view=NodeView)
            except NotFound:
                continue
            same_place = node.metadata.annotations.get(ADDRESS) == _address(machine)
            if same_place and machine.host_key.split()[:2] != node.metadata.annotations.get(HOST_KEY, "").split()[:2]:
                await forget(name, cluster)


async def _forget_all(data_dir: Path, names: Sequence[str]) -> None:
    async with local_cluster(data_dir) as cluster:
        for name in names:
            await forget(name, cluster)


def _address(machine: Machine) -> str:
    return f"{machine.address}:{machine.ssh_port}"
