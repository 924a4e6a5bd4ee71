"""`pilothouse bench`: see how a control plane fares under load."""

import asyncio
import signal
from pathlib import Path

import click

from apimachinery.aio.clock import SystemClock
from apimachinery.aio.tasks import TaskScope
from apimachinery.client import kubeconfig
from apimachinery.client.client import Client
from pilothouse import datadir
from pilothouse.hollow import figures
from pilothouse.hollow.load import Load, Phase, Stalled
from pilothouse.hollow.machines import HollowMachines
from pilothouse.output import output_option, print_listing


@click.group()
def bench() -> None:
    """See how a control plane fares under load."""


@bench.command()
@click.option("--nodes", type=click.IntRange(1, 5000), default=100, show_default=True, help="How many machines.")
@click.option("--pods", type=click.IntRange(1, 150_000), help="Create, roll and delete so many pods, and measure.")
@click.option("--kubeconfig", "file", type=click.Path(path_type=Path, exists=True),
              help="The cluster to use instead of the local engine's.")  # fmt: skip
@output_option
@click.pass_obj
def hollow(data_dir: Path, nodes: int, pods: int | None, file: Path | None, output: str) -> None:
    """Register machines that only pretend to run pods; without --pods they stay until Ctrl-C.

    They go through the same API as real machines: Leases, status, pods that start and stop after a moment. They are
    removed again at the end. Not for a cluster that others use.
    """
    running = datadir.running_engine(data_dir) if file is None else None
    access = kubeconfig.load(file or datadir.kubeconfig(data_dir))
    try:
        rows = asyncio.run(drive(access, nodes, pods, pid=running.pid if running is not None else None))
    except Stalled as error:
        raise click.ClickException(str(error)) from error
    print_listing([{"what": what, "measured": value} for what, value in rows], ["what", "measured"], output)


async def drive(
    access: kubeconfig.ClusterAccess, nodes: int, pods: int | None, *, pid: int | None
) -> list[tuple[str, str]]:
    """Register, load and measure, remove. Raises Stalled."""
    client = Client(access.transport())
    machines = HollowMachines(client, SystemClock(), nodes)
    phases: list[Phase] = []
    try:
        await machines.register()
        click.echo(f"{nodes} hollow machines registered", err=True)
        async with TaskScope("bench") as scope:
            scope.spawn("machines", machines.run())
            if pods is None:
                await _until_interrupted()
            else:
                phases = await Load(client, machines, pods, pid=pid).run(lambda text: click.echo(text, err=True))
        return figures.rows(phases)
    finally:
        await machines.remove()
        await client.close()


async def _until_interrupted() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()
