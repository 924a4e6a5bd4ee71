"""`pilothouse engine`: run the control plane in the foreground, or start, stop and look at one in the background."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click
import msgspec

from apimachinery.client import kubeconfig
from apimachinery.client.errors import ConnectionFailed, KubeconfigError
from apimachinery.objects.errors import StatusError
from pilothouse import datadir
from pilothouse.commands.engine_backup import backup, restore, rotate_key
from pilothouse.etcdoptions import StoreOptions, store_options, stored_in
from pilothouse.oidcoptions import oidc_in, oidc_options
from pilothouse.output import output_option, print_listing
from pilothouse.pooloption import pool_option

DEFAULT_LISTEN = "127.0.0.1:6443"
START_TIMEOUT = 30.0
STOP_TIMEOUT = 15.0
POLL = 0.05


@click.group()
def engine() -> None:
    """Run and steer the local engine, the control plane of your machines."""


def listen_address(_ctx: click.Context, _param: click.Parameter, value: str) -> tuple[str, int]:
    host, colon, port = value.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise click.BadParameter(f"{value!r} is not HOST:PORT")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - an empty host means all, as everywhere


for command in (backup, restore, rotate_key):
    engine.add_command(command)


@engine.command()
@click.option("--data-dir", "own_dir", type=click.Path(path_type=Path), help="Where the engine keeps all it owns.")
@click.option("--listen", default=DEFAULT_LISTEN, show_default=True, callback=listen_address, metavar="HOST:PORT",
              help="Where to serve the API; port 0 takes a free one.")  # fmt: skip
@click.option("--kubeconfig-out", type=click.Path(path_type=Path), help="Write the admin's kubeconfig here too.")
@click.option("--scheduler-config", type=click.Path(path_type=Path), metavar="FILE",
              help="Read the scheduler's profiles from this KubeSchedulerConfiguration.")  # fmt: skip
@click.option("--audit-log", is_flag=True, help="Write who did what to audit.log in the data dir.")
@pool_option
@oidc_options
@store_options
@click.pass_obj
def run(
    data_dir: Path,
    own_dir: Path | None,
    *,
    listen: tuple[str, int],
    kubeconfig_out: Path | None,
    scheduler_config: Path | None,
    audit_log: bool,
    loadbalancer_pool: tuple[str, ...],
    **others: Any,
) -> None:
    """Run the engine in the foreground until SIGTERM."""
    people = oidc_in({name: others.pop(name) for name in list(others) if name.startswith("oidc_")})
    stored = msgspec.structs.asdict(stored_in(**others))
    # structlog loads it where it is installed, for tracebacks that show the values of variables: 5 MB and 40 ms that an
    # engine has no use for, and secrets in its log.
    sys.modules.setdefault("rich", None)  # pyright: ignore[reportArgumentType]
    from engine import main as engine_main
    from engine.config import EngineConfig

    host, port = listen
    engine_main.main(
        EngineConfig(
            data_dir=own_dir or data_dir,
            host=host,
            port=port,
            kubeconfig_out=kubeconfig_out,
            scheduler_config=scheduler_config,
            audit_log=audit_log,
            load_balancer_pool=loadbalancer_pool,
            **people,
            **stored,
        )
    )


@engine.command()
@click.option(
    "--listen", default=DEFAULT_LISTEN, show_default=True, metavar="HOST:PORT", help="Where to serve the API."
)
@pool_option
@store_options
@click.pass_obj
def start(data_dir: Path, listen: str, loadbalancer_pool: tuple[str, ...], **storing: Any) -> None:
    """Start the engine in the background and wait until it serves."""
    running = datadir.running_engine(data_dir)
    if running is None:
        running = start_detached(data_dir, listen, stored_in(**storing), pool=loadbalancer_pool)
        click.echo(f"engine started on https://{running.address}:{running.port} (pid {running.pid})")
    else:
        click.echo(f"engine already runs on https://{running.address}:{running.port} (pid {running.pid})")


def start_detached(
    data_dir: Path,
    listen: str = DEFAULT_LISTEN,
    stored: StoreOptions | None = None,
    *,
    pool: tuple[str, ...] = (),
) -> datadir.Running:
    """Start an engine that outlives us and wait until it is ready. Raises ClickException with its last words."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    log_file = data_dir / "engine.log"
    descriptor = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    log_start = os.fstat(descriptor).st_size
    with os.fdopen(descriptor, "ab") as log:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "pilothouse", "--data-dir", str(data_dir), "engine", "run", "--listen", listen,
                *(stored.arguments() if stored is not None else ()),
                *(("--loadbalancer-pool", ",".join(pool)) if pool else ()),
            ],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/",
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        )  # fmt: skip
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise click.ClickException(f"the engine did not start: {last_words(log_file, log_start)}")
        running = datadir.running_engine(data_dir)
        if running is not None and running.pid == process.pid and asyncio.run(is_ready(data_dir)):
            return running
        time.sleep(POLL)
    raise click.ClickException(f"the engine is not ready after {START_TIMEOUT:.0f} s; see {log_file}")


def last_words(log_file: Path, start: int) -> str:
    lines = [line for line in log_file.read_bytes()[start:].decode(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else f"see {log_file}"


async def is_ready(data_dir: Path) -> bool:
    try:
        transport = kubeconfig.load(datadir.kubeconfig(data_dir)).transport()
    except KubeconfigError:
        return False
    try:
        return (await transport.request("GET", "/readyz", timeout=2)).status == 200
    except (ConnectionFailed, StatusError):
        return False
    finally:
        await transport.close()


@engine.command()
@click.pass_obj
def stop(data_dir: Path) -> None:
    """Stop the engine that runs in the background. The machines go on running their pods."""
    running = datadir.running_engine(data_dir)
    if running is None:
        click.echo("no engine runs")
        return
    datadir.terminate(running.pid)
    deadline = time.monotonic() + STOP_TIMEOUT
    while datadir.is_alive(running.pid):
        if time.monotonic() > deadline:
            raise click.ClickException(f"engine {running.pid} still runs after {STOP_TIMEOUT:.0f} s")
        time.sleep(POLL)
    click.echo("engine stopped")


@engine.command()
@output_option
@click.pass_obj
def status(data_dir: Path, output: str) -> None:
    """Say whether the engine runs and serves; exits 1 when it does not."""
    running = datadir.running_engine(data_dir)
    if running is None:
        state = {"running": False, "dataDir": str(data_dir)}
    else:
        state = {
            "running": True,
            "ready": asyncio.run(is_ready(data_dir)),
            **msgspec.to_builtins(running),
            "dataDir": str(data_dir),
            "kubeconfig": str(datadir.kubeconfig(data_dir)),
        }
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(state)).decode())
    else:
        print_listing([{"what": k, "value": v} for k, v in state.items()], ["what", "value"], output)
    if not state.get("ready"):
        raise click.exceptions.Exit(1)
