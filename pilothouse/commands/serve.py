"""`pilothouse serve`: the app in a browser."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import click

from pilothouse.commands import tui
from pilothouse.serving.guard import Guard, TokenFileError, is_everywhere, is_loopback, own_names, token_of

DEFAULT_PORT = 8480


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, show_default=True,
              help="Port to listen at; 0 takes a free one.")  # fmt: skip
@click.option("--token-file", type=click.Path(path_type=Path, dir_okay=False),
              help="Keep the token in this file, so that it outlives a restart; made if missing.")  # fmt: skip
@click.option("--tls-cert", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Certificate for HTTPS.")
@click.option("--tls-key", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Its key.")
@click.option("--insecure-http", is_flag=True, help="Serve other computers without TLS: all can be read on the way.")
@click.option("--allow-host", multiple=True, metavar="NAME",
              help="Another name that this server goes by, behind a proxy say; may be repeated.")  # fmt: skip
@click.option("--pages", type=click.IntRange(1), default=8, show_default=True, help="Most pages open at a time.")
@click.option("--kubeconfig", type=click.Path(path_type=Path), help="Use the clusters of this file instead.")
@click.option("--context", "context_name", help="Use this context of your kubeconfig, not the local engine.")
@click.option("--namespace", "-n", help="Start in this namespace.")
@click.option("--readonly", is_flag=True, help="Refuse every change to the cluster.")
@click.option("--theme", help="Start with this theme.")
@click.pass_context
def serve(
    ctx: click.Context,
    *,
    host: str,
    port: int,
    token_file: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    insecure_http: bool,
    allow_host: tuple[str, ...],
    pages: int,
    **shown: Any,
) -> None:
    """Serve the app to a browser, to whoever has the address that it prints: the token in it is the key.

    Each page is an app of its own, with your rights in the cluster. Other computers reach it only when --host says so,
    and then by TLS.
    """
    tls = tls_pair(tls_cert, tls_key)
    if not is_loopback(host) and tls is None and not insecure_http:
        raise click.UsageError(
            f"{host} can be reached from other computers: give --tls-cert and --tls-key, or --insecure-http to let "
            "everybody on the way read along; or listen at 127.0.0.1 and come by ssh -L"
        )
    data_dir: Path = ctx.obj
    given = {**(ctx.parent.params if ctx.parent is not None else {})}
    given |= {name: value for name, value in shown.items() if value and name != "context_name"}
    given["context"] = shown["context_name"] or given.get("context")
    try:
        token = token_of(token_file)
    except TokenFileError as error:
        raise click.ClickException(str(error)) from error
    # What is wrong with the way to the cluster is said here, not in the first page; and the engine is started once.
    if given.get("kubeconfig") or given.get("context"):
        access = tui.foreign_access(given.get("kubeconfig"), given.get("context"))
    else:
        access = tui.local_access(data_dir)

    from pilothouse.serving import server

    serving = server.Serving(
        argv=app_command(data_dir, given),
        environment={"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        guard=Guard(token=token, hosts=own_names(host, allow_host), any_address=is_everywhere(host)),
        host=host, port=port, title=f"Pilothouse {access.context}", pages=pages, tls=tls,
    )  # fmt: skip

    def tell(address: str) -> None:
        click.echo(address)
        click.echo(
            f"Whoever opens this address acts as you in {access.context}. Ctrl-C ends it, and the pages with it.",
            err=True,
        )

    asyncio.run(server.run(serving, tell=tell))


def tls_pair(certificate: Path | None, key: Path | None) -> tuple[Path, Path] | None:
    if (certificate is None) != (key is None):
        raise click.UsageError("--tls-cert and --tls-key belong together")
    return (certificate, key) if certificate is not None and key is not None else None


def app_command(data_dir: Path, given: dict[str, Any]) -> list[str]:
    """What a person would type for the same app in a terminal."""
    words = [sys.executable, "-m", "pilothouse", "--data-dir", str(data_dir)]
    for name in ("kubeconfig", "context", "namespace", "theme"):
        if given.get(name) is not None:
            words += [f"--{name}", str(given[name])]
    return [*words, "--readonly"] if given.get("readonly") else words
