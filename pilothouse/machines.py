"""What commands on machines share: how to get in, whom to ask about host keys, several at once, errors at the end."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click
from rich.console import Console

from apimachinery.client import kubeconfig
from apimachinery.client.client import Client
from apimachinery.client.errors import KubeconfigError
from apimachinery.objects.errors import NotFound
from apimachinery.objects.resources import NODES
from engine.fleet.errors import FleetError, HostKey
from engine.fleet.inventory import Inventory
from engine.fleet.join import Cluster
from engine.fleet.nodes import NodeView, way_of
from engine.fleet.progress import StepEvent
from engine.fleet.reach import Access
from engine.fleet.ssh.connect import Login
from engine.fleet.target import Target, parse
from pilothouse import datadir
from pilothouse.jsonprogress import JsonConfirm, JsonProgress
from pilothouse.progress import MachineProgress

P = ParamSpec("P")
T = TypeVar("T")
AT_ONCE = 8
Confirmer = Callable[[HostKey], Awaitable[bool]]
"""Whether a host key that nobody knows is the machine's."""


def access_options(command: Callable[P, None]) -> Callable[P, None]:
    """How to get into a machine; `read_access` makes something of it."""
    for option in (
        click.option("--yes", "-y", is_flag=True, help="Accept unknown host keys without asking."),
        click.option("--sudo-password", "ask_sudo", is_flag=True, help="Ask for sudo's password."),
        click.option("--password-stdin", is_flag=True, help="Read the password (login's and sudo's) from stdin."),
        click.option("--password", "ask_password", is_flag=True, help="Ask for the login password."),
        click.option("--jump", "-J", metavar="[USER@]HOST[:PORT],...", help="Go through these machines."),
        click.option("--key", "-i", "keys", multiple=True, type=click.Path(path_type=Path, exists=True, dir_okay=False),
                     help="Private key to log in with; else the SSH agent's and the default ones."),
    ):  # fmt: skip
        command = option(command)
    return command


def read_access(options: dict[str, Any]) -> Access:
    """The value of `access_options`. Passwords come from a prompt or from stdin, never from an argument."""
    password: str | None = sys.stdin.readline().rstrip("\n") if options["password_stdin"] else None
    if options["ask_password"]:
        password = click.prompt("Password", hide_input=True, err=True)
    sudo_password = click.prompt("Password of sudo", hide_input=True, err=True) if options["ask_sudo"] else password
    jump: str | None = options["jump"]
    hops = tuple(read_target(hop.strip()) for hop in jump.split(",")) if jump else ()
    login = Login(key_files=tuple(str(key) for key in options["keys"]), password=password)
    return Access(login=login, jump=hops, sudo_password=sudo_password)


def read_target(text: str) -> Target:
    return checked(parse, text)


def checked(parser: Callable[[str], T], text: str) -> T:
    """What a user typed, parsed; a mistake is wrong usage."""
    try:
        return parser(text)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


class Confirm:
    """Asks about unknown host keys: one at a time, however many machines are worked on."""

    def __init__(self, *, yes: bool, progress: MachineProgress | None = None) -> None:
        self._yes = yes
        self._progress = progress
        self._lock = asyncio.Lock()

    async def __call__(self, key: HostKey) -> bool:
        if self._yes:
            return True
        if not sys.stdin.isatty():
            return False  # nobody to ask: the refusal names the key
        async with self._lock:
            if self._progress is None:
                return await asyncio.to_thread(self._ask, key)
            async with self._progress.paused():
                return await asyncio.to_thread(self._ask, key)

    def _ask(self, key: HostKey) -> bool:
        click.echo(f"{key.address} is new here. Its host key is {key.algorithm}\n  {key.fingerprint}", err=True)
        return click.confirm("Is that the machine?", default=False, err=True)


def on_each(
    data_dir: Path,
    names: Sequence[str],
    work: Callable[[Cluster, str, Callable[[StepEvent], None], Confirmer], Awaitable[str]],
    *,
    yes: bool,
    failed: str,
    output: str = "table",
) -> None:
    """Do `work` on every machine, some at once, with progress shown; it returns the last word on its machine.

    One failure does not stop the others: all are told at the end, and the command fails. With `output` "json" each
    piece of progress is a line of JSON on stdout.
    """
    progress = JsonProgress() if output == "json" else MachineProgress(list(names), Console(stderr=True))
    failures: dict[str, str] = {}

    async def run() -> None:
        room = asyncio.Semaphore(AT_ONCE)
        confirm: Confirmer
        if isinstance(progress, JsonProgress):
            confirm = JsonConfirm(progress, yes=yes)
        else:
            confirm = Confirm(yes=yes, progress=progress)

        async def one(cluster: Cluster, name: str) -> None:
            async with room:
                try:
                    last_word = await work(cluster, name, _reporting_as(name, progress.tell), confirm)
                    progress.end(name, last_word, well=True)
                except (FleetError, OSError) as error:
                    failures[name] = str(error)
                    progress.end(name, str(error), well=False)

        async with local_cluster(data_dir) as cluster:
            with progress.shown():
                await asyncio.gather(*(one(cluster, name) for name in names))

    asyncio.run(run())
    if len(names) == 1 and failures:
        raise click.ClickException(": ".join(next(iter(failures.items()))))
    if failures:
        reasons = "".join(f"\n  {machine}: {reason}" for machine, reason in failures.items())
        raise click.ClickException(f"{len(failures)} of {len(names)} machines {failed}:{reasons}")


async def find_machine(cluster: Cluster, text: str, access: Access) -> tuple[Target, Access, str | None]:
    """A node by its name, with the way that its annotations tell, or else a machine by its address (no name)."""
    try:
        found = await cluster.client.get(NODES, text, view=NodeView)
    except NotFound:
        return read_target(text), access, None
    way = way_of(found.metadata.annotations)
    if way is None:
        raise FleetError(f"node {text} was not joined over SSH")
    inventory = Inventory(cluster.data_dir)
    for address, line in way.pins.items():
        inventory.pin(address, line)
    if not access.login.key_files and access.login.password is None:
        access = replace(access, login=Login(key_files=inventory.key_files(text)))
    return way.target, replace(access, jump=access.jump or tuple(way.jump)), text


@asynccontextmanager
async def local_cluster(data_dir: Path) -> AsyncGenerator[Cluster]:
    """The local engine's cluster. Raises ClickException when no engine runs."""
    from engine.pki import Pki

    async with local_client(data_dir) as client:
        yield Cluster(client=client, pki=Pki.ensure(data_dir), data_dir=data_dir)


@asynccontextmanager
async def local_client(data_dir: Path) -> AsyncGenerator[Client]:
    """The local engine's API. Raises ClickException when no engine runs."""
    if datadir.running_engine(data_dir) is None:
        raise click.ClickException("no engine runs; start one with: pilothouse engine start")
    try:
        client = Client(kubeconfig.load(datadir.kubeconfig(data_dir)).transport("pilothouse-node"))
    except KubeconfigError as error:
        raise click.ClickException(str(error)) from error
    try:
        yield client
    finally:
        await client.transport.close()


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end; what goes wrong with a machine ends the command with its reason."""
    try:
        return asyncio.run(work)
    except FleetError as error:
        raise click.ClickException(str(error)) from error


def _reporting_as(name: str, tell: Callable[[StepEvent], None]) -> Callable[[StepEvent], None]:
    """Report under the name that the user typed."""
    return lambda event: tell(replace(event, machine=name))
