"""`pilothouse node`: join machines by SSH, list, check, drain, upgrade and remove them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from apimachinery.objects.resources import NODES
from engine.fleet import preflight
from engine.fleet.drain import cordon, drain
from engine.fleet.errors import FleetError
from engine.fleet.join import Cluster, Joiner
from engine.fleet.leave import LeaveOptions, forget, leave
from engine.fleet.nodes import NodeView
from engine.fleet.progress import StepEvent
from engine.fleet.steps.runtime import mirror
from engine.fleet.steps.step import JoinOptions, Taint
from pilothouse.machines import (
    Confirm,
    Confirmer,
    access_options,
    checked,
    find_machine,
    local_client,
    local_cluster,
    on_each,
    read_access,
    read_target,
    run,
)
from pilothouse.nodetable import node_row
from pilothouse.output import output_option, print_listing

Tell = Callable[[StepEvent], None]


@click.group()
def node() -> None:
    """Join, list, check and remove machines."""


@node.command()
@click.argument("machines", nargs=-1, required=True, metavar="[USER@]HOST[:PORT]...")
@access_options
@click.option("--name", default="", help="The node's name, when one machine is given; else its hostname.")
@click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="Label of the node.")
@click.option("--taint", "taints", multiple=True, metavar="KEY[=VALUE]:EFFECT", help="Taint of the node.")
@click.option("--registry-mirror", default="", metavar="URL", help="Pull all images through this registry.")
@click.option("--node-ip", default="", metavar="ADDRESS", help="The address that pods of other machines reach it by.")
@click.option("--ignore", "ignored", multiple=True, metavar="CHECK", help="Let this failing check only warn.")
@click.option("--timeout", default=180.0, show_default=True, help="Seconds to wait until a node is ready.")
@output_option
@click.pass_obj
def add(data_dir: Path, machines: tuple[str, ...], **given: Any) -> None:
    """Make machines nodes of the cluster. Running it again continues where it stopped."""
    targets = {text: read_target(text) for text in machines}
    if (given["name"] or given["node_ip"]) and len(targets) > 1:
        raise click.UsageError("--name and --node-ip are for one machine at a time")
    options = _join_options(given)
    access = read_access(given)
    joiners: dict[str, Joiner] = {}

    async def join(cluster: Cluster, machine: str, tell: Tell, confirm: Confirmer) -> str:
        # One for all: what is built for the first machine serves the others.
        joiner = joiners.setdefault("", Joiner(cluster, confirm))
        return f"node {await joiner.join(targets[machine], access, options, tell)} is ready"

    on_each(data_dir, list(targets), join, yes=given["yes"], failed="could not join", output=given["output"])


@node.command(name="list")
@output_option
@click.pass_obj
def list_nodes(data_dir: Path, output: str) -> None:
    """Show the nodes and how they fare."""

    async def rows() -> list[dict[str, Any]]:
        async with local_client(data_dir) as client:
            page = await client.list(NODES, view=NodeView)
            return [node_row(found) for found in page.items]

    print_listing(run(rows()), ["name", "status", "address", "ssh", "arch", "os", "agent"], output)


@node.command()
@click.argument("machines", nargs=-1, required=True, metavar="NODE|[USER@]HOST[:PORT]...")
@access_options
@output_option
@click.pass_obj
def check(data_dir: Path, machines: tuple[str, ...], output: str, **given: Any) -> None:
    """Look whether machines can be nodes, or are still fit to be. Changes nothing on them."""
    access = read_access(given)

    async def rows() -> list[dict[str, Any]]:
        async with local_cluster(data_dir) as cluster:
            joiner = Joiner(cluster, Confirm(yes=given["yes"]))
            found: list[dict[str, Any]] = []
            for text in machines:
                target, entry, name = await find_machine(cluster, text, access)
                facts, findings = await joiner.look(target, entry, JoinOptions(name=name or ""))
                well = {"level": "ok", "check": "", "finding": f"{facts.os_name}, {facts.arch}", "fix": ""}
                told = [{"level": f.level, "check": f.id, "finding": f.evidence, "fix": f.fix} for f in findings]
                found += [{"machine": text, **row} for row in told or [well]]
            return found

    lines = run(rows())
    print_listing(lines, ["machine", "level", "check", "finding", "fix"], output)
    if any(line["level"] == "fail" for line in lines):
        raise click.exceptions.Exit(1)


@node.command(name="drain")
@click.argument("nodes", nargs=-1, required=True)
@click.option("--timeout", default=300.0, show_default=True, help="Seconds to wait until the pods are gone.")
@click.pass_obj
def drain_nodes(data_dir: Path, nodes: tuple[str, ...], timeout: float) -> None:
    """Move all pods off nodes and keep new ones away."""

    async def work() -> None:
        async with local_client(data_dir) as client:
            for name in nodes:
                evicted = await drain(client, name, seconds=timeout, said=lambda pod: click.echo(f"evicted {pod}"))
                click.echo(f"node {name} drained: {len(evicted)} pods moved")

    run(work())


@node.command()
@click.argument("nodes", nargs=-1, required=True)
@click.pass_obj
def uncordon(data_dir: Path, nodes: tuple[str, ...]) -> None:
    """Let pods come to nodes again."""

    async def work() -> None:
        async with local_client(data_dir) as client:
            for name in nodes:
                await cordon(client, name, unschedulable=False)
                click.echo(f"node {name} uncordoned")

    run(work())


@node.command()
@click.argument("nodes", nargs=-1, required=True, metavar="NODE|[USER@]HOST[:PORT]...")
@access_options
@click.option("--no-drain", is_flag=True, help="Do not move the pods away first.")
@click.option("--drain-timeout", default=300.0, show_default=True, help="Seconds to wait until the pods are gone.")
@click.option("--purge-packages", is_flag=True, help="Uninstall the packages that the join had to install.")
@click.option("--delete-data", is_flag=True, help="Remove the folders of volumes from the machines too.")
@click.option("--forget", "only_forget", is_flag=True, help="Only delete the node: the machine is lost.")
@output_option
@click.pass_obj
def remove(data_dir: Path, nodes: tuple[str, ...], **given: Any) -> None:
    """Take nodes out of the cluster and put their machines back as they were.

    Folders of volumes stay where they are, and are named, unless --delete-data is given.
    """
    seconds = 0 if given["no_drain"] else given["drain_timeout"]
    options = LeaveOptions(
        drain_seconds=seconds, purge_packages=given["purge_packages"], delete_data=given["delete_data"]
    )
    access = read_access(given)

    async def take_out(cluster: Cluster, text: str, tell: Tell, confirm: Confirmer) -> str:
        if given["only_forget"]:
            await forget(text, cluster)
            return "forgotten; its machine was not touched"
        target, entry, name = await find_machine(cluster, text, access)
        kept = await leave(name, target, entry, options, cluster=cluster, progress=tell, confirm=confirm)
        return f"removed; volumes kept on the machine: {', '.join(kept)}" if kept else "removed"

    on_each(data_dir, nodes, take_out, yes=given["yes"], failed="could not be removed", output=given["output"])


@node.command()
@click.argument("nodes", nargs=-1, required=True)
@access_options
@output_option
@click.pass_obj
def upgrade(data_dir: Path, nodes: tuple[str, ...], **given: Any) -> None:
    """Bring this version's agent to nodes and restart it. Their pods go on."""
    access = read_access(given)

    async def bring(cluster: Cluster, text: str, tell: Tell, confirm: Confirmer) -> str:
        target, entry, name = await find_machine(cluster, text, access)
        if name is None:
            raise FleetError(f"there is no node {text}")
        await Joiner(cluster, confirm).upgrade(target, entry, name, tell)
        return "upgraded"

    on_each(data_dir, nodes, bring, yes=given["yes"], failed="could not be upgraded", output=given["output"])


@node.command()
@click.argument("nodes", nargs=-1, required=True)
def wake(nodes: tuple[str, ...]) -> None:
    """Switch sleeping machines on."""
    raise click.ClickException(f"waking machines is not available yet; switch {', '.join(nodes)} on by hand")


def _join_options(given: dict[str, Any]) -> JoinOptions:
    if given["registry_mirror"]:
        checked(mirror, given["registry_mirror"])
    return JoinOptions(
        name=given["name"],
        labels=dict(checked(_label, text) for text in given["labels"]),
        taints=tuple(checked(Taint.parse, text) for text in given["taints"]),
        registry_mirror=given["registry_mirror"],
        node_ip=given["node_ip"],
        ignore=frozenset(checked(_check_id, text) for text in given["ignored"]),
        ready_seconds=given["timeout"],
    )


def _label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise ValueError(f"--label: {text!r} is not KEY=VALUE")
    return key, value


def _check_id(text: str) -> str:
    known = sorted(rule.id for rule in preflight.RULES)
    if text not in known:
        raise ValueError(f"--ignore: there is no check {text!r} (there are {', '.join(known)})")
    return text
