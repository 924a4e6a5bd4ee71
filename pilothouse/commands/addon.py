"""`pilothouse addon`: parts that a cluster can do without."""

import asyncio
from pathlib import Path

import click

from apimachinery.client.client import Client
from apimachinery.objects.resources import NODES, SERVICES
from engine.fleet.nodes import NodeView
from lab.errors import LabError
from lab.images.build import IMAGES_FOLDER
from lab.machines import Lab
from pilothouse.addons import manifests
from pilothouse.machines import local_client, run
from pilothouse.output import output_option, print_listing

ADDRESS_SECONDS = 5.0
"""How long a Service may take to get its address where there is a pool of them."""
addon_argument = click.argument("name", type=click.Choice(sorted(manifests.ADDONS)))


@click.group()
def addon() -> None:
    """Parts that a cluster can do without: enable and disable them."""


@addon.command(name="list")
@output_option
@click.pass_obj
def list_addons(data_dir: Path, output: str) -> None:
    """Show the add-ons, and which are in the cluster."""

    async def rows() -> list[dict[str, str]]:
        async with local_client(data_dir) as client:
            return [
                {"name": name, "enabled": "yes" if await manifests.is_enabled(client, name) else "no", "what": what}
                for name, what in sorted(manifests.ADDONS.items())
            ]

    print_listing(run(rows()), ["name", "enabled", "what"], output)


@addon.command()
@addon_argument
@click.pass_obj
def enable(data_dir: Path, name: str) -> None:
    """Bring an add-on into the cluster, or up to date."""
    _fill_labs(data_dir, name)

    async def work() -> str:
        async with local_client(data_dir) as client:
            await manifests.enable(client, name)
            address = await _pool_address(client)
            if not address:
                # No pool: each machine answers on its own address, and Ingresses name one of them.
                address = await _machine_address(client)
                await manifests.enable(client, name, address)
            return address

    address = run(work())
    click.echo(f"{name} is enabled" + (f" at {address}" if address else ""))


@addon.command()
@addon_argument
@click.pass_obj
def disable(data_dir: Path, name: str) -> None:
    """Take an add-on out of the cluster; Ingresses and the like stay, and nobody acts on them."""

    async def work() -> None:
        async with local_client(data_dir) as client:
            await manifests.disable(client, name)

    run(work())
    click.echo(f"{name} is disabled")


async def _pool_address(client: Client) -> str:
    """What the Service gets where the engine has a pool of addresses; empty where it has none."""
    for _ in range(int(ADDRESS_SECONDS)):
        service = await client.get(SERVICES, "traefik", "traefik")
        given = service.get("status", {}).get("loadBalancer", {}).get("ingress") or []
        if given:
            return given[0].get("ip", "")
        await asyncio.sleep(1.0)
    return ""


async def _machine_address(client: Client) -> str:
    """Of the first machine that is ready; empty where there is none."""
    for node in (await client.list(NODES, view=NodeView)).items:
        if node.ready.status == "True":
            return node.internal_ip
    return ""


def _fill_labs(data_dir: Path, name: str) -> None:
    """Machines of a lab pull from the lab's registry, and from nowhere else."""
    if name != "ingress":
        return
    for folder in sorted(path for path in (data_dir / "lab").glob("*") if path.is_dir()):
        lab = Lab.open(data_dir, folder.name)
        if not lab.machines():
            continue
        from lab.images.traefik import traefik_archive

        try:
            lab.registry.load(traefik_archive(data_dir / IMAGES_FOLDER, data_dir / "cache"))
        except LabError as error:
            raise click.ClickException(str(error)) from error
