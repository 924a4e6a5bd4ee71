"""`pilothouse lab`: machines made of namespaces on this computer, joined to the local engine like any others."""

import os
from pathlib import Path
from typing import Any, NoReturn

import click

from lab.errors import LabError
from lab.images.build import IMAGES_FOLDER, build_all
from lab.machines import Lab, Machine, require_root
from pilothouse.output import output_option, print_listing

name_option = click.option("--name", default="lab", show_default=True, help="Which lab, when you have several.")


class LabCommands(click.Group):
    """Ends with one line when a lab cannot do what it is asked."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except LabError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=LabCommands)
def lab() -> None:
    """Machines made of namespaces on this computer, to try things on. Needs root."""


@lab.command()
@click.option("--machines", default=3, show_default=True, metavar="N", help="How many machines the lab is to have.")
@click.option("--join/--no-join", default=True, help="Make them nodes of the local engine, started when it is not.")
@name_option
@click.pass_obj
def up(data_dir: Path, machines: int, join: bool, name: str) -> None:
    """Boot machines, fill their registry with images, and join them. What is there already stays as it is."""
    require_root()
    lab = Lab.open(data_dir, name)
    lab.up(machines, on_boot=lambda machine: click.echo(f"{machine} booted"))
    archives = build_all(data_dir / IMAGES_FOLDER, on_image=_say_built)
    for archive in archives:
        lab.registry.load(archive)
    click.echo(f"{len(archives)} images are in the lab's registry, {lab.registry.url}")
    if join:
        from pilothouse import labjoin

        labjoin.join_machines(data_dir, lab)


@lab.command()
@name_option
@output_option
@click.pass_obj
def status(data_dir: Path, name: str, output: str) -> None:
    """Show the machines and how each is doing."""
    rows = [_row(machine) for machine in Lab.open(data_dir, name).machines()]
    print_listing(rows, ["name", "state", "address"], output)


@lab.command(context_settings={"ignore_unknown_options": True})
@click.argument("machine")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@name_option
@click.pass_obj
def shell(data_dir: Path, machine: str, command: tuple[str, ...], name: str) -> NoReturn:
    """Open a shell on a machine, or run COMMAND there."""
    require_root()
    argv = Lab.open(data_dir, name).enter(machine, command or ("bash", "--login"))
    environment = {**os.environ, "HOME": "/root", "USER": "root", "SHELL": "/bin/bash", "HISTFILE": ""}
    os.execvpe(argv[0], argv, environment)  # noqa: S606 - the terminal and the exit code are to be the shell's own


@lab.command("load-image")
@click.argument("file", type=click.Path(path_type=Path))
@name_option
@click.pass_obj
def load_image(data_dir: Path, file: Path, name: str) -> None:
    """Put the images of an archive (OCI layout or `docker save`) into the lab's registry, under their own names."""
    for image in Lab.open(data_dir, name).registry.load(file):
        click.echo(f"loaded {image}")


@lab.command()
@click.argument("machine")
@name_option
@click.pass_obj
def cut(data_dir: Path, machine: str, name: str) -> None:
    """Cut a machine's cable: it runs on, alone."""
    require_root()
    Lab.open(data_dir, name).cut(machine)
    click.echo(f"{machine} is cut off")


@lab.command()
@click.argument("machine")
@name_option
@click.pass_obj
def heal(data_dir: Path, machine: str, name: str) -> None:
    """Mend a machine's cable."""
    require_root()
    Lab.open(data_dir, name).heal(machine)
    click.echo(f"{machine} is connected")


@lab.command()
@click.argument("machine")
@name_option
@click.pass_obj
def stop(data_dir: Path, machine: str, name: str) -> None:
    """Pull a machine's plug; its disk is kept."""
    require_root()
    Lab.open(data_dir, name).stop(machine)
    click.echo(f"{machine} is off")


@lab.command()
@click.argument("machine")
@name_option
@click.pass_obj
def boot(data_dir: Path, machine: str, name: str) -> None:
    """Switch a machine on, with the disk it had."""
    require_root()
    Lab.open(data_dir, name).boot(machine)
    click.echo(f"{machine} is running")


@lab.command()
@name_option
@click.pass_obj
def down(data_dir: Path, name: str) -> None:
    """Remove the machines and everything that belongs to them."""
    require_root()
    from pilothouse import labjoin

    lab = Lab.open(data_dir, name)
    labjoin.forget_machines(data_dir, lab)
    lab.down()
    click.echo("the lab is gone")


def _say_built(image: str, built: bool) -> None:
    if built:
        click.echo(f"built {image}")


def _row(machine: Machine) -> dict[str, str]:
    return {
        "name": machine.name, "state": machine.state, "address": machine.address,
        "ssh": f"{machine.ssh_user}@{machine.address}", "sshKey": str(machine.ssh_key_path),
        "hostKey": machine.host_key,
    }  # fmt: skip
