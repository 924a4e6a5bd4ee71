"""The one place where lab and fleet meet: machines of a lab become nodes, and stop being nodes when the lab goes."""

import asyncio
from pathlib import Path

import click

from apimachinery.client import kubeconfig
from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import NotFound, StatusError
from apimachinery.objects.resources import NODES
from lab.errors import LabError
from lab.machines import Lab, Machine
from pilothouse import datadir


def node_name(lab: Lab, machine: Machine) -> str:
    """The default lab's machines are called as they are; a second lab's must not clash with them."""
    return machine.name if lab.name == "lab" else f"{lab.name}-{machine.name}"


def join_machines(_data_dir: Path, _lab: Lab) -> None:
    """Make every machine of the lab a node of the local engine, which is started when it does not run."""
    raise click.ClickException("joining is not there yet; use --no-join")


def forget_machines(data_dir: Path, lab: Lab) -> None:
    """Take a lab's nodes out of the cluster, when the local engine runs: nobody will see these machines again."""
    if datadir.running_engine(data_dir) is None:
        return
    try:
        machines = lab.machines()
    except LabError:  # no lab, or a damaged record: there is nothing that we could forget by name
        return
    try:
        asyncio.run(_delete_nodes(data_dir, [node_name(lab, machine) for machine in machines]))
    except (ConnectionFailed, StatusError) as error:
        click.echo(f"the nodes stay in the cluster: {error}", err=True)


async def _delete_nodes(data_dir: Path, names: list[str]) -> None:
    client = Client(kubeconfig.load(datadir.kubeconfig(data_dir)).transport())
    try:
        for name in names:
            try:
                await client.delete(NODES, name)
            except NotFound:
                continue
    finally:
        await client.close()
