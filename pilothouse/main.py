"""The `pilothouse` command: options, subcommands, and how errors end.

Subcommands live in pilothouse/commands, one file each, and are imported only when they are called: the TUI must
not wait for the engine's imports, nor `--help` for anybody's.
"""

import importlib
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click

from pilothouse import datadir

# subcommand -> the one line that --help shows for it
COMMANDS = {
    "addon": "Parts that a cluster can do without: enable and disable them.",
    "bench": "Machines that only pretend, to see how a control plane fares under load.",
    "engine": "Run and steer the local engine.",
    "kubeconfig": "Print the local engine's kubeconfig, or merge it into yours.",
    "lab": "Machines made of namespaces on this computer, to try things on.",
    "node": "Join, list, check and remove machines.",
    "serve": "The full-screen app in a browser.",
}


class CommandFolder(click.Group):
    """Finds a subcommand in the module of its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *COMMANDS})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        module = importlib.import_module(f"pilothouse.commands.{cmd_name}")
        return getattr(module, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as click calls it
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


def installed_version() -> str:
    try:
        return version("pilothouse")
    except PackageNotFoundError:
        return "0+unknown"


@click.group(cls=CommandFolder, invoke_without_command=True)
@click.version_option(installed_version(), prog_name="pilothouse")
@click.option("--data-dir", type=click.Path(path_type=Path), envvar="PILOTHOUSE_DATA_DIR", default=datadir.default,
              show_default="per user", help="Where the local engine keeps everything it owns.")  # fmt: skip
@click.option("--kubeconfig", type=click.Path(path_type=Path), help="Use the clusters of this file instead.")
@click.option("--context", help="Use this context of your kubeconfig, not the local engine.")
@click.option("--namespace", "-n", help="Start in this namespace.")
@click.option("--readonly", is_flag=True, help="Refuse every change to the cluster.")
@click.option("--theme", help="Start with this theme.")
@click.pass_context
def cli(ctx: click.Context, data_dir: Path, **options: Any) -> None:
    """Manage clusters of your own machines from the terminal.

    Without a command: the full-screen app, on the local engine (started when it does not run), or on any other
    Kubernetes cluster with --context or --kubeconfig.
    """
    ctx.obj = data_dir
    if ctx.invoked_subcommand is None:
        from pilothouse.commands import tui

        tui.open_app(data_dir, **options)


def main() -> None:
    """Run the command; a failure prints one line with its reason and exits 1 (2 for wrong usage)."""
    try:
        # Without standalone mode click hands back the code of an Exit instead of raising it.
        sys.exit(cli(standalone_mode=False) or 0)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except Exception as error:
        if not is_expected(error):
            raise
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)


def is_expected(error: Exception) -> bool:
    """Whether the message says all that a user needs; anything else is a bug and shows its traceback."""
    from apimachinery.client.errors import KubeconfigError
    from apimachinery.objects.errors import StatusError

    return isinstance(error, StatusError | OSError | KubeconfigError)


if __name__ == "__main__":
    main()
