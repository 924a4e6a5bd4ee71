"""`pilothouse` without a command: the full-screen app on the local engine or any other cluster."""

import os
import sys
from pathlib import Path

import click

from apimachinery.client import kubeconfig
from pilothouse import datadir


def open_app(
    data_dir: Path,
    *,
    kubeconfig: Path | None = None,
    context: str | None = None,
    namespace: str | None = None,
    readonly: bool = False,
    theme: str | None = None,
) -> None:
    """Open the app; without `kubeconfig` and `context` on the local engine, which is started when it does not run."""
    foreign = bool(kubeconfig or context)
    access = foreign_access(kubeconfig, context) if foreign else local_access(data_dir)
    kubeconfigs = (kubeconfig,) if foreign else (datadir.kubeconfig(data_dir), None)
    machine_command = () if foreign else (sys.executable, "-m", "pilothouse", "--data-dir", str(data_dir))
    from tui import app

    app.run(
        access,
        namespace=namespace,
        readonly=readonly,
        theme=theme,
        kubeconfigs=kubeconfigs,
        machine_command=machine_command,
    )


def foreign_access(file: Path | None, context: str | None) -> kubeconfig.ClusterAccess:
    return kubeconfig.load(file, context)


def local_access(data_dir: Path) -> kubeconfig.ClusterAccess:
    if datadir.running_engine(data_dir) is None:
        from pilothouse.commands import engine

        click.echo("starting the local engine ...", err=True)
        engine.start_detached(data_dir)
    os.environ.setdefault("PILOTHOUSE_DATA_DIR", str(data_dir))
    return kubeconfig.load(datadir.kubeconfig(data_dir))
